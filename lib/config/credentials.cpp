#include "config/credentials.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace mansio::config {
namespace {

constexpr std::size_t user_limit = 320, password_limit = 1024, word_limit = 4096;

// The tree holds the passwords too.
void wipe_texts(Node& node) {
  crypto::wipe(node.text);
  for (auto& [name, child] : node.children) wipe_texts(child);
}

// Reads one group. describe_node() would show values, so this says only what it expects.
class EntryReader {
 public:
  EntryReader(const Node& node, Problems& problems) : node_(node), problems_(problems) {}
  Credential run();

 private:
  struct Key {
    std::string_view name;
    void (EntryReader::*read)(const Node&, Credential&);
  };
  static const std::vector<Key>& keys();

  void hosts(const Node& node, Credential& out);
  void senders(const Node& node, Credential& out);
  void user(const Node& node, Credential& out) { out.user = text(node, "user", user_limit); }
  void password(const Node& node, Credential& out) { out.password = crypto::Secret(text(node, "password", password_limit, true)); }
  void token_file(const Node& node, Credential& out);
  void token_command(const Node& node, Credential& out);
  void token_lifetime(const Node& node, Credential& out);

  std::string text(const Node& node, std::string_view name, std::size_t limit, bool may_be_empty = false);
  std::vector<std::string> texts(const Node& node, std::string_view name);
  void whole();
  bool has(std::string_view name) const {
    return std::ranges::any_of(node_.children, [&](const auto& child) { return child.first == name; });
  }
  void problem(const Node& node, std::string words) { problems_.push_back({node.place.file, node.place.line, std::move(words)}); }

  const Node& node_;
  Problems& problems_;
};

const std::vector<EntryReader::Key>& EntryReader::keys() {
  static const std::vector<Key> table{
    {"host", &EntryReader::hosts}, {"sender", &EntryReader::senders}, {"user", &EntryReader::user}, {"password", &EntryReader::password},
    {"token_file", &EntryReader::token_file}, {"token_command", &EntryReader::token_command}, {"token_lifetime", &EntryReader::token_lifetime}};
  return table;
}

std::string EntryReader::text(const Node& node, std::string_view name, std::size_t limit, bool may_be_empty) {
  if (node.kind != NodeKind::string) problem(node, fmt::format("{}: expected a text in quotes", name));
  else if (node.text.empty() && !may_be_empty) problem(node, fmt::format("{}: it is empty", name));
  else if (node.text.size() > limit) problem(node, fmt::format("{}: it is longer than {} bytes", name, limit));
  else if (has_control(node.text)) problem(node, fmt::format("{}: it holds a control character", name));
  else return node.text;
  return {};
}

// One text needs no brackets.
std::vector<std::string> EntryReader::texts(const Node& node, std::string_view name) {
  if (node.kind != NodeKind::list) return {text(node, name, word_limit)};
  std::vector<std::string> out;
  for (const auto& [unused, child] : node.children) out.push_back(text(child, name, word_limit));
  if (out.empty()) problem(node, fmt::format("{}: the list is empty", name));
  return out;
}

void EntryReader::hosts(const Node& node, Credential& out) {
  for (const std::string& host : texts(node, "host")) {
    if (host.empty()) continue;
    bool below = host.starts_with("*.");
    auto name = canonical_domain(std::string_view(host).substr(below ? 2 : 0));
    if (name) out.hosts.push_back((below ? "*." : "") + *name);
    else problem(node, "host: expected a name such as \"smtp.example.com\", \"*.example.com\" for all below it, or an address in brackets; no port");
  }
}

void EntryReader::senders(const Node& node, Credential& out) {
  for (const std::string& sender : texts(node, "sender")) {
    if (sender.empty()) continue;
    auto pattern = canonical_sender(sender);
    if (pattern) out.senders.push_back(std::move(*pattern));
    else problem(node, "sender: expected an address, a domain, \"*.example.org\", \"*\" or \"<>\"");
  }
}

void EntryReader::token_file(const Node& node, Credential& out) {
  out.token_file = text(node, "token_file", word_limit);
  if (!out.token_file.empty() && out.token_file[0] != '/') problem(node, "token_file: it needs its full path");
}

void EntryReader::token_command(const Node& node, Credential& out) {
  out.token_command = texts(node, "token_command");
  if (!out.token_command.empty() && !out.token_command[0].empty() && out.token_command[0][0] != '/') {
    problem(node, "token_command: the program needs its full path, and each argument is a text of its own: [ \"/path\", \"argument\" ]");
  }
}

void EntryReader::token_lifetime(const Node& node, Credential& out) {
  auto lifetime = parse_duration(node.kind == NodeKind::string ? node.text : std::string());
  bool good = lifetime && *lifetime >= std::chrono::seconds(1) && *lifetime <= std::chrono::hours(24);
  if (good) out.token_lifetime = *lifetime;
  else problem(node, "token_lifetime: expected a duration such as \"50m\", from 1s to 1d");
}

void EntryReader::whole() {
  if (!has("user")) problem(node_, "\"user\" is missing");
  bool password = has("password"), file = has("token_file"), command = has("token_command");
  if (!password && !file && !command) {
    problem(node_, "\"password\", \"token_file\" or \"token_command\" is missing (with a certificate and EXTERNAL: password = \"\")");
  }
  if (password + file + command > 1) problem(node_, "give one of \"password\", \"token_file\" and \"token_command\"");
  if (has("token_lifetime") && !file && !command) problem(node_, "\"token_lifetime\" is for token_file and token_command");
}

Credential EntryReader::run() {
  Credential out;
  if (node_.kind != NodeKind::group) {
    problem(node_, "expected a group { }");
    return out;
  }
  std::vector<std::string> names;
  for (const Key& key : keys()) names.emplace_back(key.name);
  for (const auto& [name, child] : node_.children) {
    auto key = std::ranges::find(keys(), name, &Key::name);
    if (key != keys().end()) {
      (this->*key->read)(child, out);
      continue;
    }
    auto near = nearest(name, names);
    problem(child, near ? fmt::format("unknown setting (did you mean \"{}\"?)", *near) : fmt::format("unknown setting: there are {}", fmt::join(names, ", ")));
  }
  whole();
  return out;
}

// Syntax errors name a line; what else they quote is taken out.
void hide_values(Problems& problems) {
  for (Problem& problem : problems) {
    if (problem.text.starts_with("the number ")) problem.text = "a number is too large: write passwords in quotes";
    else if (problem.text.starts_with('"')) problem.text = "a setting is given twice";
  }
}

}  // namespace

