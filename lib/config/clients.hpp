// Which clients does a list of the configuration mean? Entries: addresses and networks ("192.0.2.1", "2001:db8::/32"), names
// ("mail.example.org"; "*.example.org": all below it, not itself), "*" (everybody), and look-ups ("file:/path"), which are
// replaced by what they hold before a list is compiled (route/tables.hpp). A name counts only when it was confirmed
// (policy/client_name.hpp). What can't be told now is `unsure`: the answer is a temporary one, never "no". Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/match.hpp"

namespace mansio::config {

// "192.0.2.0/24", "Mail.Example.ORG" → "mail.example.org", "*.example.org", "*". No look-up. Fault::invalid says what is wrong.
Result<std::string> canonical_client(std::string_view entry);

// The entry that lets everybody in ("*", "0.0.0.0/0", "::/0"), or "".
std::string entry_of_everybody(const std::vector<std::string>& entries);

enum class Match : std::uint8_t { no, yes, unsure };

// What is known of a client's name.
struct ClientName {
  enum class State : std::uint8_t {
    unasked,       // nobody wanted to know: counts as unsure where it would matter
    known,         // `names` are all its names; none: it has none that is confirmed
    unsure,        // the name servers did not answer: it may have others besides `names`
  };
  ClientName() = default;
  explicit ClientName(State s) : state(s) {}
  State state = State::unasked;
  std::vector<std::string> names;                    // lower case A-labels, confirmed
  std::string name() const { return names.empty() ? std::string() : names.front(); }
};

class ClientList {
 public:
  ClientList() = default;                            // nobody
  // As canonical_client gives them; look-ups and what doesn't parse match nothing. `incomplete`: a look-up could not be
  // read, so whoever isn't in the list may be.
  explicit ClientList(const std::vector<std::string>& entries, bool incomplete = false);

  bool matches(std::string_view address) const;      // addresses, networks and "*" alone
  bool has_names() const noexcept { return has_names_; }
  bool matches_name(std::string_view name) const;    // names alone, not "*"
  bool everybody() const noexcept { return everybody_; }
  // "" for a client without an address (a unix socket): only "*" has it.
  Match match(std::string_view address, const ClientName& name) const;
  // Would knowing the name change what match() says?
  bool needs_name(std::string_view address) const { return has_names_ && !matches(address); }

 private:
  bool everybody_ = false, incomplete_ = false, has_names_ = false;
  NetworkList networks_;
  DomainList names_;
};

// A ClientRules compiled: who is of `allow`, and not of `deny`.
class ClientPolicy {
 public:
  ClientPolicy() = default;                          // nobody
  ClientPolicy(ClientList allow, ClientList deny) : allow_(std::move(allow)), deny_(std::move(deny)) {}
  Match match(std::string_view address, const ClientName& name) const;
  bool needs_name(std::string_view address) const { return allow_.needs_name(address) || deny_.needs_name(address); }
  bool has_names() const noexcept { return allow_.has_names() || deny_.has_names(); }
  const ClientList& allow() const noexcept { return allow_; }
  const ClientList& deny() const noexcept { return deny_; }

 private:
  ClientList allow_, deny_;
};

}  // namespace mansio::config
