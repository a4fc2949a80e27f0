#include "pam_check.hpp"

#include "event/timer.hpp"

namespace mansio::daemon {

auth::PamBackend::Check PamCheck::function() {
  return [this](std::string user, crypto::Secret password, std::string client) {
    return check(std::move(user), std::move(password), std::move(client));
  };
}

void PamCheck::note(const Status& status) {
  if (status.ok() == !told_) return;
  told_ = !told_;
  report_(told_ ? status.text() : "PAM service " + service_ + ": answers again");
}

event::Task<sasl::Answer> PamCheck::check(std::string user, crypto::Secret password, std::string client) {
  deliver::Job job;
  job.kind = deliver::JobKind::password_check;
  job.service = service_;
  job.user = std::move(user);
  job.secret = std::move(password);
  job.remote = std::move(client);
  spool::Content nothing;
  auto answer = co_await agents_.run(std::move(job), std::move(nothing));
  note(answer.status);
  if (!answer.status.ok()) co_return sasl::Answer(sasl::Answer::Verdict::unavailable);
  if (answer.found) co_return sasl::Answer(sasl::Answer::Verdict::accepted, std::move(answer.user));
  if (answer.hold > Duration(0)) {
    event::Timer timer(loop_);
    co_await timer.sleep(answer.hold);
  }
  co_return sasl::Answer(sasl::Answer::Verdict::denied);
}

}  // namespace mansio::daemon
