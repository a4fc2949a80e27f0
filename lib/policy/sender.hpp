// May who logged in write this address, as envelope sender, From or Sender (submission.senders; RFC 6409 §6.1)? Pure.
#pragma once
#include <optional>
#include <string_view>

#include "base/status.hpp"
#include "config/config.hpp"
#include "config/senders_file.hpp"
#include "mail/address.hpp"

namespace mansio::policy {

// `login` "": nobody logged in, and nothing is asked. `address` nullopt: "<>". `senders`: of submission.senders = "file:…";
// null when it could not be read: nothing is allowed then.
bool may_send_as(const config::Config& config, const config::SendersFile* senders, std::string_view login,
                 const std::optional<mail::Address>& address);
// The same as MAIL's answer: 550 5.7.1.
Status judge_sender(const config::Config& config, const config::SendersFile* senders, std::string_view login,
                    const std::optional<mail::Address>& address);

}  // namespace mansio::policy
