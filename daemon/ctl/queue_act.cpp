// mansioctl queue retry, freeze, thaw, remove, bounce, reroute: on one message at once, on several after a question that says
// how many they are. Exactly those that were shown are changed, not what matches by then.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "ctl/queue.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

constexpr std::size_t examples = 5;
constexpr std::size_t at_once = 500;               // ids in a request: so many surely fit

struct Chosen {
  std::vector<std::string> ids;
  std::vector<Json> examples;
  bool asked_all = true;               // false: a mail process did not answer
};

int choose(const Invocation& invocation, const Json& filter, Chosen& chosen) {
  Json question{{"command", "queue_select"}, {"filter", filter}, {"in_full", examples}};
  Progress progress;
  if (progress.wanted()) question["progress"] = true;
  auto each = [&](const Json& object) {
    if (std::int64_t looked_at = number_of(object, "looked_at"); looked_at > 0) {
      progress.show(fmt::format("{} looked at, {} of them meant", looked_at, chosen.ids.size()));
    } else if (std::string id = text_of(object, "id"); !id.empty()) {
      chosen.ids.push_back(id);
      chosen.examples.push_back(object);
    }
    for (const Json& id : list_of(object, "ids")) {
      if (id.is_string()) chosen.ids.push_back(id.get<std::string>());
    }
    return true;
  };
  auto last = [&](const Json& end) {
    chosen.asked_all = !end.contains("missing");
    if (is_still_read(end)) fmt::print(stderr, "mansioctl: the spool is still being read: there may be more messages\n");
    return done;
  };
  return DaemonLink(invocation).ask(question, each, last);
}

bool asked(const QueueVerb& verb, const std::string& transport, const Chosen& chosen) {
  std::int64_t now = std::time(nullptr);
  fmt::print(stderr, "{}", list_titles());
  for (const Json& example : chosen.examples) fmt::print(stderr, "{}", list_lines(example, now));
  if (chosen.ids.size() > chosen.examples.size()) fmt::print(stderr, "and {} more\n", chosen.ids.size() - chosen.examples.size());
  std::string whom = messages_text(static_cast<std::int64_t>(chosen.ids.size()));
  if (!transport.empty()) whom += transport == "default" ? " as the routes say" : " by " + transport;
  return confirm(fmt::format(fmt::runtime(verb.question), whom));
}

int send(const Invocation& invocation, const QueueVerb& verb, Json question, const std::vector<std::string>& ids) {
  std::size_t changed = 0;
  bool single = ids.size() == 1;
  Progress progress;
  auto each = [&](const Json& object) {
    bool did = flag_of(object, "done");
    if (did) ++changed;
    if (invocation.json) print_json(object);
    else if (single && did) fmt::print("Message {} {}\n", show(text_of(object, "id")), show(text_of(object, "text")));
    else if (!did) fmt::print(stderr, "mansioctl: message {} {}\n", show(text_of(object, "id")), show(text_of(object, "text")));
    return true;
  };
  for (std::size_t i = 0; i < ids.size(); i += at_once) {
    std::size_t end = std::min(i + at_once, ids.size());
    question["ids"] = std::vector<std::string>(ids.begin() + static_cast<std::ptrdiff_t>(i), ids.begin() + static_cast<std::ptrdiff_t>(end));
    int exit = DaemonLink(invocation).ask(question, each, [](const Json&) { return done; });
    if (exit != done) return exit;
    progress.show(fmt::format("{} of {}", end, ids.size()));
  }
  progress.clear();
  if (!invocation.json && !single) {
    std::string count = messages_text(static_cast<std::int64_t>(changed)) + (changed == 1 ? " is" : " are");
    fmt::print("{}{}\n", fmt::format(fmt::runtime(verb.past), count), changed == ids.size() ? "" : fmt::format("; {} not", ids.size() - changed));
  }
  return changed == ids.size() ? done : failed;
}

// Of those named in full, the ones that aren't in the queue.
bool tell_missing(const std::vector<std::string>& named, const Chosen& chosen) {
  bool missing = false;
  for (const std::string& id : named) {
    if (std::ranges::find(chosen.ids, id) != chosen.ids.end()) continue;
    fmt::print(stderr, "mansioctl: message {} {}\n", show(id), chosen.asked_all ? "is not in the queue" : "is not in the queues that could be asked");
    missing = true;
  }
  return missing;
}

}  // namespace

int act_on_queue(const Invocation& invocation, const QueueVerb& verb, const QueueActOptions& options) {
  const QueueFilter& filter = options.filter;
  if (filter.empty() && !options.all) {
    return complain(invocation, usage, fmt::format("say which messages: an id or a condition, or --all; see mansioctl queue {} --help", verb.name));
  }
  Json question{{"command", "queue_act"}, {"verb", verb.verb}};
  if (!options.transport.empty()) question["transport"] = options.transport == "default" ? "" : options.transport;
  bool retry = std::string_view(verb.verb) == "retry", named = filter.names_messages();
  if (named && filter.ids.size() == 1) {
    if (retry) question["verb"] = "run";           // also when it is frozen
    return send(invocation, verb, std::move(question), filter.ids);
  }
  auto wanted = filter.json(invocation);
  if (!wanted) return usage;
  // Who means frozen ones says so; to thaw them is to try them.
  if (retry && filter.frozen) question["verb"] = "thaw";
  else if (retry && named) question["verb"] = "run";
  else if (retry) (*wanted)["frozen"] = false;
  Chosen chosen;
  if (int exit = choose(invocation, *wanted, chosen); exit != done) return exit;
  bool missing = named && tell_missing(filter.ids, chosen);
  if (chosen.ids.empty()) return missing ? failed : complain(invocation, failed, filter.empty() ? "the queue is empty" : "no message matches");
  if (!options.yes && !asked(verb, options.transport, chosen)) return complain(invocation, failed, "nothing was changed");
  int exit = send(invocation, verb, std::move(question), chosen.ids);
  return exit == done && missing ? failed : exit;
}

}  // namespace mansio::ctl
