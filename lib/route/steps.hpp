// What the router's walk from an address to its destinations came by, for people who ask why: a tree of steps, each with
// the file and line that decided it. Recorded by the walk itself (Router::explain), so it can't say anything else than
// what a delivery does.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/clients.hpp"
#include "config/config.hpp"

namespace mansio::route {

struct Step {
  enum class Kind : std::uint8_t {
    address,       // an address is looked at; `place`: the entry of domains.local that makes it ours
    domain_alias,  // another name of a domain of ours; `text`: what it stands for
    alias,         // an entry of the aliases; `text`: its key
    catch_all,     // likewise, "@domain"
    include,       // a list that an alias names; `text`: its path
    directory,     // an entry of a directory sends the mail on; `text`: the directory's name and the entry's
    forward,       // a user's ~/.forward
    main_domain,   // a name of an alias that its own domain doesn't know is tried in mail_name's
    postmaster,    // nobody else is there: the setting postmaster
    user,          // a user of a route; `text`: whom, in words
    destination,   // `index` into Resolution::destinations
    refusal,       // `index` into Resolution::refusals
    again,         // stands in the tree already, and counts once; `text`: what
  };
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  Step(Kind k, std::size_t p, std::string t, std::string at) : kind(k), parent(p), text(std::move(t)), place(std::move(at)) {}
  Kind kind;
  std::size_t parent;            // index of the step it follows from; none: the first
  std::string text, place;       // "file:line"; "": nothing to name
  std::size_t index = none;
};

const char* word_of(Step::Kind kind);      // "address", "domain_alias", ...

// Where the entry of a list stands that matches: of patterns of domains, of clients. `setting` is the list's path
// ("domains.local"). When no entry itself matches it was a look-up: the first of them. "": none.
std::string place_of_domain(const config::Config& config, std::string_view setting, const std::vector<std::string>& patterns, std::string_view domain);
std::string place_of_client(const config::Config& config, std::string_view setting, const std::vector<std::string>& clients, std::string_view address, const config::ClientName& name);

}  // namespace mansio::route
