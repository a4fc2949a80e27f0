#include "ctl/why_plan.hpp"

#include <fmt/format.h>

#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

constexpr const char* label_space = "           ";       // as wide as a label

std::string label(std::string_view word) { return dress(fmt::format("  {:<9}", word), Look::dim); }

std::string rule_words(const std::string& rule, const Json& verdict) {
  if (rule == "ours") return flag_of(verdict, "postmaster") ? "postmaster is always accepted" : "the domain is ours";
  if (rule == "relay_to") return "the domain is of relay_to, so it is passed on for everybody";
  if (rule == "may_relay") return "the client may relay";
  if (rule == "relay_unsure") return "the domain is not ours, and whether the client may relay can't be told now";
  if (rule == "no_relay") return "the domain is not ours, and the client may not relay";
  if (rule == "no_such_user") return "the domain is ours, but the address leads nowhere";
  if (rule == "not_known") return "it can't be told at the moment";
  if (rule == "sender_not_allowed") return "submission.senders does not give the login that sender";
  if (rule == "cannot_be_sent") return "mail for that domain could never leave";
  return {};
}

// A tree of steps, drawn from their parents.
class Tree {
 public:
  Tree(const Json& plan, std::string margin, Page& page) : plan_(plan), steps_(list_of(plan, "steps")), margin_(std::move(margin)), page_(page) {
    children_.resize(steps_.size() + 1);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      auto parent = steps_[i].find("parent");
      bool below = parent != steps_[i].end() && parent->is_number_unsigned() && parent->get<std::size_t>() < i;
      children_[below ? parent->get<std::size_t>() + 1 : 0].push_back(i);
    }
  }
  void draw() {
    for (std::size_t root : children_[0]) {
      line(root, margin_, margin_);
      branch(root, margin_);
    }
  }

 private:
  void branch(std::size_t of, const std::string& prefix) {
    const auto& below = children_[of + 1];
    for (std::size_t i = 0; i < below.size(); ++i) {
      bool last = i + 1 == below.size();
      line(below[i], prefix + dress(last ? "└─ " : "├─ ", Look::dim), prefix + dress(last ? "   " : "│  ", Look::dim));
      branch(below[i], prefix + (last ? std::string("   ") : dress("│  ", Look::dim)));
    }
  }

  void line(std::size_t index, const std::string& first, const std::string& next) {
    const Json& step = steps_[index];
    std::string kind = text_of(step, "kind"), text = text_of(step, "text");
    if (kind == "destination") return destination(step, first, next);
    bool deeper = !children_[index + 1].empty() && children_[index + 1].front() != 0;
    page_.line(first, next + (deeper ? "" : "  "), words(kind, text), text_of(step, "place"));
  }

  static std::string words(const std::string& kind, const std::string& text) {
    if (kind == "address") return show(text, Look::bold);
    if (kind == "domain_alias") return "the domain is an alias: " + show(text, Look::bold);
    if (kind == "alias") return "alias " + show(text);
    if (kind == "catch_all") return "catch-all " + show(text);
    if (kind == "include") return "list " + show(text);
    if (kind == "directory") return "directory " + show(text);
    if (kind == "forward") return "~/.forward of " + show(text);
    if (kind == "main_domain") return "nobody there; the name is tried in mail_name, " + show(text);
    if (kind == "postmaster") return "nobody else, so the setting postmaster: " + show(text);
    if (kind == "user") return "user " + show(text);
    if (kind == "again") return show(text) + dress(" (stands above already: once is enough)", Look::dim);
    if (kind == "refusal") return dress("✗ ", Look::bad) + show(text);
    return show(text);
  }

  void destination(const Json& step, const std::string& first, const std::string& next) {
    const Json& list = list_of(plan_, "destinations");
    auto index = static_cast<std::size_t>(number_of(step, "index"));
    if (index >= list.size()) return page_.line(first, next, show(text_of(step, "text")));
    const Json& one = list[index];
    std::string kind = text_of(one, "kind"), what = show(text_of(one, "path"), Look::bold);
    if (kind == "remote") what = show(text_of(one, "address"), Look::bold);
    if (kind == "discard") what = "thrown away";
    if (kind == "program") {
      what = "|";
      for (const Json& word : list_of(one, "command")) what += show(word.is_string() ? word.get<std::string>() : "") + " ";
      what.pop_back();
    }
    std::string type = text_of(one, "transport_kind"), user = text_of(one, "user");
    std::string text = fmt::format("{}{}{}", dress("→ ", Look::good), type.empty() ? "" : show(type) + " ", what);
    if (!user.empty()) text += " as " + show(user);
    if (text_of(one, "route") == "aliases") return page_.line(first, next + "  ", text);
    page_.line(first, next + "  ", text + " by route " + show(text_of(one, "route")), text_of(one, "route_place"));
    std::string by = flag_of(one, "rerouted") ? "transport {}, where an admin rerouted it" : "transport {}";
    page_.line(next + "  ", next + "    ", fmt::format(fmt::runtime(by), show(text_of(one, "transport"))), text_of(one, "transport_place"));
  }

  const Json& plan_;
  const Json& steps_;
  std::string margin_;
  Page& page_;
  std::vector<std::vector<std::size_t>> children_;      // of step i at i + 1; the roots at 0
};

