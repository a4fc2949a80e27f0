#include "route/tables.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mansio::route {
namespace {

struct Folder {
  Folder() {
    const char* base = std::getenv("TMPDIR");
    path = std::string(base == nullptr ? "/tmp" : base) + "/mansio-route-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) std::abort();
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
    auto file = path + "/" + name;
    std::ofstream(file) << text;
    ::chmod(file.c_str(), mode);
    return file;
  }
  std::string path;
};

TableOptions own() { return TableOptions{::geteuid()}; }

}  // namespace

TEST_CASE("tables are read with their lists, includes and users, and mistakes are named by file and line") {
  Folder folder;
  auto config = std::make_shared<config::Config>();
  folder.write("more", "x@far.test\n");
  config->aliases = folder.write("aliases", "all: :include:" + folder.write("list", "bob\n:include:" + folder.path + "/more\ntwo words\n") + "\nnonsense\n");
  config->domains.local = {"example.org", "file:" + folder.write("domains", "# ours\nB\xc3\xbc" "cher.example\n*.sub.example\nbad_domain!\n")};
  config::Route route;
  route.domains = {"file:" + folder.path + "/domains"};
  route.users.kind = config::UsersKind::passwd_file;
  route.users.passwd_file = folder.write("users", "bob:x:y\n");
  config->routes.push_back(route);
  config->relay_from = {"192.0.2.0/24", "file:" + folder.write("friends", "# friends\n198.51.100.7\nno network\n2001:db8::/32\n")};
  auto tables = load_tables(config, own());
  CHECK(tables->trouble.empty());
  CHECK(tables->clients.relay.allow().matches("192.0.2.9"));
  CHECK(tables->clients.relay.allow().matches("198.51.100.7"));
  CHECK(tables->clients.relay.allow().matches("2001:db8::1"));
  CHECK_FALSE(tables->clients.relay.allow().matches("198.51.100.8"));
  CHECK(tables->local.matches("xn--bcher-kva.example"));
  CHECK(tables->local.matches("a.sub.example"));
  CHECK(tables->local.matches("example.org"));
  CHECK_FALSE(tables->local.matches("other.example"));
  CHECK(tables->route_domains[0].matches("a.sub.example"));
  CHECK(tables->includes.at(folder.path + "/list").size() == 3);
  CHECK(tables->includes.at(folder.path + "/more").size() == 1);
  CHECK(tables->virtual_users.at(folder.path + "/users").find("bob", "x")->broken);
  auto has = [&](const std::string& text) {
    return std::ranges::any_of(tables->problems, [&](const std::string& problem) { return problem.find(text) != std::string::npos; });
  };
  CHECK(has(folder.path + "/friends: "));
  CHECK(has(folder.path + "/aliases:2: \"nonsense\" has no colon"));
  CHECK(has(folder.path + "/list:3: \"two words\""));
  CHECK(has(folder.path + "/users:1: "));
  CHECK(has("bad_domain!"));
  CHECK_FALSE(tables_changed(*tables));
  folder.write("more", "y@far.test, z@far.test\n");
  CHECK(tables_changed(*tables));
}

TEST_CASE("programs and files count only in a file that nobody else may write") {
  Folder folder;
  auto config = std::make_shared<config::Config>();
  auto kinds = [&] {
    auto tables = load_tables(config, own());
    std::string out;
    for (const auto& target : *tables->aliases.find("a")) out += target.kind == TargetKind::command ? 'c' : target.kind == TargetKind::file ? 'f' : target.kind == TargetKind::defer ? 'd' : 'x';
    return out;
  };
  std::string text = "a: |/bin/x, /var/mail/y, bob\n";
  config->aliases = folder.write("aliases", text);
  CHECK(kinds() == "cfx");
  folder.write("aliases", text, 0664);
  CHECK(kinds() == "ddx");
  folder.write("aliases", text, 0646);
  CHECK(kinds() == "ddx");
  folder.write("aliases", text, 0644);
  if (::geteuid() != 0) return;
  REQUIRE(::chown(config->aliases.c_str(), 12345, 0) == 0);
  CHECK(kinds() == "ddx");
}

TEST_CASE("a missing alias file is an empty one; a missing user file or list makes every no doubtful") {
  Folder folder;
  auto config = std::make_shared<config::Config>();
  config->aliases = folder.path + "/none";
  auto tables = load_tables(config, own());
  CHECK((tables->trouble.empty() && tables->problems.empty() && tables->aliases.size() == 0));
  folder.write("none", "a: b\n");
  CHECK(tables_changed(*tables));
  config->domains.local = {"file:" + folder.path + "/nowhere"};
  tables = load_tables(config, own());
  CHECK_FALSE(tables->trouble.empty());
  CHECK(tables->problems.size() == 1);
  CHECK(tables->aliases.size() == 1);
}

TEST_CASE("a route's senders may stand in a file; without the file the route is doubtful") {
  Folder folder;
  auto config = std::make_shared<config::Config>();
  config::Route route;
  route.domains = {"*"};
  config->routes.push_back(route);
  route.senders = {"x@y.test", "file:" + folder.write("senders", "Boss@Example.org\n*.sub.test\n<>\nno domain\n")};
  config->routes.push_back(route);
  route.senders = {"x@y.test", "file:" + folder.path + "/nowhere"};
  config->routes.push_back(route);
  auto tables = load_tables(config, own());
  CHECK(tables->route_senders[1].matches("boss", "example.org"));
  CHECK(tables->route_senders[1].matches("x", "y.test"));
  CHECK(tables->route_senders[1].matches("x", "a.sub.test"));
  CHECK(tables->route_senders[1].matches("", ""));
  CHECK_FALSE(tables->route_senders[1].matches("x", "example.org"));
  CHECK(tables->route_unsure == std::vector<bool>{false, false, true});
  REQUIRE(tables->problems.size() == 2);
  CHECK(tables->problems[0].find("senders: \"no domain\" is no domain") != std::string::npos);
  CHECK(tables->problems[1].find("nowhere") != std::string::npos);
}

}  // namespace mansio::route
