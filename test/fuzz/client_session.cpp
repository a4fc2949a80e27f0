// A whole client session: the fuzzer is the server. Whatever it answers, the client must end, speak in whole lines, send a
// message's content only after 354, and never take anything but 2xx at the end of the data for delivered.
#include <algorithm>

#include "base/text.hpp"
#include "fuzz/wire.hpp"
#include "smtp/client.hpp"

namespace fuzz {
namespace {

using namespace mansio;

constexpr std::string_view body = "X-Fuzz: content\r\n\r\n.line with a dot\r\nlast line\r\n";

class Content final : public smtp::ContentSource {
 public:
  event::Task<Result<std::string_view>> next() override {
    std::string_view piece = given_ ? std::string_view() : body;
    given_ = true;
    co_return piece;
  }

 private:
  bool given_ = false;
};

// Without SCRAM, whose nonce is random.
void give_login(smtp::ClientOptions& options, bool token) {
  auto login = std::make_shared<sasl::Credentials>();
  login->user = "user";
  login->password = crypto::Secret("opensesame");
  if (token) login->token = crypto::Secret("opentoken");
  options.credentials = std::move(login);
  options.mechanisms = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"};
  options.auth_unverified = true;
}

smtp::ClientOptions client_options(unsigned kind) {
  smtp::ClientOptions options;
  options.helo_name = "client.test";
  options.lmtp = (kind & 1) != 0;
  options.plain_helo = (kind & 16) != 0;
  static const auto context = tls_client();
  if ((kind & (32 | 64)) != 0) options.tls = (kind & 32) != 0 ? smtp::ClientTls::required : smtp::ClientTls::offered;
  options.tls_client = context;
  if ((kind & 4) != 0) give_login(options, (kind & 8) != 0);
  smtp::ClientTimeouts& t = options.timeouts;
  for (Duration* each : {&t.greeting, &t.hello, &t.mail, &t.rcpt, &t.data_init, &t.data_block, &t.data_end, &t.quit}) *each = patience;
  return options;
}

struct ClientOutcome {
  std::vector<smtp::TransactionResult> results;
  Status started;
};

event::Task<> converse(smtp::ClientSession* session, ClientOutcome* out) {
  Status started = co_await session->start();
  out->started = started;
  bool go_on = started.ok();
  for (int n = 0; go_on && n < 3; ++n) {
    Content content;
    smtp::Transaction transaction;
    transaction.sender = "from@client.test";
    transaction.recipients.emplace_back("a@ex.test", "", std::uint8_t{0});
    transaction.recipients.emplace_back("b@ex.test", "rfc822;b@ex.test", std::uint8_t{mail::Notify::never});
    transaction.size = body.size();
    transaction.content = &content;
    auto result = co_await session->send(&transaction);
    go_on = result.reusable;
    out->results.push_back(std::move(result));
  }
  if (go_on) co_await session->quit();
}

// The server: all at once, or a reply (up to its last line) at a time, with a pause in which the client may speak; then it
// closes.
event::Task<> answer(event::Loop* loop, event::Stream* stream, Heard* heard, std::string_view input, bool at_once) {
  event::Timer timer(*loop);
  auto deadline = event::Deadline::in(patience);
  while (!input.empty() && !heard->closed) {
    std::size_t size = input.size();
    if (!at_once) {
      size = 0;
      for (bool last = false; !last && size < input.size();) {
        auto end = input.find('\n', size);
        std::string_view line = input.substr(size, end == std::string_view::npos ? end : end + 1 - size);
        last = line.size() < 4 || line[3] != '-';
        size += line.size();
      }
    }
    auto sent = co_await stream->write(input.substr(0, size), deadline);
    input.remove_prefix(size);
    if (!sent) break;
    if (!at_once) co_await timer.sleep(Duration(1));
  }
  if (!heard->closed) stream->shutdown();
  while (!heard->closed) co_await heard->more.wait();
}

event::Task<> play_client(Wire* wire, unsigned kind, std::string_view input, bool at_once, Heard* heard, ClientOutcome* out) {
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  scope.spawn(listen(&*wire->theirs, heard));
  scope.spawn(answer(&wire->on.loop, &*wire->theirs, heard, input, at_once));
  {
    net::Connection connection(std::move(*wire->ours));
    smtp::ClientSession session(std::move(connection), client_options(kind));
    co_await converse(&session, out);
  }
  co_await scope.join();
}

void check_said(std::string_view said, std::string_view input) {
  // Behind a STARTTLS that was taken there is TLS and nothing else: the handshake never ends here.
  if (auto begin = said.find("STARTTLS\r\n\x16\x03"); begin != std::string_view::npos) {
    std::string_view tls = said.substr(begin + 10);
    for (std::string_view clear : {"EHLO ", "HELO ", "AUTH ", "MAIL FROM", "QUIT"}) require(tls.find(clear) == std::string_view::npos, "no word in clear after the handshake began");
    said.remove_suffix(tls.size());
  }
  bool go_ahead = input.find("354") != std::string_view::npos || input.find("CHUNKING") != std::string_view::npos ||
                  to_lower(input).find("chunking") != std::string::npos;
  require(said.find("opensesame") == std::string_view::npos && said.find("opentoken") == std::string_view::npos, "no secret is said but in base64");
  if (said.find("X-Fuzz: content") != std::string_view::npos) require(go_ahead, "content goes only to who asked for it");
  require(std::ranges::none_of(said, [](char c) { return is_control(c) && c != '\r' && c != '\n'; }), "nothing of the server's comes back");
  for (std::size_t i = 0; i < said.size(); ++i) {
    if (said[i] == '\n') require(i > 0 && said[i - 1] == '\r', "lines end in CRLF");
  }
}

}  // namespace

void client_session(std::string_view input) {
  if (input.size() > 8192) return;
  unsigned kind = input.empty() ? 0 : static_cast<unsigned char>(input.back());
  Wire wire;
  Heard heard;
  ClientOutcome out;
  wire.on.run(play_client(&wire, kind, input, (kind & 2) != 0, &heard, &out));
  wire.theirs.reset();
  check_said(heard.text, input);
  const bool lmtp = (kind & 1) != 0;
  require(out.started.ok() || out.results.empty(), "no mail goes out when the start failed");
  for (const auto& result : out.results) {
    require(result.recipients.size() == 2 && result.stages.size() == 2, "each recipient has an answer");
    require(!(result.unknown && result.host_trouble), "unknown is nobody's trouble");
    for (std::size_t i = 0; i < 2; ++i) {
      const Status& status = result.recipients[i];
      require(status.ok() || status.temporary() || status.permanent(), "an answer is one of three");
      if (status.ok()) require(result.stages[i] == smtp::Stage::end_of_data, "delivered is what the end of data says");
      // LMTP answers for each recipient (RFC 2033 §4.2): one may be refused before the connection breaks.
      if (result.unknown && !lmtp && result.stages[i] == smtp::Stage::end_of_data) require(!status.permanent(), "unknown is never a refusal");
    }
    if (result.unknown) require(std::ranges::any_of(result.recipients, &Status::temporary), "what is unknown waits");
  }
}

}  // namespace fuzz
