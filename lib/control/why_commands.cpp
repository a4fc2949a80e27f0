// Why an address is answered and routed as it is, and what a message waits for (explanation.hpp).
#include "control/explanation.hpp"
#include "control/session.hpp"

namespace mansio::control {

event::Task<> Session::why() {
  Explanation explanation(services_);
  std::string text = text_of("id");
  Json out;
  if (text.empty()) {
    Explanation::Question question;
    question.address = text_of("address");
    question.sender = text_of("from");
    question.client = text_of("client");
    question.user = text_of("user");
    out = co_await explanation.address(std::move(question));
  } else {
    auto id = spool::QueueId::parse(text);
    Result<std::shared_ptr<spool::Message>> message = fail(Fault::not_found, "no such id");
    if (id) message = co_await queue_.spool.load(*id);
    out["id"] = text;
    if (message) out = co_await explanation.message(std::move(*message));
    out["in_queue"] = message.has_value();
    out["complete"] = !queue_.spool.recovering();
  }
  end(std::move(out));
}

}  // namespace mansio::control
