// The first line: the answer in one sentence.
#include <fmt/format.h>

#include "ctl/screen.hpp"
#include "ctl/why_plan.hpp"

namespace mansio::ctl {

const Json& object_of(const Json& object, std::string_view key) {
  static const Json none = Json::object();
  auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : none;
}

std::string status_line(const Json& object, std::string_view key) { return show(text_of(object_of(object, key), "line")); }

std::string clock_text(std::int64_t seconds) {
  std::string text = time_text(seconds);
  return text.substr(0, text.rfind(':'));
}

std::string moment_text(std::int64_t seconds, std::int64_t now) {
  return seconds == now ? "now" : fmt::format("{} ({})", when_text(seconds, now), clock_text(seconds));
}

namespace {

std::string tls_words(const Json& tls) {
  std::string level = text_of(tls, "level");
  if (level == "none") return " without TLS";
  if (level == "verify") return " over verified TLS";
  return level == "required" || flag_of(tls, "implicit") ? " over TLS" : " over TLS where it is offered";
}

std::string host_words(const Json& site) {
  const Json& hosts = list_of(site, "hosts");
  if (hosts.empty()) return "the hosts of " + show(text_of(site, "domain"), Look::bold);
  const Json& host = hosts.front();
  std::string name = text_of(host, "name");
  std::int64_t port = number_of(host, "port");
  if (port == 0) return show("unix:" + name, Look::bold);
  const Json& addresses = list_of(host, "addresses");
  std::string address = addresses.empty() || !addresses.front().is_string() ? std::string() : addresses.front().get<std::string>();
  if (address.empty() || address == name) return show(fmt::format("[{}]:{}", name, port), Look::bold);
  return show(fmt::format("{} [{}]:{}", name, address, port), Look::bold);
}

// What holds mail to the site up, "" when nothing does.
std::string trouble_words(const Json& site, std::int64_t now) {
  const Json& state = object_of(site, "state");
  const Json& paused = object_of(state, "paused");
  if (!paused.empty()) {
    std::string until = paused.contains("until") ? "until " + clock_text(number_of(paused, "until")) : "until it is resumed";
    return fmt::format("{} is paused by {} {}", show(text_of(paused, "title")), show(text_of(paused, "by")), until);
  }
  if (std::string held = text_of(state, "held"); !held.empty()) return fmt::format("mail for {} waits until its host asks for it (ETRN, ATRN)", show(held));
  if (text_of(state, "state") != "closed") return {};
  std::int64_t until = number_of(state, "closed_until"), since = number_of(state, "out_of_reach_since");
  std::string next = until > now ? "next try " + moment_text(until, now) : "the next message tries it";
  return fmt::format("{} has been out of reach for {}, {}", list_of(site, "hosts").size() == 1 ? "the host" : "the destination", age_text(now - since), next);
}

// The site that a destination is at; an empty object when it is at none that is known.
const Json& site_of(const Json& destination, const Json& sites) {
  static const Json none = Json::object();
  auto index = destination.find("site");
  bool known = index != destination.end() && index->is_number_unsigned() && index->get<std::size_t>() < sites.size();
  return known ? sites[index->get<std::size_t>()] : none;
}

std::string place_words(const Json& destination, const Json& sites, std::int64_t now) {
  std::string kind = text_of(destination, "kind"), path = show(text_of(destination, "path"), Look::bold);
  if (kind == "mailbox") {
    std::string user = text_of(destination, "user");
    return user.empty() ? "the mailbox " + path : fmt::format("{}'s mailbox {}", show(user), path);
  }
  if (kind == "file") return "the file " + path;
  if (kind == "drop") return "the directory " + path;
  if (kind == "discard") return "nowhere: it is thrown away";
  if (kind == "program") {
    const Json& words = list_of(destination, "command");
    return "the program " + show(words.empty() || !words.front().is_string() ? "" : words.front().get<std::string>(), Look::bold);
  }
  const Json& site = site_of(destination, sites);
  if (site.empty()) return "another host";
  std::string user = text_of(object_of(site, "login"), "user"), trouble = trouble_words(site, now);
  return host_words(site) + tls_words(object_of(site, "tls")) + (user.empty() ? "" : ", logged in as " + show(user)) + (trouble.empty() ? "" : "; " + trouble);
}

// "from 192.0.2.1", "from bob, who is logged in".
std::string client_words(const Json& rcpt) {
  const Json& client = object_of(rcpt, "client");
  std::string address = text_of(client, "address"), user = text_of(client, "user");
  std::string out = user.empty() ? std::string() : " from the login " + show(user);
  return address.empty() ? out : out + (out.empty() ? " from " : " at ") + show(address);
}

}  // namespace

std::string way_sentence(const Json& plan, const Json& sites, std::int64_t now) {
  const Json& destinations = list_of(plan, "destinations");
  const Json& refusals = list_of(plan, "refusals");
  std::int64_t count = number_of(plan, "destinations_count");
  if (count == 0) return refusals.empty() ? "goes nowhere" : "can't be delivered: " + status_line(refusals.front(), "status");
  std::string out = fmt::format("goes to {} places", count);
  if (count == 1) {
    std::int64_t code = number_of(object_of(site_of(destinations.front(), sites), "status"), "code");
    std::string why = status_line(site_of(destinations.front(), sites), "status");
    if (code / 100 == 5) return "can't be sent, so it is returned: " + why;
    if (code / 100 == 4) return "has to wait: " + why;
    out = "goes to " + place_words(destinations.front(), sites, now);
  } else {
    for (const Json& one : destinations) {
      const Json& site = site_of(one, sites);
      std::string trouble = number_of(object_of(site, "status"), "code") >= 400 ? status_line(site, "status") : trouble_words(site, now);
      if (trouble.empty()) continue;
      out += fmt::format("; for {}, {}", show(text_of(one, "address")), trouble);
      break;
    }
  }
  if (!refusals.empty()) out += fmt::format("; {} can't be delivered: {}", show(text_of(refusals.front(), "address")), status_line(refusals.front(), "status"));
  return out;
}

std::string address_sentence(const Json& answer) {
  const Json& rcpt = object_of(answer, "rcpt");
  std::string address = show(text_of(answer, "address"), Look::bold), rule = text_of(rcpt, "rule");
  if (rule == "syntax") return fmt::format("{} is no address: {}.", address, show(text_of(object_of(rcpt, "status"), "text")));
  if (rule == "sender") return fmt::format("{} is no address of a sender: {}.", show(text_of(answer, "from"), Look::bold), show(text_of(object_of(rcpt, "status"), "text")));
  bool later = number_of(object_of(rcpt, "status"), "code") / 100 == 4;
  if (!flag_of(rcpt, "accepted")) {
    return fmt::format("Mail for {}{} is {}: {}.", address, client_words(rcpt), later ? dress("put off", Look::warning) : dress("refused", Look::bad), status_line(rcpt, "status"));
  }
  const Json& others = object_of(rcpt, "others");
  bool for_all = others.empty() || flag_of(others, "accepted");
  const Json& paused = object_of(rcpt, "paused");
  std::string when = paused.empty() ? std::string() : fmt::format(", once accepting is no longer paused by {}", show(text_of(paused, "by")));
  return fmt::format("Mail for {}{} is {}{}{} and {}.", address, client_words(rcpt), dress("accepted", Look::good),
                     for_all ? "" : " from clients that may relay", when, way_sentence(answer, list_of(answer, "sites"), number_of(answer, "now")));
}

}  // namespace mansio::ctl
