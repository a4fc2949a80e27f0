// The walk from one recipient through aliases and forwards to destinations: one object a recipient, used once. Work
// that is still to do stands in a queue, so that depth costs no stack; each alias and each ~/.forward is opened once,
// so that a tree of aliases costs what its entries cost, however often they lead to each other.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "route/router.hpp"

namespace mansio::route {

// The aliases and forwards that led somewhere, to see where a loop closes.
struct Trail {
  Trail(std::shared_ptr<const Trail> p, std::string k) : parent(std::move(p)), key(std::move(k)) {}
  std::shared_ptr<const Trail> parent;
  std::string key;
};

bool leads_back(const std::shared_ptr<const Trail>& trail, const std::string& key);

class Expansion {
 public:
  // A `probe` is for RCPT: no ~/.forward is read, and the first destination ends it.
  Expansion(const Tables& tables, UserDirectory& users, const RouterOptions& options, mail::Address original, std::string sender, bool probe);

  event::Task<> run();
  Resolution take() { return std::move(result_); }
  void record(std::vector<Step>* steps) { record_ = steps; }     // before run(); outlives it

 private:
  struct Work {
    Work(mail::Address a, std::shared_ptr<const Trail> t, int d, bool e) : address(std::move(a)), trail(std::move(t)), depth(d), exact(e) {}
    mail::Address address;
    std::shared_ptr<const Trail> trail;
    int depth;
    bool exact;                   // "\name": no alias, no ~/.forward
    bool bare = false;            // a name without a domain, tried in the domain of the alias
    std::size_t step = Step::none;     // that led to it
  };

  // One name a local address may stand for: "name+detail", then "name".
  struct Name {
    Name(std::string l, std::string d, bool w) : local(std::move(l)), detail(std::move(d)), with_detail(w) {}
    std::string local, detail;
    bool with_detail;             // `local` still holds a delimiter
  };

  // What a route says of a name.
  struct Found {
    Found() = default;
    std::size_t route = 0;
    std::optional<User> system;
    const table::VirtualUser* virtual_user = nullptr;
    std::optional<DirectoryEntry> entry;
  };
  enum class Search : std::uint8_t { found, unknown, unsure };

  event::Task<> step(Work work);
  event::Task<> step_local(const Work& work);
  event::Task<> step_elsewhere(const Work& work);
  // References are to the caller's frame, which waits.
  event::Task<Search> find_user(const Name& name, const std::string& domain, bool ours, Found* found);
  event::Task<Search> ask_directory(const std::string& name, std::optional<User>* user);

  // look_ups.cpp: directories.
  event::Task<Search> ask_entry(const std::string& directory, const Name& name, const std::string& domain, std::optional<DirectoryEntry>* entry);
  event::Task<Search> try_look_ups(const Name& name, const Work& work, bool* looped);
  bool follow(const DirectoryEntry& entry, const std::string& directory, const Name& name, const Work& work, const Found* found, bool* looped);
  void hand_over(const DirectoryEntry& entry, const Work& work, const Found* found);
  bool is_this_host(const config::NextHop& host) const;

  bool try_alias(const std::string& key, const Work& work, bool* looped);
  void expand(const std::vector<Target>& targets, const Work& work, std::shared_ptr<const Trail> trail);
  void expand_one(const Target& target, const Work& work, const std::shared_ptr<const Trail>& trail);
  void include(const Target& target, const Work& work, const std::shared_ptr<const Trail>& trail);
  bool forward(const Work& work, const User& user);
  bool try_main_domain(const Work& work);
  void nobody(const Work& work, bool looped);
  void deliver(const Work& work, const Name& name, const Found& found);
  Status fill(Destination& destination, const Name& name);
  void add(Destination destination);
  void refuse(const mail::Address& address, Status status);
  void push(mail::Address address, const Work& from, std::shared_ptr<const Trail> trail, bool exact);
  void stop(const char* why);

  // recording.cpp: what goes into record_; nothing when nobody asked. The new step is `under_` from then on.
  void note(Step::Kind kind, std::string_view text, std::string_view place);
  void note_end(Step::Kind kind, std::string_view text);        // nothing follows from it
  void note_address(const mail::Address& asked, const mail::Address& address, bool ours);
  void note_alias(const std::string& key, const std::vector<Target>& targets);
  void note_user(const Name& name, const Found& found);
  void note_directory(const std::string& directory, const DirectoryEntry& entry);
  std::string place_of(std::string_view setting) const;

  std::vector<Name> names_of(const mail::Address& address) const;
  std::vector<std::string> environment(const mail::Address& address, const std::string& detail) const;
  bool is_candidate(std::size_t route, const std::string& domain, bool ours) const;
  bool is_for_sender(std::size_t route) const;

  const Tables& tables_;
  UserDirectory& users_;
  const RouterOptions& options_;
  mail::Address original_;
  std::string sender_;
  std::optional<mail::Address> sender_address_;    // null for "<>", and for what is no address
  bool probe_;
  std::deque<Work> queue_;
  std::set<std::string> opened_;              // aliases, includes and forwards
  std::set<std::string> places_;              // keys of the destinations
  std::map<std::string, std::optional<User>> asked_;
  std::size_t steps_ = 0;
  bool stopped_ = false, group_looped_ = false;
  std::vector<Step>* record_ = nullptr;
  std::size_t under_ = Step::none;            // the step that what comes now follows from
  Resolution result_;
};

// The domain after domains.alias; a literal of our own becomes the local domain that it stands for.
mail::Domain canonical_domain(const Tables& tables, const RouterOptions& options, mail::Domain domain);
mail::Address canonical_address(const Tables& tables, const RouterOptions& options, mail::Address address);
bool is_postmaster(const Tables& tables, const mail::Address& address);

}  // namespace mansio::route
