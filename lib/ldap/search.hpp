// What a directory is asked, and what it says: the words that the parts of this room share. Values come from outside; their
// number and sizes are bounded by the client, what is in them is for whoever uses them to look at.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "crypto/secret.hpp"
#include "event/task.hpp"

namespace mansio::ldap {

struct Search {
  Search() = default;
  std::string base, filter;
  config::LdapScope scope = config::LdapScope::base;
  std::vector<std::string> attributes;       // none: the entry's name alone
  std::string key() const;                   // the same for the same question
};

struct Entry {
  Entry() = default;
  std::string name;                          // DN
  std::vector<std::pair<std::string, std::vector<std::string>>> attributes;   // names as the directory writes them
  // The values of an attribute, whatever its case; null: it has none.
  const std::vector<std::string>* find(std::string_view attribute) const;
  std::size_t size() const;                  // bytes, about
};

struct Found {
  Found() = default;
  bool base_missing = false;                 // the search's base does not exist
  bool referred = false;                     // there may be more, elsewhere: entries that weren't found may exist
  std::vector<Entry> entries;                // two at most: who expects one need not see more
};

using FoundPtr = std::shared_ptr<const Found>;

// One directory. An Error: the answer isn't known. Fault::closed and timed_out: it can't be reached, which has been said.
struct Searcher {
  virtual event::Task<Result<Found>> ask(Search search) = 0;

 protected:
  ~Searcher() = default;
};

// How we log in, and whom we trust: the bytes of secret files.
struct Access {
  Access() = default;
  std::string problem;                       // not "": nothing can be asked
  crypto::Secret password;
  std::string authorities;                   // PEM; "": those of the system
  bool operator==(const Access& other) const {
    return problem == other.problem && password.view() == other.password.view() && authorities == other.authorities;
  }
};

inline constexpr std::size_t most_values = 10000;             // of one attribute; members of a group in all
inline constexpr std::size_t longest_value = 1000;            // that is looked at: addresses, hosts, names of entries
inline constexpr std::size_t most_messages = 10'000;          // that come at once
inline constexpr std::size_t largest_answer = 4 << 20;        // one message of the protocol

}  // namespace mansio::ldap
