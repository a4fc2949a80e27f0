// Cache: answers by name and type for their time to live, least recently used ones thrown away first. Pure: the caller
// brings the time. RFC 1035 §3.2.1, RFC 2308 §5, RFC 8020 §2, RFC 9520.
#pragma once
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "dns/answer.hpp"

namespace mansio::dns {

// How long an answer is kept; its `ttl` says what the records say.
//   found               1 s to 1 day. A ttl of 0 is meant for one transaction (RFC 1035 §3.2.1), and a message to
//                       twenty recipients is one; a day bounds what a wrong or forged ttl can do.
//   nxdomain, no_data   5 s to 1 h (RFC 2308 §5 wants one to three hours at most). The least also holds for an answer
//                       without SOA: §5 would not keep it lest servers pass it round for ever, but we serve nobody.
//   failed, timed_out   5 s (RFC 9520 §2.2: 1 s to 5 min): a thousand messages to a dead domain ask once.
//   no_resources, bad_name   not at all: the first passes in a moment, the second costs nothing.
Duration lifetime(const Answer& answer);

class Cache {
 public:
  explicit Cache(std::size_t entries) : limit_(entries) {}

  // `name` in lower case. The answer's ttl is what is left of it. Null when there is none, or it is too old. A name
  // that doesn't exist has no record of any type (RFC 8020).
  std::shared_ptr<const Answer> find(const std::string& name, Type type, MonotonicTime now);
  // Sets the answer's ttl to its lifetime, keeps it, and gives it back.
  std::shared_ptr<const Answer> store(const std::string& name, Type type, Answer answer, MonotonicTime now);

  void clear();
  void set_limit(std::size_t entries);
  std::size_t size() const noexcept { return entries_.size(); }
  // Besides the number of entries their size is bounded: on average they may have this many octets.
  static constexpr std::size_t average_octets = 1024;

 private:
  struct Entry {
    Entry(std::string k, std::shared_ptr<const Answer> a, MonotonicTime u, std::size_t o)
        : key(std::move(k)), answer(std::move(a)), until(u), octets(o) {}
    std::string key;
    std::shared_ptr<const Answer> answer;
    MonotonicTime until;
    std::size_t octets;
  };
  using Entries = std::list<Entry>;   // the one used last stands first
  const Entry* find_key(const std::string& key, MonotonicTime now);
  void erase(Entries::iterator at);
  void shrink();

  std::size_t limit_, octets_ = 0;
  Entries entries_;
  std::unordered_map<std::string, Entries::iterator> index_;
};

}  // namespace mansio::dns