void show_hosts(const Json& site, Page& page) {
  for (const Json& host : list_of(site, "hosts")) {
    std::string way = host.contains("preference") ? fmt::format("MX {}", number_of(host, "preference")) : flag_of(host, "fallback") ? "fallback" : "host";
    std::string addresses;
    for (const Json& address : list_of(host, "addresses")) addresses += (addresses.empty() ? "" : ", ") + (address.is_string() ? address.get<std::string>() : "");
    std::int64_t port = number_of(host, "port");
    std::string text = show(port == 0 ? "unix:" + text_of(host, "name") : text_of(host, "name"), Look::bold);
    if (!addresses.empty() && addresses != text_of(host, "name")) text += " " + show(addresses);
    if (port != 0 && port != 25) text += fmt::format(" port {}", port);
    if (number_of(object_of(host, "status"), "code") >= 400) text += " " + dress("✗ ", Look::bad) + status_line(host, "status");
    std::string notes;
    if (host.contains("ttl")) notes = "ttl " + age_text(number_of(host, "ttl"));
    if (host.contains("ttl") || host.contains("mx_ttl")) notes += flag_of(host, "secure") && flag_of(host, "mx_secure") ? ", DNSSEC" : ", no DNSSEC";
    if (!notes.empty()) text += dress(" (" + notes + ")", Look::dim);
    page.line(label(way), label_space, text);
  }
}

void show_state(const Json& state, std::int64_t now, Page& page) {
  bool closed = text_of(state, "state") == "closed";
  const Json& paused = object_of(state, "paused");
  if (!paused.empty()) {
    std::string reason = text_of(paused, "reason");
    std::string until = paused.contains("until") ? "until " + clock_text(number_of(paused, "until")) : "until it is resumed";
    std::string what = dress(show(text_of(paused, "title")), Look::warning);
    if (!reason.empty()) reason = ": " + show(reason);
    page.line(label("paused"), label_space, fmt::format("{}: by {} since {}, {}{}", what, show(text_of(paused, "by")),
                                                        clock_text(number_of(paused, "since")), until, reason));
  }
  if (closed) {
    std::int64_t until = number_of(state, "closed_until");
    std::int64_t failures = number_of(state, "failures");
    std::string age = age_text(now - number_of(state, "out_of_reach_since"));
    std::string next = until > now ? "tried again " + moment_text(until, now) : "may be tried now";
    page.line(label("state"), label_space, fmt::format("{} for {}, {} {} in a row; {}", dress("out of reach", Look::bad), age, failures,
                                                       failures == 1 ? "failure" : "failures", next));
    page.line(label("why"), label_space, status_line(state, "why"));
  } else {
    page.line(label("state"), label_space, fmt::format("{}; {} of {} connections in use", dress("open", Look::good), number_of(state, "active"),
                                                       number_of(state, "window")));
  }
  std::int64_t waiting = number_of(state, "waiting");
  if (waiting > 0) page.line(label("queue"), label_space, fmt::format("{} {} for it", waiting, waiting == 1 ? "message waits" : "messages wait"));
}

// Whose word a schedule or a notice is: ", as the route says".
std::string said_by(std::string_view setting) {
  if (setting.starts_with("routes")) return ", as the route says";
  if (setting.starts_with("domain_settings")) return ", as the domain's settings say";
  return {};
}

}  // namespace

