// A directory in memory for the tests of this room: entries by name, answers at once, a clock that is turned by hand.
#pragma once
#include <catch2/catch.hpp>

#include <map>

#include "event/run_ready.hpp"
#include "ldap/directory.hpp"

namespace mansio::ldap {
namespace {

inline Entry entry(std::string name, std::vector<std::pair<std::string, std::vector<std::string>>> attributes) {
  Entry out;
  out.name = std::move(name);
  out.attributes = std::move(attributes);
  return out;
}

// Answers by filter, or by base when the search is for one entry.
class Book final : public Searcher {
 public:
  event::Task<Result<Found>> ask(Search search) override {
    asked.push_back(search);
    if (held != nullptr) co_await held->wait();
    if (trouble) co_return std::unexpected(*trouble);
    Found found;
    found.referred = referred;
    const std::string& key = search.scope == config::LdapScope::base ? search.base : search.filter;
    std::string part = search.attributes.empty() ? std::string() : search.attributes.front();
    auto known = answers.find(part.find(";range=") == std::string::npos ? key : key + " " + part);
    if (known != answers.end()) found.entries = known->second;
    found.base_missing = base_missing || (search.scope == config::LdapScope::base && found.entries.empty());
    co_return found;
  }

  std::map<std::string, std::vector<Entry>> answers;
  std::vector<Search> asked;
  std::optional<Error> trouble;
  bool referred = false, base_missing = false;
  event::Trigger* held = nullptr;
};

struct House {
  House() {
    settings.name = "company";
    settings.servers = {"ldap://127.0.0.1"};
    settings.base = "dc=ex,dc=test";
    settings.filter = "(mail={address})";
    settings.members = "member";
    settings.member_addresses = "rfc822MailMember";
  }
  std::shared_ptr<Directory> directory() {
    auto report = [this](const std::string& text, bool) { told.push_back(text); };
    return std::make_shared<Directory>(settings, Access(), book, report, [this] { return now; });
  }
  // The entry that has this address.
  void add(const std::string& address, Entry what) { book->answers["(mail=" + address + ")"].push_back(std::move(what)); }
  void add_member(Entry what) {
    std::string name = what.name;
    book->answers[name].push_back(std::move(what));
  }

  config::Ldap settings;
  std::shared_ptr<Book> book = std::make_shared<Book>();
  std::vector<std::string> told;
  MonotonicTime now{std::chrono::hours(1)};
};

inline std::vector<std::string> texts(const std::vector<mail::Address>& addresses) {
  std::vector<std::string> out;
  for (const mail::Address& address : addresses) out.push_back(address.text());
  return out;
}

}  // namespace
}  // namespace mansio::ldap
