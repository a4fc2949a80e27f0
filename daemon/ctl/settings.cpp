#include "config/settings_list.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/reader.hpp"
#include "config/value.hpp"
#include "ctl/command.hpp"
#include "ctl/page.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

struct SettingsArguments {
  std::vector<std::string> words;
  bool all = false;
};

nlohmann::json setting_object(const config::SettingState& one) {
  nlohmann::json out;
  out["name"] = one.path;
  out["value"] = one.value;
  out["default"] = one.fallback;
  out["place"] = one.place;
  out["differs"] = one.differs;
  out["type"] = config::describe_type(*one.row);
  out["doc"] = one.row->doc;
  return out;
}

// With everything, as for a setting that was asked for by name.
void show_whole(const config::SettingState& one, Page& page) {
  page.line("", "  ", fmt::format("{} = {}", show(one.path, Look::bold), one.value.empty() ? show("not set", Look::dim) : show(one.value)), one.place);
  page.line("    ", "    ", show(one.row->doc));
  page.line("    ", "    ", fmt::format("{} {}", dress("type:", Look::dim), show(config::describe_type(*one.row))));
  if (!one.fallback.empty() || !one.row->required) {
    page.line("    ", "    ", fmt::format("{} {}", dress("default:", Look::dim), show(one.fallback.empty() ? "none" : one.fallback)));
  }
}

void show_line(const config::SettingState& one, Page& page) {
  Look look = one.differs ? Look::plain : Look::dim;
  page.line("", "    ", fmt::format("{} = {}", show(one.path, look), one.value.empty() ? show("not set", Look::dim) : show(one.value, look)), one.place);
}

// What the words name, each once; false: one names nothing, which was complained of.
bool choose(const Invocation& invocation, const SettingsArguments& arguments, const std::vector<config::SettingState>& all,
            std::vector<const config::SettingState*>& chosen) {
  for (const std::string& word : arguments.words) {
    auto found = config::find_settings(all, word);
    if (found.empty()) {
      complain(invocation, failed, config::unknown_path(all, word));
      return false;
    }
    for (const config::SettingState* one : found) {
      if (std::ranges::find(chosen, one) == chosen.end()) chosen.push_back(one);
    }
  }
  if (!arguments.words.empty()) return true;
  for (const config::SettingState& one : all) {
    if (arguments.all || one.differs) chosen.push_back(&one);
  }
  return true;
}

int show_settings(const Invocation& invocation, const SettingsArguments& arguments) {
  auto loaded = config::load(invocation.config_file);
  if (!loaded) {
    int status = Exit::config;
    for (const config::Problem& problem : loaded.error()) status = complain(invocation, Exit::config, problem.message());
    return status;
  }
  auto all = config::list_settings(**loaded);
  std::vector<const config::SettingState*> chosen;
  if (!choose(invocation, arguments, all, chosen)) return failed;
  Page page(screen_width());
  page.shorten((*loaded)->file.substr(0, (*loaded)->file.rfind('/') + 1));
  constexpr std::size_t with_doc = 5;          // so many are shown whole when they were asked for
  for (const config::SettingState* one : chosen) {
    if (invocation.json) print_json(setting_object(*one));
    else if (!arguments.words.empty() && chosen.size() <= with_doc) show_whole(*one, page);
    else show_line(*one, page);
  }
  if (invocation.json) return done;
  if (chosen.empty()) page.line("", "", "Every setting has its default; --all lists them.");
  fmt::print("{}", page.text());
  return done;
}

}  // namespace

void add_settings(CLI::App& app, Invocation& invocation) {
  static SettingsArguments arguments;
  auto* verb = app.add_subcommand("settings", "list settings: value, default, where they were given, what they mean");
  verb->add_option("name", arguments.words, "a setting, a group of settings, or a part of a name; none: those that differ from their default");
  verb->add_flag("--all", arguments.all, "all settings, also those that have their default");
  verb->callback([&invocation] {
    invocation.chosen = [&invocation] { return show_settings(invocation, arguments); };
  });
}

}  // namespace mansio::ctl
