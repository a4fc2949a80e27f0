// mansioctl queue: its commands and their options. What they do is in the files queue_*.cpp.
#include "ctl/queue.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <memory>

namespace mansio::ctl {
namespace {

constexpr const char* some_ids = "ids of messages; with * and ? parts of them";
constexpr const char* full_ids = "ids of messages";

constexpr std::array<QueueVerb, 6> queue_verbs{{
    {"retry", "retry", "try now instead of later (one named in full also when it is frozen or its destination is closed)", "Try {} now?", "{} tried now"},
    {"freeze", "freeze", "try no more until it is thawed", "Freeze {}?", "{} frozen"},
    {"thaw", "thaw", "try again, and at once", "Thaw {}?", "{} no longer frozen"},
    {"remove", "remove", "remove for good; nobody is told", "Remove {} for good, without telling anybody?", "{} removed"},
    {"bounce", "give_up", "give up, and tell the senders", "Give up {} and tell the senders?", "{} given up, and the senders are told"},
    {"reroute", "reroute", "send what goes to other hosts by another transport", "Reroute {}?", "{} rerouted"},
}};

template <class Options>
CLI::App* add(CLI::App& queue, Invocation& invocation, const char* name, const char* help, std::shared_ptr<Options> options,
              int (*run)(const Invocation&, const Options&)) {
  auto* command = queue.add_subcommand(name, help);
  command->callback([&invocation, options, run] { invocation.chosen = [&invocation, options, run] { return run(invocation, *options); }; });
  return command;
}

void add_readers(CLI::App& queue, Invocation& invocation) {
  using Ids = std::vector<std::string>;
  auto reader = [&](const char* name, const char* help, int (*run)(const Invocation&, const Ids&)) {
    auto ids = std::make_shared<Ids>();
    add<Ids>(queue, invocation, name, help, ids, run)->add_option("id", *ids, full_ids)->required();
  };
  reader("show", "all that is known of a message", [](const Invocation& i, const Ids& ids) { return show_messages(i, ids); });
  reader("headers", "its header", [](const Invocation& i, const Ids& ids) { return show_content(i, ids, "headers"); });
  reader("body", "its body", [](const Invocation& i, const Ids& ids) { return show_content(i, ids, "body"); });
  reader("log", "what the log says of it, rotated logs too", [](const Invocation& i, const Ids& ids) { return show_message_log(i, ids); });
}

void add_verb(CLI::App& queue, Invocation& invocation, const QueueVerb& verb) {
  auto options = std::make_shared<QueueActOptions>();
  auto* command = queue.add_subcommand(verb.name, verb.help);
  options->filter.add_to(*command, some_ids);
  if (std::string_view(verb.name) == "reroute") {
    command->add_option("--to", options->transport, "a transport of the configuration (kind smtp or lmtp); \"default\": as the routes say")->required();
  }
  command->add_flag("--yes,-y", options->yes, "don't ask");
  command->add_flag("--all", options->all, "the whole queue");
  command->callback([&invocation, &verb, options] { invocation.chosen = [&invocation, &verb, options] { return act_on_queue(invocation, verb, *options); }; });
}

struct SummaryOptions {
  QueueFilter filter;
  std::string by = "destination";
  std::size_t limit = 20;
};

}  // namespace

void add_queue(CLI::App& app, Invocation& invocation) {
  auto* queue = app.add_subcommand("queue", "messages that wait: list, show, change");
  queue->require_subcommand(1);
  auto list = std::make_shared<QueueListOptions>();
  auto* command = add<QueueListOptions>(*queue, invocation, "list", "what waits, oldest first", list, list_queue);
  list->filter.add_to(*command, some_ids);
  command->add_option("--limit", list->limit, "so many at most");
  add_readers(*queue, invocation);
  for (const QueueVerb& verb : queue_verbs) add_verb(*queue, invocation, verb);
  auto summary = std::make_shared<SummaryOptions>();
  command = add<SummaryOptions>(*queue, invocation, "summary", "how many wait where, and for how long", summary, [](const Invocation& i, const SummaryOptions& o) {
    return summarise_queue(i, o.filter, o.by, o.limit);
  });
  summary->filter.add_to(*command, some_ids);
  command->add_option("--by", summary->by, "destination, recipient-domain or sender-domain")
      ->check(CLI::IsMember({"destination", "recipient-domain", "sender-domain"}));
  command->add_option("--limit", summary->limit, "so many lines at most; 0: all");
}

}  // namespace mansio::ctl
