#include "setup/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/credentials.hpp"
#include "setup/site_text.hpp"
#include "setup/takeover.hpp"

namespace mansio::setup {
namespace {

using config::Problems;
using config::Source;

constexpr auto taken_names = std::to_array<std::string_view>({"mail_name", "listeners", "domains", "relay_from", "transports", "routes"});

std::string beside(const std::string& main_file, std::string_view name) {
  auto slash = main_file.rfind('/');
  return (slash == std::string::npos ? "" : main_file.substr(0, slash + 1)) + std::string(name);
}

// Puts a text in its place: behind the main file, in the order of names.
void put_source(std::vector<Source>& sources, const std::string& file, std::string text) {
  auto known = std::ranges::find(sources, file, &Source::file);
  if (known != sources.end()) {
    known->text = std::move(text);
    return;
  }
  auto at = std::ranges::find_if(sources.begin() + 1, sources.end(), [&](const Source& source) { return source.file > file; });
  sources.insert(at, Source{file, std::move(text)});
}

void change(Plan& plan, const std::string& path, std::string_view before, std::string_view after, bool secret) {
  if (before != after) plan.changes.push_back({path, std::string(before), std::string(after), secret});
}

// Listeners are often added to (submission, TLS): where another file has them, they are that file's.
std::optional<config::Place> listeners_elsewhere(const std::vector<Source>& sources, const std::string& site) {
  for (const Source& source : sources) {
    if (source.file == site) continue;
    Problems unused;
    config::Node root = config::parse_tree(source, unused);
    for (const auto& [name, node] : root.children) {
      if (name == "listeners") return node.place;
    }
  }
  return std::nullopt;
}

// The credentials, unless the ones that are there stay.
std::optional<Problems> plan_credentials(Plan& plan, const Answers& answers, const Present& present) {
  if (!answers.has_smart_host() || answers.user.empty()) return std::nullopt;
  std::string path = credentials_file(present.main_file);
  if (answers.password.empty()) {
    if (!present.credentials) return Problems{{path, 0, "there is no such file yet: the password at the smart host is needed"}};
    auto kept = config::Credentials::parse(Source{path, *present.credentials});
    if (!kept) return kept.error();
    bool fits = std::ranges::any_of(kept->all(), [&](const config::Credential& one) { return one.user == answers.user; });
    if (!fits) return Problems{{path, 0, fmt::format("holds no password of {}: it is needed", answers.user)}};
    return std::nullopt;
  }
  std::string text = credentials_text(answers);
  if (auto parsed = config::Credentials::parse(Source{path, text}); !parsed) return parsed.error();
  change(plan, path, present.credentials.value_or(""), text, true);
  return std::nullopt;
}

// A setting that stands in another file is its author's, and this is how to come to terms.
Problems explained(Problems problems, const std::string& site) {
  for (config::Problem& problem : problems) {
    if (problem.text.find("is given twice") == std::string::npos) continue;
    problem.text += fmt::format("; set-up writes it to {}, so take it out of the other file, or do without set-up", site);
  }
  return problems;
}

}  // namespace

std::string site_file(const std::string& main_file) { return beside(main_file, "conf.d/10-setup.conf"); }
std::string credentials_file(const std::string& main_file) { return beside(main_file, "smart_host.secret"); }

std::expected<Plan, Problems> make_plan(const Answers& answers, const Present& present) {
  Plan plan;
  std::string site = site_file(present.main_file);
  std::vector<Source> sources = present.sources;
  if (sources.empty()) sources.push_back({present.main_file, std::string(sample_text())});
  std::string main_text = take_over(sources.front().text, sample_text(), taken_names);
  auto old_site = std::ranges::find(present.sources, site, &Source::file);
  std::string before = old_site == present.sources.end() ? std::string() : old_site->text;
  if (!before.empty() && !before.starts_with(site_mark)) {
    return std::unexpected(Problems{{site, 1, "its first line is not set-up's, so somebody has taken it over: move it away, or do without set-up"}});
  }
  if (auto problems = plan_credentials(plan, answers, present)) return std::unexpected(std::move(*problems));
  sources.front().text = main_text;
  auto listeners = listeners_elsewhere(sources, site);
  if (listeners) plan.notes.push_back(fmt::format("listeners stay as {} has them", listeners->text()));
  std::string text = site_text(answers, credentials_file(present.main_file), !listeners);
  put_source(sources, site, text);
  auto parsed = config::parse(sources, present.facts);
  if (!parsed) return std::unexpected(explained(std::move(parsed.error()), site));
  plan.config = std::move(*parsed);
  change(plan, site, before, text, false);
  change(plan, present.main_file, present.sources.empty() ? "" : present.sources.front().text, main_text, false);
  return plan;
}

}  // namespace mansio::setup
