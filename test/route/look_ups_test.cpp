// Users and aliases that directories know (lib/route/look_ups.cpp), with a directory in memory.
#include "route/house.hpp"

namespace mansio::route {
namespace {

class Book final : public Directories {
 public:
  event::Task<Result<std::optional<DirectoryEntry>>> find(std::string directory, std::string local, std::string domain, bool with_members) override {
    asked.push_back(directory + " " + local + "@" + domain);
    if (down) co_return fail(Fault::timed_out, "no answer");
    auto it = entries.find(asked.back());
    if (it == entries.end()) co_return std::optional<DirectoryEntry>();
    DirectoryEntry entry = it->second;
    if (!with_members) entry.members.clear();
    co_return std::optional<DirectoryEntry>(std::move(entry));
  }
  DirectoryEntry& add(const std::string& key) {
    DirectoryEntry& entry = entries[key];
    entry.name = "uid=" + key;
    return entry;
  }
  std::map<std::string, DirectoryEntry> entries;
  std::vector<std::string> asked;
  bool down = false;
};

// ldap.test is a domain whose users are in the directory "company"; alias look-ups go to "lists".
struct Company {
  Company() {
    house.config->domains.local.push_back("ldap.test");
    config::Route route;
    route.name = "people";
    route.domains = {"ldap.test"};
    route.users.kind = config::UsersKind::ldap;
    route.users.ldap = "company";
    route.transport = "virtual";
    house.config->routes.insert(house.config->routes.begin(), route);
    house.config->transports.back().credentials = "/secret";
    house.config->transports.back().fallback = {"spare.test:25"};
  }
  Router router(const std::string& aliases = "") {
    RouterOptions options;
    house.router(aliases);
    options.own_addresses = {"192.0.2.7"};
    options.directories = book;
    return Router(house.tables, house.users, options);
  }
  Resolution resolve(const std::string& to, const std::string& aliases = "") {
    auto router = this->router(aliases);
    return event::run_ready(router.resolve(address(to), "me@far.test"));
  }
  Status verify(const std::string& to) {
    auto router = this->router();
    return event::run_ready(router.verify(address(to), "me@far.test")).status;
  }
  void look_ups() { house.config->alias_look_ups = {"ldap:lists"}; }

