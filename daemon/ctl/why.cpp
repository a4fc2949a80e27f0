#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>

#include "base/text.hpp"
#include "config/reader.hpp"
#include "ctl/command.hpp"
#include "ctl/screen.hpp"
#include "ctl/why_past.hpp"
#include "ctl/why_plan.hpp"
#include "sendmail_socket.hpp"

namespace mansio::ctl {
namespace {

struct WhyArguments {
  std::string what, from, client, user;
};

// Of the configuration, as far as it can be read; the defaults else.
struct Whereabouts {
  std::string log_directory, directory;
};

Whereabouts whereabouts_of(const Invocation& invocation) {
  auto loaded = config::load(invocation.config_file);
  Whereabouts out;
  out.log_directory = loaded ? (*loaded)->log_directory : config::Config().log_directory;
  out.directory = invocation.config_file.substr(0, invocation.config_file.rfind('/') + 1);
  return out;
}

Page new_page(const Whereabouts& where) {
  Page page(screen_width());
  page.shorten(where.directory);
  return page;
}

std::set<std::string> final_addresses(const Json& answer) {
  std::set<std::string> out{to_lower(text_of(answer, "address"))};
  for (const Json& one : list_of(answer, "destinations")) out.insert(to_lower(text_of(one, "address")));
  return out;
}

// ---- an address

void show_address(const Json& answer, Page& page) {
  std::int64_t now = number_of(answer, "now");
  page.line("", "", address_sentence(answer));
  page.blank();
  show_verdict(answer, page);
  if (list_of(answer, "steps").size() > 0) {
    page.blank();
    std::string rule = text_of(object_of(answer, "rcpt"), "rule");
    bool only_this_client = rule == "no_relay" || rule == "relay_unsure" || rule == "sender_not_allowed";
    if (only_this_client) page.line("", "", "Were it accepted:");
    show_steps(answer, "  ", page);
  }
  for (const Json& site : list_of(answer, "sites")) {
    page.blank();
    show_site(site, now, page);
  }
  if (!list_of(answer, "sites").empty()) show_retry(object_of(answer, "retry"), now, false, page);
  const Json& last = object_of(answer, "last");
  if (last.empty()) return;
  page.blank();
  page.line("", "  ", fmt::format("Last heard {}: {}", moment_text(number_of(last, "time"), now), event_text(last)));
}

int why_address(const Invocation& invocation, const WhyArguments& arguments, const Whereabouts& where) {
  Json question{{"command", "why"}, {"address", arguments.what}, {"from", arguments.from == "<>" ? "" : arguments.from},
                {"client", arguments.client}, {"user", arguments.user}};
  DaemonLink link(invocation);
  return link.ask(question, [&](const Json& got) {
    Json answer = got;
    answer.erase("end");
    std::string domain = to_lower(std::string_view(arguments.what).substr(arguments.what.rfind('@') + 1));
    if (list_of(answer, "destinations").empty()) domain.clear();
    Json last = last_word(where.log_directory, final_addresses(answer), domain);
    if (last.is_object()) answer["last"] = std::move(last);
    if (invocation.json) {
      print_json(answer);
    } else {
      Page page = new_page(where);
      show_address(answer, page);
      fmt::print("{}", page.text());
    }
    return text_of(answer, "outcome") == "ok" ? done : failed;
  });
}

// ---- a message

std::string queue_sentence(const Json& plan) {
  std::int64_t now = number_of(plan, "now"), waiting = 0, settled = 0;
  const Json* first = nullptr;
  for (const Json& one : list_of(plan, "recipients")) {
    bool waits = text_of(one, "state") == "waiting";
    if (waits && first == nullptr) first = &one;
    (waits ? waiting : settled) += 1;
  }
  std::string sender = text_of(object_of(plan, "envelope"), "sender");
  std::string out = fmt::format("{} from {} ", show(text_of(plan, "id"), Look::bold), sender.empty() ? "<>" : show(sender));
  if (first == nullptr) return out + "is finished, and about to leave the queue.";
  std::string to = show(text_of(*first, "address"), Look::bold);
  if (waiting > 1) to += fmt::format(" and {} more", waiting - 1);
  if (settled > 0) to += fmt::format(" ({} done)", settled);
  if (flag_of(plan, "frozen")) return out + fmt::format("to {} is {}: nothing is tried until it is thawed.", to, dress("frozen", Look::warning));
  if (flag_of(plan, "under_way")) return out + fmt::format("to {} is being delivered now.", to);
  std::int64_t next = number_of(plan, "next_attempt");
  out += fmt::format("to {} {}", to, dress("waits", Look::warning));
  std::string last = status_line(*first, "last"), host = text_of(*first, "host"), waits_for = text_of(plan, "waits_for");
  if (!waits_for.empty()) out += ": " + show(waits_for);
  else if (!last.empty()) out += fmt::format(": {}{}", host.empty() ? "" : show(host) + " said ", last);
  return out + (next > now ? fmt::format("; next try {}.", moment_text(next, now)) : "; it is due now.");
}

void show_waiting(const Json& plan, Page& page) {
  std::int64_t now = number_of(plan, "now");
  for (const Json& one : list_of(plan, "recipients")) {
    if (text_of(one, "state") != "waiting") continue;
    page.blank();
    const Json& way = object_of(one, "plan");
    page.line("", "  ", fmt::format("Mail for {} {}.", show(text_of(one, "address"), Look::bold), way.empty() ? "waits" : way_sentence(way, list_of(plan, "sites"), now)));
    show_steps(way, "  ", page);
    show_retry(object_of(way, "retry"), now, true, page);
  }
  if (plan.contains("plans_left_out")) page.line("", "", fmt::format("... and {} more recipients wait.", number_of(plan, "plans_left_out")));
  for (const Json& site : list_of(plan, "sites")) {
    page.blank();
    show_site(site, now, page);
  }
}

// The daemon's word on a message; `*answer` stays empty when no daemon runs. Another status than `done`: it was complained of.
int ask_for_message(const Invocation& invocation, const std::string& id, Json* answer) {
  DaemonLink link(invocation);
  auto there = sendmail::connect_unix(link.socket());
  if (!there && there.error().fault() != Fault::denied && there.error().sys() != EACCES) return done;
  there = fail(Fault::closed, "");
  return link.ask(Json{{"command", "why"}, {"id", id}}, [&](const Json& got) {
    *answer = got;
    answer->erase("end");
    return done;
  });
}

int why_message(const Invocation& invocation, const std::string& id, const Whereabouts& where) {
  Json plan = Json::object();
  if (int status = ask_for_message(invocation, id, &plan); status != done) return status;
  bool running = !plan.empty(), queued = flag_of(plan, "in_queue");
  Past past = read_past(where.log_directory, id);
  if (!running && past.denied) return complain(invocation, denied, "the daemon doesn't run, and the logs can't be read: " + past.problems.front());
  Json answer = plan;
  answer["id"] = id;
  answer["daemon"] = running;
  answer["in_queue"] = queued;
  answer["past"] = past.events;
  if (!past.problems.empty()) answer["problems"] = past.problems;
  bool known = queued || !past.events.empty();
  if (invocation.json) {
    answer["known"] = known;
    print_json(answer);
    return known ? done : failed;
  }
  if (!known) {
    for (const std::string& problem : past.problems) fmt::print(stderr, "mansioctl: {}\n", escape(problem, 1000));
    return complain(invocation, failed, fmt::format("{} was never here: it is not in the queue, and no log tells of it{}", id,
                                                    !running ? " (the daemon doesn't run)" : flag_of(plan, "complete") ? "" : " (the queue is still being read)"));
  }
  Page page = new_page(where);
  page.line("", "", queued ? queue_sentence(plan) : past_sentence(id, past.events, std::time(nullptr)));
  if (!running) page.line("", "", dress("The daemon doesn't run: this is what the logs tell.", Look::dim));
  for (const std::string& problem : past.problems) page.line("", "", show(problem, Look::warning));
  page.blank();
  show_past(past.events, page);
  if (queued) show_waiting(plan, page);
  fmt::print("{}", page.text());
  return done;
}

}  // namespace

void add_why(CLI::App& app, Invocation& invocation) {
  static WhyArguments arguments;
  auto* verb = app.add_subcommand("why", "explain what happens, or has happened, to mail for an address or to one message");
  verb->add_option("what", arguments.what, "an address, or the id of a message")->required();
  verb->add_option("--from", arguments.from, "the sender; default: <>");
  verb->add_option("--client", arguments.client, "the address of the client that sends; default: what one gets that may relay, and what others get");
  verb->add_option("--user", arguments.user, "the login that the client has used");
  verb->callback([&invocation] {
    invocation.chosen = [&invocation] {
      Whereabouts where = whereabouts_of(invocation);
      if (history::is_message_id(arguments.what)) return why_message(invocation, arguments.what, where);
      return why_address(invocation, arguments, where);
    };
  });
}

}  // namespace mansio::ctl
