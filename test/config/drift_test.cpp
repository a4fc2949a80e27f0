// Holds the sample configuration and the manual to the settings table.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <cstdlib>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/reader.hpp"
#include "config/settings.hpp"
#include "config/source_root.hpp"
#include "config/value.hpp"

namespace mansio::config {
namespace {

const std::string sample_file = std::string(source_root) + "/etc/mansio.conf";
const std::string manual_file = std::string(source_root) + "/man/mansio.conf.5";
constexpr std::string_view begin_mark = ".\\\" Settings table begins\n", end_mark = ".\\\" Settings table ends\n";

std::string text_of(const std::string& path) {
  auto text = read_file(path, 1 << 20);
  REQUIRE(text);
  return *text;
}

// With the settings that are shown as comments ("#name = ...") taken as given.
std::string uncommented(const std::string& text) {
  std::string out;
  for (std::string_view line : split(text, '\n')) {
    std::string_view rest = line.substr(std::min(line.size(), line.find_first_not_of(' ')));
    bool shown = rest.size() > 1 && rest[0] == '#' && (is_alpha(rest[1]) || rest[1] == '}' || rest.starts_with("#  "));
    out += shown ? rest.substr(1) : line;
    out += '\n';
  }
  return out;
}

// Every setting below `node` as "path" (as the table writes it) with its value.
void collect(const Node& node, const std::string& row, std::vector<std::pair<std::string, const Node*>>& out) {
  if (find_setting(row) != nullptr) return out.emplace_back(row, &node), void();
  bool named = find_container(row + ".*") != nullptr;
  for (const auto& [name, child] : node.children) {
    collect(child, node.kind == NodeKind::list ? row + "[]" : named ? row + ".*" : row.empty() ? name : row + "." + name, out);
  }
}

std::string mdoc(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"') out += "\\(dq";
    else if (c == '\\') out += "\\e";
    else out += c;
  }
  return out;
}

// One sentence a line, as mdoc wants it.
std::string sentences(std::string_view text) {
  std::string out = mdoc(text);
  for (auto at = out.find(". "); at != std::string::npos; at = out.find(". ", at + 1)) {
    if (at + 2 < out.size() && (ascii_lower(out[at + 2]) != out[at + 2] || out[at + 2] == '\\' || is_digit(out[at + 2]))) out[at + 1] = '\n';
  }
  return out + "\n";
}

std::string manual_section() {
  std::string out;
  for (const Setting& setting : settings()) {
    out += fmt::format(".It Ic {}\n", setting.path);
    out += sentences(setting.doc);
    std::string type = describe_type(setting);
    type[0] = ascii_upper(type[0]);
    out += mdoc(type) + ".\n";
    if (!setting.kinds.empty()) {
      std::string kinds;
      for (std::string_view kind : split(setting.kinds, ' ')) kinds += (kinds.empty() ? "" : ", ") + std::string(kind);
      out += fmt::format("Kinds: {}.\n", kinds);
    }
    if (!setting.fallback.empty()) out += fmt::format("Default: {}.\n", mdoc(setting.fallback));
    else if (!setting.note.empty()) out += fmt::format("Default: {}.\n", mdoc(setting.note));
    else if (setting.required) out += "Required.\n";
  }
  return out;
}

}  // namespace

TEST_CASE("the sample configuration is valid as it is shipped") {
  auto config = parse({{"mansio.conf", text_of(sample_file)}}, {"mail.example.org", "", ""});
  if (!config) for (const Problem& p : config.error()) UNSCOPED_INFO(p.message());
  REQUIRE(config);
  CHECK((*config)->listeners.size() == 1);
  CHECK((*config)->transport("mailbox")->path == "/var/mail/{local}");
}

TEST_CASE("the sample configuration is valid with all it shows") {
  auto config = parse({{"mansio.conf", uncommented(text_of(sample_file))}}, {"mail.example.org", "", ""});
  if (!config) for (const Problem& p : config.error()) UNSCOPED_INFO(p.message());
  CHECK(config);
}

TEST_CASE("the sample configuration shows every setting with its default") {
  Problems problems;
  Node root = parse_tree({"mansio.conf", uncommented(text_of(sample_file))}, problems);
  REQUIRE(problems.empty());
  std::vector<std::pair<std::string, const Node*>> shown;
  collect(root, "", shown);
  for (const Setting& setting : settings()) {
    INFO(setting.path);
    bool there = false, as_default = setting.fallback.empty();
    for (const auto& [path, node] : shown) {
      if (path != setting.path) continue;
      there = true;
      auto have = read_value(setting, *node, "/d");
      REQUIRE(have);
      if (setting.fallback.empty()) continue;
      Node fallback = parse_tree({"default", fmt::format("x = {};", setting.fallback)}, problems).children.at(0).second;
      auto want = read_value(setting, fallback, "/d");
      REQUIRE(want);
      if (want->text == have->text && want->number == have->number && want->names == have->names) as_default = true;
    }
    CHECK(there);
    CHECK(as_default);
  }
}

// After a change of the table: MANSIO_WRITE_MANUAL=1 test_config "the manual*" writes the section anew.
TEST_CASE("the manual's list of settings is that of the table") {
  std::string manual = text_of(manual_file);
  auto begin = manual.find(begin_mark), end = manual.find(end_mark);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  begin += begin_mark.size();
  if (std::getenv("MANSIO_WRITE_MANUAL") != nullptr) {
    REQUIRE(replace_file(manual_file, manual.substr(0, begin) + manual_section() + manual.substr(end), 0644));
    return;
  }
  CHECK(manual.substr(begin, end - begin) == manual_section());
}

TEST_CASE("the manual's examples are configurations") {
  std::string manual = text_of(manual_file);
  int examples = 0;
  constexpr std::string_view begin = ".Bd -literal -offset indent\n", end = ".Ed\n";
  for (auto at = manual.find(begin); at != std::string::npos; at = manual.find(begin, at + 1)) {
    std::string text = manual.substr(at + begin.size(), manual.find(end, at) - at - begin.size());
    if (text.starts_with("internet")) {
      text = "version = 1; transports = { mailbox = { kind = \"mbox\"; path = \"/m\"; };\n" + text + "};\n";
    }
    auto config = parse({{"example", text}}, {"mail.example.org", "", ""});
    INFO(text);
    if (!config) for (const Problem& p : config.error()) UNSCOPED_INFO(p.message());
    CHECK(config);
    ++examples;
  }
  CHECK(examples >= 11);
}

TEST_CASE("the snapshot's own defaults are those of the table") {
  Config plain;
  auto config = parse({{"/mansio.conf", "version = 1;"}}, {"h.example", "", ""});
  REQUIRE(config);
  const Config& c = **config;
  CHECK(plain.limits.message_size == c.limits.message_size);
  CHECK(plain.limits.recipients == c.limits.recipients);
  CHECK(plain.limits.connections == c.limits.connections);
  CHECK(plain.limits.connections_per_client == c.limits.connections_per_client);
  CHECK(plain.limits.messages_per_connection == c.limits.messages_per_connection);
  CHECK(plain.limits.session_size == c.limits.session_size);
  CHECK(plain.limits.hops == c.limits.hops);
  CHECK(plain.limits.command_timeout == c.limits.command_timeout);
  CHECK(plain.limits.data_timeout == c.limits.data_timeout);
  CHECK(plain.limits.data_minimum_rate == c.limits.data_minimum_rate);
  CHECK(plain.limits.errors == c.limits.errors);
  CHECK(plain.limits.command_line == c.limits.command_line);
  CHECK(plain.limits.chunks == c.limits.chunks);
  CHECK(plain.delay_warning == c.delay_warning);
  CHECK(plain.bounce_return_size == c.bounce_return_size);
  CHECK(plain.spool_segment_size == c.spool_segment_size);
  CHECK(plain.spool_reserve == c.spool_reserve);
  CHECK(plain.shutdown_grace == c.shutdown_grace);
  CHECK(plain.deliver_agents == c.deliver_agents);
  CHECK(plain.mail_processes == c.mail_processes);
  CHECK(plain.system_calls == c.system_calls);
  CHECK(plain.log_journal == c.log_journal);
  CHECK(plain.outbound_connections == c.outbound_connections);
  CHECK(plain.tls.resumption == c.tls.resumption);
  CHECK(plain.auth.tries == c.auth.tries);
  CHECK(plain.auth.delay == c.auth.delay);
  CHECK(plain.auth.clear_text == c.auth.clear_text);
  CHECK(plain.submission.hide_client == c.submission.hide_client);
  CHECK(plain.submission.senders == c.submission.senders);
  CHECK(plain.submission.messages_per_hour == c.submission.messages_per_hour);
  CHECK(plain.submission.recipients_per_hour == c.submission.recipients_per_hour);
  CHECK(plain.dns.timeout == c.dns.timeout);
  CHECK(plain.dns.attempts == c.dns.attempts);
  Transport t;
  auto table = parse({{"/mansio.conf", "version = 1; transports = { mailbox = { kind = \"mbox\"; path = \"/m\"; }; internet = { kind = \"smtp\"; }; };"}}, {"h.example", "", ""});
  REQUIRE(table);
  const Transport& d = *(*table)->transport("internet");
  CHECK(t.port == d.port);
  CHECK(t.tls == d.tls);
  CHECK(t.tls_implicit == d.tls_implicit);
  CHECK(t.auth_unverified == d.auth_unverified);
  CHECK(t.hosts_random == d.hosts_random);
  CHECK(t.family == d.family);
  CHECK(t.connections == d.connections);
  CHECK(t.messages_per_connection == d.messages_per_connection);
  CHECK(t.connection_idle == d.connection_idle);
  CHECK(t.connection_lifetime == d.connection_lifetime);
  CHECK(t.recipients_per_message == d.recipients_per_message);
  CHECK(t.timeouts.connect == d.timeouts.connect);
  CHECK(t.timeouts.greeting == d.timeouts.greeting);
  CHECK(t.timeouts.hello == d.timeouts.hello);
  CHECK(t.timeouts.mail == d.timeouts.mail);
  CHECK(t.timeouts.rcpt == d.timeouts.rcpt);
  CHECK(t.timeouts.data_init == d.timeouts.data_init);
  CHECK(t.timeouts.data_block == d.timeouts.data_block);
  CHECK(t.timeouts.data_end == d.timeouts.data_end);
}

}  // namespace mansio::config
