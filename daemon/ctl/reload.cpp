// mansioctl reload: the configuration, tables, certificates and logs are read anew; open sessions notice nothing.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <vector>

#include "ctl/command.hpp"
#include "ctl/daemon_link.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

int reload(const Invocation& invocation) {
  std::vector<std::string> refused, problems;
  auto each = [&](const Json& object) {
    if (std::string text = text_of(object, "refused"); !text.empty()) refused.push_back(text);
    if (std::string text = text_of(object, "problem"); !text.empty()) problems.push_back(text);
    return true;
  };
  auto last = [&](const Json& answer) {
    bool taken = flag_of(answer, "done");
    if (invocation.json) {
      Json object;
      object["done"] = taken;
      object["refused"] = refused;
      object["problems"] = problems;
      object["aliases"] = number_of(answer, "aliases");
      print_json(object);
    }
    for (const std::string& text : refused) fmt::print(stderr, "mansioctl: {}\n", show(text));
    for (const std::string& text : problems) fmt::print(stderr, "mansioctl: {}\n", show(text));
    if (!taken) {
      fmt::print(stderr, "mansioctl: nothing was changed: the daemon goes on with the configuration it had\n");
      return config;
    }
    if (!invocation.json) {
      fmt::print("{} is in use, with {} aliases{}\n", show(invocation.config_file), number_of(answer, "aliases"),
                 problems.empty() ? "" : "; see above for what is wrong with it");
    }
    return problems.empty() ? done : failed;
  };
  return DaemonLink(invocation).ask({{"command", "reload"}}, each, last);
}

}  // namespace

void add_reload(CLI::App& app, Invocation& invocation) {
  auto* verb = app.add_subcommand("reload", "take the configuration, aliases, users, certificates into use as they are on disk now");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return reload(invocation); }; });
}

}  // namespace mansio::ctl
