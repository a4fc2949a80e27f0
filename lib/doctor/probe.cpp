#include "doctor/probe.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace mansio::doctor {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::unexpected<Error> said(const smtp::ServerReply& reply, std::string_view to) {
  return fail(Fault::denied, fmt::format("it answered {} {} to {}", reply.code, first_line(reply.text), to));
}

}  // namespace

event::Task<Result<std::unique_ptr<Probe>>> Probe::open(event::Loop& loop, ProbeTarget target) {
  auto deadline = event::Deadline::in(target.patience);
  std::string source = target.source;
  event::Endpoint to = target.endpoint;
  auto stream = co_await event::Stream::connect(loop, std::move(to), std::move(source), deadline);
  if (!stream) co_return std::unexpected(stream.error());
  net::Connection connection(std::move(*stream));
  auto probe = std::make_unique<Probe>(std::move(connection), std::move(target));
  auto begun = co_await probe->begin();
  if (!begun) co_return std::unexpected(begun.error());
  co_return std::move(probe);
}

event::Task<Result<>> Probe::begin() {
  if (target_.implicit) {
    auto secured = co_await start_tls();
    if (!secured) co_return secured;
  }
  auto greeting = co_await channel_.reply(target_.patience);
  if (!greeting) co_return std::unexpected(greeting.error());
  greeting_ = first_line(greeting->text);
  if (greeting->code != 220) co_return said(*greeting, "the connection");
  auto greeted = co_await hello();
  if (!greeted || !target_.starttls || target_.implicit || !offers_starttls_) co_return greeted;
  auto reply = co_await say("STARTTLS");
  if (!reply) co_return std::unexpected(reply.error());
  if (!reply->ok()) {
    tls_problem_ = fmt::format("{} {}", reply->code, first_line(reply->text));
    co_return Result<>();
  }
  auto secured = co_await start_tls();
  if (!secured) co_return secured;
  co_return co_await hello();
}

event::Task<Result<>> Probe::start_tls() {
  net::TlsClientOptions options;
  auto client = net::TlsClient::make(options);
  if (!client) co_return std::unexpected(client.error());
  net::TlsRequest request;
  request.server_name = target_.tls_name;
  if (!target_.tls_name.empty()) request.names = {target_.tls_name};
  auto shared = *client;
  auto secured = co_await channel_.start_tls(std::move(shared), std::move(request), target_.patience);
  if (!secured) co_return fail(secured.error().fault(), "TLS: " + secured.error().text());
  co_return secured;
}

event::Task<Result<>> Probe::hello() {
  std::string command = "EHLO " + target_.helo + "\r\n";
  auto reply = co_await channel_.ask(std::move(command), target_.patience, smtp::ReplyParser::ehlo_text_limit);
  if (!reply) co_return std::unexpected(reply.error());
  if (!reply->ok()) co_return said(*reply, "EHLO");
  for (std::string_view line : split(reply->text, '\n')) {
    if (iequals(trim(line), "STARTTLS")) offers_starttls_ = true;
  }
  co_return Result<>();
}

event::Task<Result<smtp::ServerReply>> Probe::say(std::string command) {
  command += "\r\n";
  co_return co_await channel_.ask(std::move(command), target_.patience);
}

event::Task<> Probe::quit() {
  auto reply = co_await say("QUIT");
  channel_.drop();
}

}  // namespace mansio::doctor