void Credentials::add(Credential credential) {
  hosts_.emplace_back(credential.hosts);
  senders_.emplace_back(credential.senders);
  credentials_.push_back(std::move(credential));
}

std::expected<Credentials, Problems> Credentials::parse(const Source& source) {
  Credentials out;
  Problems problems;
  Node root = parse_tree(source, problems);
  hide_values(problems);
  auto list = std::ranges::find(root.children, "credentials", &NamedNode::first);
  if (!problems.empty()) {
    // Nothing that follows from a file read in part.
  } else if (list == root.children.end()) {
    out.add(EntryReader(root, problems).run());
  } else if (root.children.size() > 1) {
    problems.push_back({source.file, list->second.place.line, "beside the list \"credentials\" nothing else may stand"});
  } else if (list->second.kind != NodeKind::list || list->second.children.empty()) {
    problems.push_back({source.file, list->second.place.line, "credentials: expected a list of groups ( { }, { } )"});
  } else if (list->second.children.size() > credentials_max) {
    problems.push_back({source.file, list->second.place.line, fmt::format("credentials: more than {} entries", credentials_max)});
  } else {
    for (const auto& [unused, entry] : list->second.children) out.add(EntryReader(entry, problems).run());
  }
  wipe_texts(root);
  std::ranges::stable_sort(problems, {}, &Problem::line);
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return out;
}

const Credential* Credentials::find(std::string_view host, std::string_view local, std::string_view domain) const {
  for (std::size_t i = 0; i < credentials_.size(); ++i) {
    const Credential& credential = credentials_[i];
    bool host_fits = credential.hosts.empty() || hosts_[i].matches(host);
    if (host_fits && (credential.senders.empty() || senders_[i].matches(local, domain))) return &credential;
  }
  return nullptr;
}

}  // namespace mansio::config
