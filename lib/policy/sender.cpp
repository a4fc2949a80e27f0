#include "policy/sender.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/submission.hpp"

namespace mansio::policy {

bool may_send_as(const config::Config& config, const config::SendersFile* senders, std::string_view login,
                 const std::optional<mail::Address>& address) {
  const config::Submission& rules = config.submission;
  if (login.empty() || rules.senders == config::Senders::any) return true;
  if (rules.senders == config::Senders::own) {
    auto mail_name = mail::Domain::parse(config.mail_name);
    auto own = mail_name ? mail::login_address(std::string(login), *mail_name) : std::nullopt;
    return address ? own && address->key() == own->key() : true;
  }
  if (senders == nullptr) return false;
  return senders->allows(login, address ? address->local().value() : "", address ? address->domain().key() : "");
}

Status judge_sender(const config::Config& config, const config::SendersFile* senders, std::string_view login,
                    const std::optional<mail::Address>& address) {
  if (may_send_as(config, senders, login, address)) return Status();
  return Status(550, 7, 1, fmt::format("{} may not send as <{}>", escape(login, 80), address ? address->text() : std::string()));
}

}  // namespace mansio::policy
