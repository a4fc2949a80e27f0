// Logging in to a server (RFC 4954 §4, §6). Whatever goes wrong is 4xx: credentials that don't fit, and a server that offers
// nothing we can use, are for an admin to mend, and no fault of the mail.
#include <fmt/format.h>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "smtp/client.hpp"

namespace mansio::smtp {
namespace {

constexpr std::size_t command_limit = 512;          // RFC 4954 §4: a longer initial response waits for 334
constexpr std::size_t challenge_limit = 12288;      // RFC 4954 §4, octets of a line of the exchange
constexpr int challenges_limit = 16;

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// "PREFIXbase64\r\n", without leaving a copy of the secret behind.
crypto::Secret secret_line(std::string_view prefix, std::string_view secret, std::string_view empty) {
  std::string coded = base64_encode(secret), line;
  line.reserve(prefix.size() + coded.size() + empty.size() + 2);
  line.append(prefix).append(coded.empty() ? empty : coded).append("\r\n");
  crypto::Secret out(line);
  crypto::wipe(line);
  crypto::wipe(coded);
  return out;
}

}  // namespace

event::Task<Status> ClientSession::login() {
  stage_ = Stage::auth;
  sasl::ClientContext context;
  context.offered = capabilities_.auth;
  context.allowed = options_.mechanisms;
  context.clear_allowed = options_.auth_unverified || (channel_.tls() != nullptr && channel_.tls()->verified);
  context.bindings = channel_.bindings();
  std::string mechanism(sasl::choose_mechanism(context, *options_.credentials));
  auto client = sasl::make_client(mechanism, context, *options_.credentials);
  if (client == nullptr) co_return no_mechanism(context);
  auto reply = co_await exchange(client.get(), mechanism);
  if (!reply) {
    if (reply.error().fault() != Fault::denied) co_return broke(reply.error());
    co_return Status(451, 7, 0, fmt::format("logging in with {} failed: {}", mechanism, reply.error().text()));
  }
  co_return judge_login(*reply, mechanism, *client);
}

// Until the server says something else than 334. Fault::denied: given up by us; the session may go on.
event::Task<Result<ServerReply>> ClientSession::exchange(sasl::Client* client, std::string_view mechanism) {
  auto first = client->begin();
  if (!first) co_return fail(Fault::denied, "the credentials are of no use: " + first.error().text());
  std::optional<crypto::Secret> initial = std::move(*first);
  std::string command = fmt::format("AUTH {}", mechanism);
  crypto::Secret line(command + "\r\n");
  if (initial) {
    crypto::Secret whole = secret_line(command + " ", initial->view(), "=");
    if (whole.view().size() <= command_limit) {
      line = std::move(whole);
      initial.reset();
    }
  }
  auto reply = co_await ask_secretly(std::move(line));
  for (int n = 0; reply && reply->code == 334; ++n) {
    auto challenge = base64_decode(reply->text);
    if (!challenge || n == challenges_limit) {
      Error odd(Fault::denied, challenge ? "the server does not come to an end" : "the server's challenge is no base64");
      auto given_up = co_await give_up_login(std::move(odd));
      co_return given_up;
    }
    Result<crypto::Secret> answer = fail(Fault::invalid, "");
    if (initial) {
      answer = std::move(*initial);
      initial.reset();
    } else if (options_.blocking != nullptr) {     // SCRAM takes its time
      auto work = [&] { return client->respond(*challenge); };
      answer = co_await options_.blocking->run(work);
    } else {
      answer = client->respond(*challenge);
    }
    if (!answer) {
      Error why(Fault::denied, answer.error().text());
      auto given_up = co_await give_up_login(std::move(why));
      co_return given_up;
    }
    crypto::Secret next = secret_line("", answer->view(), "");
    reply = co_await ask_secretly(std::move(next));
  }
  co_return reply;
}

event::Task<Result<ServerReply>> ClientSession::ask_secretly(crypto::Secret line) {
  // Of the first line the verb and the mechanism are shown, of others nothing.
  channel_.hear(Heard::client, line.view().starts_with("AUTH ") ? line.view() : "***");
  auto written = co_await channel_.write(line.view(), options_.timeouts.hello);
  if (!written && written.error().fault() != Fault::closed) co_return std::unexpected(written.error());
  auto reply = co_await channel_.reply(options_.timeouts.hello, challenge_limit);
  co_return reply;
}

// RFC 4954 §4: "*" ends the exchange, and the server says 501.
event::Task<Result<ServerReply>> ClientSession::give_up_login(Error why) {
  std::string command = "*\r\n";
  auto reply = co_await channel_.ask(std::move(command), options_.timeouts.quit);
  if (!reply || !reply->refused()) channel_.drop();
  co_return std::unexpected(std::move(why));
}

Status ClientSession::judge_login(const ServerReply& reply, std::string_view mechanism, sasl::Client& client) {
  const std::string& user = options_.credentials->user;
  if (reply.code == 235) {
    // Only a server that knows the password can prove it (RFC 5802 §3); before that it gets nothing of the mail.
    if (auto proven = client.finish(); !proven) {
      channel_.drop();
      return Status(451, 7, 0, fmt::format("logging in with {} failed: {}", mechanism, proven.error().text()));
    }
    auth_ = fmt::format("{}:{}", mechanism, user);
    channel_.hear(Heard::note, fmt::format("logged in as {} with {}", user, mechanism));
    return reply.status();
  }
  if (!reply.refused()) {
    Error odd(Fault::invalid, fmt::format("the server said {}", reply.code));
    return broke(odd);
  }
  if (reply.code == 421) channel_.drop();
  login_refused_ = reply.code / 100 == 5;
  Status said = reply.status();
  return Status(454, 7, login_refused_ ? 8 : 0, fmt::format("logging in as {} with {} was refused: {}", user, mechanism, said.line()));
}

// Says what would have to change.
Status ClientSession::no_mechanism(const sasl::ClientContext& context) const {
  const net::TlsInfo* tls = channel_.tls();
  if (context.offered.empty()) {
    return Status(451, 7, 4, tls == nullptr ? "credentials are set, and the host offers no AUTH without TLS"
                                            : "credentials are set, and the host offers no AUTH");
  }
  std::string offers = "the host offers AUTH " + listed(context.offered);
  sasl::ClientContext trusting = context, open = context;
  trusting.clear_allowed = true;
  if (!sasl::choose_mechanism(trusting, *options_.credentials).empty()) {
    std::string lack = tls == nullptr ? std::string("the connection is not encrypted") : "its certificate was not verified";
    if (tls != nullptr && !tls->problem.empty()) lack += " (" + tls->problem + ")";
    return Status(451, 7, 11, fmt::format("{}, which would show it the password or token, and {}; nothing was sent. Make the certificate "
                                          "verify, or allow it with auth_unverified", offers, lack));
  }
  open.allowed.clear();
  if (!sasl::choose_mechanism(open, *options_.credentials).empty()) {
    return Status(451, 7, 4, fmt::format("{}, and auth_mechanisms allows {} only", offers, listed(context.allowed)));
  }
  return Status(451, 7, 4, fmt::format("{} only, for which there are no fitting credentials", offers));
}

}  // namespace mansio::smtp
