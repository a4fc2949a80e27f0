// What the mechanisms' servers share: a claimed user's name, and the end of a try.
#pragma once
#include <string>
#include <string_view>

#include "sasl/server.hpp"

namespace mansio::sasl {

// SASLprep, then the bound: Fault::invalid.
Result<std::string> prepare_user(std::string_view name);

// To act for another user than the one who logs in is not supported: `authzid` is empty or the user (RFC 4422 §3.4.1).
bool may_act_as(std::string_view authzid, std::string_view user);

Failed malformed(std::string text);
// The one text for a wrong password and an unknown user.
Failed denied(std::string user);

// Done or Failed, as the back end says.
Step conclude(const Answer& answer, const std::string& user);

}  // namespace mansio::sasl
