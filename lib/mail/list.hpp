// Address lists of header fields, as `sendmail -t` reads them from To, Cc and Bcc: RFC 5322 §3.4 with comments, groups,
// folding, and the obsolete forms of §4.4 (routes, blanks around dots, empty members). Linear time; comments nest at
// most 100 deep.
#pragma once
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mail/address.hpp"

namespace mansio::mail {

// One address of a list, and where it stands in the text, for whoever changes it there.
struct ListMember {
  Address address;
  bool qualified = false;                          // it has a domain of its own
  std::size_t begin = 0;                           // where the member begins: 0, or behind a comma, colon or semicolon
  std::size_t domain_begin = 0, domain_end = 0;    // of the domain; not qualified: both where "@domain" would stand
};
Result<std::vector<ListMember>> parse_list_members(std::string_view value, const Domain& qualify);

// The addresses in order, duplicates kept. One without "@domain" gets `qualify`. The first member that can't be read
// fails the list, and the text of the Error quotes it, escaped.
Result<std::vector<Address>> parse_address_list(std::string_view value, const Domain& qualify);

}  // namespace mansio::mail
