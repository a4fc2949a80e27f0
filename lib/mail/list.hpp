// Address lists of header fields, as `sendmail -t` reads them from To, Cc and Bcc: RFC 5322 §3.4 with comments, groups,
// folding, and the obsolete forms of §4.4 (routes, blanks around dots, empty members). Linear time; comments nest at
// most 100 deep.
#pragma once
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mail/address.hpp"

namespace mansio::mail {

// The addresses in order, duplicates kept. One without "@domain" gets `qualify`. The first member that can't be read
// fails the list, and the text of the Error quotes it, escaped.
Result<std::vector<Address>> parse_address_list(std::string_view value, const Domain& qualify);

}  // namespace mansio::mail
