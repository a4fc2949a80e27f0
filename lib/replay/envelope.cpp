#include "replay/envelope.hpp"

namespace mansio::replay {
namespace {

// "PLAIN:bob" → "bob".
std::string login_of(const std::string& auth) { return auth.substr(auth.find(':') + 1); }

}  // namespace

std::optional<Envelope> envelope_of(const history::Record& record) {
  Envelope out;
  out.time = record.time;
  if (const auto* arrival = std::get_if<log::Arrival>(&record.event)) {
    out.client = arrival->host.address;
    out.client_name = arrival->host.name;
    out.login = login_of(arrival->auth);
    out.sender = arrival->sender;
    out.recipients = arrival->recipients;
    return out.recipients.empty() ? std::nullopt : std::optional(out);
  }
  const auto* rejection = std::get_if<log::Rejection>(&record.event);
  if (rejection == nullptr || rejection->stage != log::Rejection::Stage::rcpt || rejection->argument.empty()) return std::nullopt;
  out.client = rejection->host.address;
  out.client_name = rejection->host.name;
  out.login = login_of(rejection->auth);
  out.sender = rejection->sender.value_or("");
  out.recipients.push_back(rejection->argument);
  out.refused = true;
  return out;
}

}  // namespace mansio::replay
