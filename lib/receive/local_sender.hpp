// The Sender field of mail that a user of this machine writes in somebody else's name (RFC 5322 §3.6.2): who may not
// choose the sender (trusted_users) is named there, unless From is that user alone.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mail/address.hpp"

namespace mansio::receive {

// USER@mail_name; nullopt when that is no address.
std::optional<mail::Address> address_of_user(const std::string& user, const std::string& mail_name);

// "Sender: OWN" with its CRLF, or "" when `header` has no need of it.
std::string sender_field(std::string_view header, const mail::Address& own);

}  // namespace mansio::receive
