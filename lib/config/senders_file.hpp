// The file of submission.senders: which addresses a user who has logged in may send from. On each line a user, ":" and
// patterns as in a sender list, separated by commas; "*" stands for every user; what follows "#" is a comment:
//   bob: bob@example.org, bob.brown@example.org
//   newsletter: *.lists.example.org, <>
//   *: info@example.org
// Lines for the same user add up; the case of a user's name does not count. Pure.
#pragma once
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/match.hpp"
#include "config/problem.hpp"
#include "config/tree.hpp"

namespace mansio::config {

class SendersFile {
 public:
  SendersFile() = default;
  static std::expected<SendersFile, Problems> parse(const Source& source);

  // `local` is an unquoted local part; it and `domain` are empty for "<>".
  bool allows(std::string_view login, std::string_view local, std::string_view domain) const;

 private:
  std::map<std::string, SenderList, std::less<>> users_;     // by name in lower case; "*": everybody
};

}  // namespace mansio::config
