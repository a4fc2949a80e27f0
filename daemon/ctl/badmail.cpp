// mansioctl badmail: what could be neither delivered nor returned, and files of pickup directories that could not be sent.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "ctl/command.hpp"
#include "ctl/daemon_link.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

constexpr std::size_t badmail_examples = 5, badmail_request = 500;

struct BadmailArguments {
  std::vector<std::string> names;
  std::string id;
  bool all = false, yes = false;
};

std::string badmail_count(std::size_t count) { return count == 1 ? "1 message" : fmt::format("{} messages", count); }

std::string badmail_message(const Json& one) {
  if (text_of(one, "kind") == "pickup") return text_of(one, "file");
  std::string sender = text_of(one, "sender"), first;
  const Json& recipients = list_of(one, "recipients");
  if (!recipients.empty() && recipients.front().is_string()) first = recipients.front().get<std::string>();
  std::int64_t count = number_of(one, "recipient_count");
  return fmt::format("{} for {}{}", sender.empty() ? "<>" : sender, first, count > 1 ? fmt::format(" +{}", count - 1) : "");
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string badmail_table(const std::vector<Json>& entries, std::size_t most) {
  std::int64_t now = std::time(nullptr);
  Table table({{"ID"}, {"AGE", Table::Align::right}, {"SIZE", Table::Align::right}, {"MESSAGE"}, {"WHY"}});
  for (std::size_t i = 0; i < entries.size() && i < most; ++i) {
    const Json& one = entries[i];
    table.row({show(text_of(one, "id")), show(age_text(now - number_of(one, "kept"))), show(bytes_text(static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(one, "size"), 0)))),
               show(badmail_message(one)), show(first_line(text_of(one, "why")))});
  }
  return table.text();
}

bool is_meant(const BadmailArguments& arguments, const std::string& id) {
  return arguments.names.empty() ||
         std::ranges::any_of(arguments.names, [&](const std::string& name) { return ::fnmatch(name.c_str(), id.c_str(), 0) == 0; });
}

int choose_badmail(const Invocation& invocation, const BadmailArguments& arguments, std::vector<Json>& out) {
  auto each = [&](const Json& one) {
    if (is_meant(arguments, text_of(one, "id"))) out.push_back(one);
    return true;
  };
  return DaemonLink(invocation).ask({{"command", "badmail_list"}}, each, [](const Json&) { return static_cast<int>(done); });
}

int list_badmail(const Invocation& invocation, const BadmailArguments& arguments) {
  std::vector<Json> entries;
  if (int exit = choose_badmail(invocation, arguments, entries); exit != done) return exit;
  if (invocation.json) {
    for (const Json& one : entries) print_json(one);
    return done;
  }
  if (entries.empty()) fmt::print("there is no badmail{}\n", arguments.names.empty() ? "" : " of that name");
  else fmt::print("{}", badmail_table(entries, entries.size()));
  return done;
}

int show_badmail(const Invocation& invocation, const BadmailArguments& arguments) {
  auto last = [&](const Json& one) {
    if (invocation.json) {
      print_json(one);
      return static_cast<int>(done);
    }
    fmt::print("{}  {}, kept {}\n{}\n", show(text_of(one, "id"), Look::bold), bytes_text(static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(one, "size"), 0))),
               time_text(number_of(one, "kept")), show(badmail_message(one)));
    if (std::string owner = text_of(one, "owner"); !owner.empty()) fmt::print("owner: {}\n", show(owner));
    for (const Json& recipient : list_of(one, "recipients")) {
      if (recipient.is_string()) fmt::print("for: {}\n", show(recipient.get<std::string>()));
    }
    std::string lines = text_of(one, "why") + "\n\n" + text_of(one, "header");
    for (std::size_t at = 0; at < lines.size();) {
      std::size_t end = std::min(lines.find('\n', at), lines.size());
      std::string line = lines.substr(at, end - at);
      if (line.ends_with('\r')) line.pop_back();
      fmt::print("{}\n", show(line));
      at = end + 1;
    }
    return static_cast<int>(done);
  };
  return DaemonLink(invocation).ask({{"command", "badmail_show"}, {"id", arguments.id}}, last);
}

int act_on_badmail(const Invocation& invocation, const BadmailArguments& arguments, const std::string& command) {
  if (arguments.names.empty() && !arguments.all) return complain(invocation, usage, "say which: ids, parts of them with * and ?, or --all");
  std::vector<Json> entries;
  if (int exit = choose_badmail(invocation, arguments, entries); exit != done) return exit;
  if (entries.empty()) return complain(invocation, failed, arguments.names.empty() ? "there is no badmail" : "there is no badmail of that name");
  if (command == "badmail_remove" && !arguments.yes) {
    fmt::print(stderr, "{}", badmail_table(entries, badmail_examples));
    if (entries.size() > badmail_examples) fmt::print(stderr, "and {} more\n", entries.size() - badmail_examples);
    if (!confirm(fmt::format("Remove {} for good?", badmail_count(entries.size())))) return complain(invocation, failed, "nothing was removed");
  }
  std::size_t changed = 0;
  auto each = [&](const Json& one) {
    bool did = flag_of(one, "done");
    if (did) ++changed;
    if (invocation.json) print_json(one);
    else if (did) fmt::print("{} {}\n", show(text_of(one, "id")), show(text_of(one, "text")));
    else fmt::print(stderr, "mansioctl: {} {}\n", show(text_of(one, "id")), show(text_of(one, "text")));
    return true;
  };
  for (std::size_t at = 0; at < entries.size(); at += badmail_request) {
    std::vector<std::string> ids;
    for (std::size_t i = at; i < entries.size() && i < at + badmail_request; ++i) ids.push_back(text_of(entries[i], "id"));
    int exit = DaemonLink(invocation).ask({{"command", command}, {"ids", ids}}, each, [](const Json&) { return static_cast<int>(done); });
    if (exit != done) return exit;
  }
  return changed == entries.size() ? done : failed;
}

}  // namespace

void add_badmail(CLI::App& app, Invocation& invocation) {
  static BadmailArguments arguments;
  auto* badmail = app.add_subcommand("badmail", "messages that could be neither delivered nor returned, and files that could not be sent");
  badmail->require_subcommand(1);
  constexpr const char* names = "ids; with * and ? parts of them";
  auto* list = badmail->add_subcommand("list", "what is there, and why");
  list->add_option("id", arguments.names, names);
  list->callback([&invocation] { invocation.chosen = [&invocation] { return list_badmail(invocation, arguments); }; });
  auto* show_one = badmail->add_subcommand("show", "all that is known of one, and its header");
  show_one->add_option("id", arguments.id, "the id")->required();
  show_one->callback([&invocation] { invocation.chosen = [&invocation] { return show_badmail(invocation, arguments); }; });
  auto* retry = badmail->add_subcommand("retry", "send it after all, as a new message");
  retry->add_option("id", arguments.names, names);
  retry->add_flag("--all", arguments.all, "all that is there");
  retry->callback([&invocation] { invocation.chosen = [&invocation] { return act_on_badmail(invocation, arguments, "badmail_retry"); }; });
  auto* remove = badmail->add_subcommand("remove", "remove it for good");
  remove->add_option("id", arguments.names, names);
  remove->add_flag("--all", arguments.all, "all that is there");
  remove->add_flag("--yes,-y", arguments.yes, "don't ask");
  remove->callback([&invocation] { invocation.chosen = [&invocation] { return act_on_badmail(invocation, arguments, "badmail_remove"); }; });
}

}  // namespace mansio::ctl