  House house;
  std::shared_ptr<Book> book = std::make_shared<Book>();
};

config::NextHop hop(const char* text) { return config::parse_next_hop(text).value(); }

std::vector<std::string> ends(const Resolution& resolution) {
  std::vector<std::string> out;
  for (const Destination& destination : resolution.destinations) {
    out.push_back(destination.kind == DestinationKind::remote ? destination.address.text() : destination.path);
  }
  for (const Refusal& refusal : resolution.refusals) out.push_back(refusal.status.line());
  return out;
}

using Texts = std::vector<std::string>;

TEST_CASE("a user of a directory is there when it has an entry") {
  Company company;
  company.book->add("company bob@ldap.test");
  CHECK(ends(company.resolve("Bob@ldap.test")) == Texts{"/srv/ldap.test/bob"});
  CHECK(ends(company.resolve("bob+x@ldap.test")) == Texts{"/srv/ldap.test/bob"});
  CHECK(company.book->asked == Texts{"company bob@ldap.test", "company bob+x@ldap.test", "company bob@ldap.test"});
  CHECK(company.verify("bob@ldap.test").ok());
  CHECK(company.verify("eve@ldap.test").line() == "550 5.1.1 no such user here");
  CHECK(ends(company.resolve("eve@ldap.test")) == Texts{"550 5.1.1 no such user here"});
}

TEST_CASE("a directory that does not answer makes mail wait, and nothing else") {
  Company company;
  company.book->down = true;
  CHECK(company.verify("bob@ldap.test").code() == 451);
  CHECK(company.resolve("bob@ldap.test").status().temporary());
  CHECK(company.verify("postmaster@example.org").ok());
  CHECK(ends(company.resolve("bob@example.org")) == Texts{"/home/bob/Maildir"});
  company.look_ups();
  CHECK(company.resolve("bob@example.org").status().temporary());
  CHECK(ends(company.resolve("team@example.org", "team: carol@far.test\n")) == Texts{"carol@far.test"});
}

TEST_CASE("without directories their users are not known") {
  Company company;
  company.book.reset();
  CHECK(company.verify("bob@ldap.test").code() == 451);
}

TEST_CASE("a routing address takes the mail") {
  Company company;
  company.book->add("company bob@ldap.test").addresses = {address("Bob@Far.test")};
  CHECK(ends(company.resolve("bob@ldap.test")) == Texts{"Bob@Far.test"});
  CHECK(company.verify("bob@ldap.test").ok());
  company.book->add("company alice@ldap.test").addresses = {address("carol@example.org"), address("bob@ldap.test")};
  CHECK(ends(company.resolve("alice@ldap.test")) == Texts{"/home/carol/Maildir", "Bob@Far.test"});
}

TEST_CASE("a routing address that leads back to itself means the mailbox itself") {
  Company company;
  company.book->add("company bob@ldap.test").addresses = {address("bob@ldap.test")};
  company.book->add("company a@ldap.test").addresses = {address("b@ldap.test")};
  company.book->add("company b@ldap.test").addresses = {address("a@ldap.test")};
  CHECK(ends(company.resolve("bob@ldap.test")) == Texts{"/srv/ldap.test/bob"});
  CHECK(ends(company.resolve("a@ldap.test")) == Texts{"/srv/ldap.test/a"});
}

TEST_CASE("a loop of aliases in a directory without a mailbox is 5.4.6") {
  Company company;
  company.look_ups();
  company.book->add("lists a@example.org").addresses = {address("b@example.org")};
  company.book->add("lists b@example.org").addresses = {address("a@example.org")};
  CHECK(company.verify("a@example.org").line() == "550 5.4.6 the aliases of this address form a loop");
  company.book->add("lists carol@example.org").addresses = {address("carol@example.org"), address("x@far.test")};
  CHECK(ends(company.resolve("carol@example.org")) == Texts{"/home/carol/Maildir", "x@far.test"});
}

TEST_CASE("a group of a directory goes to its members, each once") {
  Company company;
  company.look_ups();
  DirectoryEntry& team = company.book->add("lists team@example.org");
  team.group = true;
  team.members = {address("bob@example.org"), address("inner@example.org"), address("x@far.test")};
  DirectoryEntry& inner = company.book->add("lists inner@example.org");
  inner.group = true;
  inner.members = {address("carol@example.org"), address("team@example.org"), address("bob@example.org")};
  CHECK(ends(company.resolve("team@example.org")) == Texts{"/home/bob/Maildir", "x@far.test", "/home/carol/Maildir"});
  CHECK(company.verify("team@example.org").ok());
}

TEST_CASE("groups that hold nobody but each other are 5.4.6") {
  Company company;
  company.look_ups();
  for (auto [name, member] : {std::pair{"a", "b@example.org"}, {"b", "a@example.org"}}) {
    DirectoryEntry& group = company.book->add(std::string("lists ") + name + "@example.org");
    group.group = true;
    group.members = {address(member)};
  }
  CHECK(ends(company.resolve("a@example.org")) == Texts{"550 5.4.6 the groups of this address hold nobody but each other"});
}

TEST_CASE("the file of aliases comes first, a mailbox last; a backslash leaves both out") {
  Company company;
  company.look_ups();
  company.book->add("lists bob@example.org").addresses = {address("x@far.test")};
  CHECK(ends(company.resolve("bob@example.org")) == Texts{"x@far.test"});
  CHECK(ends(company.resolve("bob@example.org", "bob: carol\n")) == Texts{"/home/carol/Maildir"});
  CHECK(ends(company.resolve("me@example.org", "me: \\bob\n")) == Texts{"/home/bob/Maildir"});
  CHECK(ends(company.resolve("me@example.org", "me: bob\n")) == Texts{"x@far.test"});
  company.book->entries["lists bob@example.org"].addresses.clear();
  CHECK(ends(company.resolve("bob@example.org")) == Texts{"/home/bob/Maildir"});      // an entry that says nothing of the way
}

TEST_CASE("a routing host takes the mail by SMTP, and this machine keeps it") {
  Company company;
  DirectoryEntry& bob = company.book->add("company bob@ldap.test");
  bob.host = hop("hub.test");
  auto there = company.resolve("bob@ldap.test");
  REQUIRE(there.destinations.size() == 1);
  const Destination& remote = there.destinations.front();
  CHECK(remote.kind == DestinationKind::remote);
  CHECK(remote.address.text() == "bob@ldap.test");
  CHECK(remote.route == "people");
  CHECK(remote.transport->name == "internet");
  CHECK(remote.transport->hosts == Texts{"hub.test:25"});
  CHECK(remote.transport->key() != company.house.config->transport("internet")->key());
  CHECK(remote.transport->fallback.empty());
  CHECK(remote.transport->credentials.empty());
  CHECK_FALSE(remote.transport->by_mx());
  CHECK(company.verify("bob@ldap.test").ok());
  bob.addresses = {address("robert@in.test")};
  CHECK(ends(company.resolve("bob@ldap.test")) == Texts{"robert@in.test"});
  CHECK(company.resolve("bob@ldap.test").destinations.front().transport->hosts == Texts{"hub.test:25"});
  bob.addresses.clear();
  for (const char* own : {"mail.example.org", "MAIL.example.org:25", "[192.0.2.7]", "localhost"}) {
    bob.host = hop(own);
    CHECK(ends(company.resolve("bob@ldap.test")) == Texts{"/srv/ldap.test/bob"});
  }
  bob.host = hop("mail.example.org:2525");
  CHECK(ends(company.resolve("bob@ldap.test")) == Texts{"bob@ldap.test"});
}

TEST_CASE("settings of the domain hold on the way to a routing host, but for its hosts") {
  Company company;
  company.book->add("company bob@ldap.test").host = hop("hub.test");
  config::DomainSettings group;
  group.domains = {"ldap.test"};
  config::Transport variant = *company.house.config->transport("internet");
  variant.variant = "0";
  variant.tls = config::ClientTls::required;
  variant.hosts = {"elsewhere.test:25"};
  group.variants = {variant};
  company.house.config->domain_settings = {group};
  company.house.tables->settings_domains = {config::DomainList(group.domains)};
  company.house.tables->settings_unsure = {false};
  auto there = company.resolve("bob@ldap.test");
  REQUIRE(there.destinations.size() == 1);
  CHECK(there.destinations.front().transport->tls == config::ClientTls::required);
  CHECK(there.destinations.front().transport->hosts == Texts{"hub.test:25"});
  CHECK(there.destinations.front().transport->key() != variant.key());
  company.house.tables->settings_unsure = {true};
  company.house.tables->settings_domains = {config::DomainList()};
  CHECK(company.resolve("bob@ldap.test").status().temporary());
}

TEST_CASE("a routing host without a transport of kind smtp waits for the configuration") {
  Company company;
  company.house.config->transports.pop_back();
  company.book->add("company bob@ldap.test").host = hop("hub.test");
  CHECK(company.resolve("bob@ldap.test").status().line().starts_with("451 4.3.5 "));
}

TEST_CASE("the steps name the directory and the entry") {
  Company company;
  company.look_ups();
  company.book->add("lists team@ldap.test").addresses = {address("bob@ldap.test")};
  company.book->add("company bob@ldap.test");
  auto router = company.router();
  std::vector<Step> steps;
  event::run_ready(router.explain(address("team@ldap.test"), "", &steps));
  std::vector<std::string> texts;
  for (const Step& step : steps) texts.push_back(std::string(word_of(step.kind)) + " " + step.text);
  CHECK(texts == Texts{"address team@ldap.test", "directory lists: uid=lists team@ldap.test", "address bob@ldap.test",
                       "user bob of the directory company: uid=company bob@ldap.test", "destination /srv/ldap.test/bob"});
}

}  // namespace
}  // namespace mansio::route