void show_verdict(const Json& answer, Page& page) {
  const Json& rcpt = object_of(answer, "rcpt");
  auto line = [&](const char* name, const Json& verdict) {
    std::string words = rule_words(text_of(verdict, "rule"), verdict);
    std::string status = dress(status_line(verdict, "status"), flag_of(verdict, "accepted") ? Look::good : Look::bad);
    page.line(label(name), label_space, status + (words.empty() ? "" : ": " + words), text_of(verdict, "place"));
  };
  if (text_of(rcpt, "rule") == "syntax" || text_of(rcpt, "rule") == "sender") return;
  line("RCPT", rcpt);
  const Json& others = object_of(rcpt, "others");
  if (!others.empty() && flag_of(others, "accepted") != flag_of(rcpt, "accepted")) line("others", others);
  const Json& client = object_of(rcpt, "client");
  if (client.empty()) return;
  std::string by = text_of(client, "by");
  std::string words = "may not relay: not of relay_from, and not logged in";
  if (by == "login") words = "logged in, so may relay";
  if (by == "relay_from") words = "of relay_from, so may relay";
  if (by == "relay_deny") words = "of relay_deny, so may not relay";
  if (by == "unsure") words = "its name can't be looked up now, so nobody can tell whether it may relay";
  if (std::string name = text_of(client, "name"); !name.empty()) words = show(name) + ": " + words;
  page.line(label("client"), label_space, words, by == "login" ? std::string() : text_of(client, "place"));
  const Json& access = object_of(client, "access");
  std::string allowed = text_of(access, "allowed");
  if (allowed == "no") page.line(label("access"), label_space, dress("may not connect", Look::bad) + ", as " + show(text_of(access, "by")) + " says", text_of(access, "place"));
  if (allowed == "unsure") page.line(label("access"), label_space, "whether it may connect can't be told now, for its name can't be looked up");
}

void show_steps(const Json& plan, const std::string& margin, Page& page) { Tree(plan, margin, page).draw(); }

void show_site(const Json& site, std::int64_t now, Page& page) {
  page.line("", "  ", fmt::format("{} by {}", show(text_of(site, "domain"), Look::bold), show(text_of(site, "transport"))));
  if (site.contains("settings_place")) page.line(label("settings"), label_space, "its own", text_of(site, "settings_place"));
  if (number_of(object_of(site, "status"), "code") >= 400) page.line(label("hosts"), label_space, dress("✗ ", Look::bad) + status_line(site, "status"));
  show_hosts(site, page);
  const Json& tls = object_of(site, "tls");
  std::string words = text_of(tls, "level");
  if (flag_of(tls, "implicit")) words += ", from the first byte";
  if (tls.contains("names")) {
    words += ", a certificate for";
    for (const Json& name : list_of(tls, "names")) words += " " + (name.is_string() ? name.get<std::string>() : "");
  }
  std::string by = text_of(tls, "by") == "tls_policy" ? "as tls_policy says" : "as the transport says";
  page.line(label("TLS"), label_space, fmt::format("{}, {}", show(words), by), text_of(tls, "place"));
  const Json& login = object_of(site, "login");
  if (!login.empty()) {
    std::string who = login.contains("user") ? "as " + show(text_of(login, "user")) : std::string("none fits: nobody logs in");
    if (login.contains("problem")) who = dress("✗ ", Look::bad) + show(text_of(login, "problem"));
    if (login.contains("refused")) who += "; lately refused: " + status_line(login, "refused");
    page.line(label("login"), label_space, who, text_of(login, "place"));
  }
  show_state(object_of(site, "state"), now, page);
}

void show_retry(const Json& retry, std::int64_t now, bool of_message, Page& page) {
  if (retry.empty()) return;
  page.line(label("retry"), label_space, fmt::format("{}{}", show(text_of(retry, "schedule")), said_by(text_of(retry, "setting"))), text_of(retry, "place"));
  std::string times;
  for (const Json& time : list_of(retry, "times")) times += (times.empty() ? "" : ", ") + clock_text(time.is_number() ? time.get<std::int64_t>() : 0);
  std::int64_t end = number_of(retry, "expires");
  std::string until = end > now ? "returned if it is still there " + moment_text(end, now) : "its time is over: the next failure returns it";
  page.line(label_space, label_space, fmt::format("{} {}; {}", of_message ? "tried at" : "a message of now would be tried at", times, until));
  std::int64_t notice = number_of(retry, "delay_warning");
  std::string words = notice == 0 ? "nobody is told of a delay" : "the sender is told after " + age_text(notice);
  page.line(label("notice"), label_space, words + said_by(text_of(retry, "warning_setting")), text_of(retry, "warning_place"));
}

}  // namespace mansio::ctl
