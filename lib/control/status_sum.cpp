#include "control/status_sum.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mansio::control {
namespace {

using Json = nlohmann::json;

constexpr std::size_t destinations_most = 10;

const Json& part(const Json& object, const char* key) {
  static const Json nothing;
  auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::int64_t number_in(const Json& object, const char* key) {
  const Json& found = part(object, key);
  return found.is_number() ? found.get<std::int64_t>() : 0;
}

void add_number(Json& sum, const Json& more, const char* key) { sum[key] = number_in(sum, key) + number_in(more, key); }

// Every number but those of `keep` is added, and all flags must hold.
void add_object(Json& sum, const Json& more, std::string_view keep = {}) {
  if (!sum.is_object() || !more.is_object()) return;
  for (auto& [key, value] : sum.items()) {
    if (key == keep || !more.contains(key)) continue;
    if (value.is_number_integer()) value = value.get<std::int64_t>() + number_in(more, key.c_str());
    else if (value.is_boolean() && more[key].is_boolean()) value = value.get<bool>() && more[key].get<bool>();
  }
}

Json* named(Json& list, const Json& name) {
  for (Json& one : list) {
    if (part(one, "name") == name) return &one;
  }
  return nullptr;
}

void add_listeners(Json& sum, const Json& more) {
  for (const Json& one : more) {
    Json* known = named(sum, part(one, "name"));
    if (known == nullptr) {
      sum.push_back(one);
      continue;
    }
    add_number(*known, one, "sessions");
    (*known)["paused"] = known->value("paused", false) || one.value("paused", false);
  }
}

void add_destinations(Json& sum, const Json& more) {
  for (const Json& one : more) {
    Json* known = named(sum, part(one, "name"));
    if (known == nullptr) {
      sum.push_back(one);
      continue;
    }
    add_number(*known, one, "messages");
    add_number(*known, one, "active");
    (*known)["paused"] = known->value("paused", false) || one.value("paused", false);
    if (number_in(one, "closed_until") <= number_in(*known, "closed_until")) continue;
    for (const char* key : {"closed_until", "closed_since", "reason"}) (*known)[key] = part(one, key);
  }
}

void shorten_destinations(Json& list) {
  std::vector<Json> all(list.begin(), list.end());
  std::ranges::stable_sort(all, [](const Json& a, const Json& b) { return number_in(a, "messages") > number_in(b, "messages"); });
  if (all.size() > destinations_most) all.resize(destinations_most);
  list = Json::array();
  for (Json& one : all) list.push_back(std::move(one));
}

void add_rates(Json& sum, const Json& more) {
  if (!more.is_object() || !sum.is_object()) return;
  for (auto& [key, list] : sum.items()) {
    const Json& other = part(more, key.c_str());
    for (std::size_t i = 0; i < list.size() && i < other.size(); ++i) {
      if (list[i].is_number() && other[i].is_number()) list[i] = list[i].get<double>() + other[i].get<double>();
    }
  }
}

void add_attention(Json& sum, const Json& more) {
  for (const Json& one : more) {
    if (std::ranges::find(sum, one) == sum.end()) sum.push_back(one);
  }
}

Json process_of(unsigned number, const Json& answer) {
  Json out;
  out["number"] = number;
  if (answer.is_null()) {
    out["missing"] = true;
    return out;
  }
  out["pid"] = number_in(answer, "mail_pid");
  for (const char* key : {"started", "uptime_seconds", "queue"}) out[key] = part(answer, key);
  out["sessions"] = {{"in", number_in(part(answer, "sessions"), "in")}, {"out", number_in(part(answer, "sessions"), "out")}};
  return out;
}

void add_answer(Json& sum, const Json& more) {
  add_listeners(sum["listeners"], part(more, "listeners"));
  add_object(sum["sessions"], part(more, "sessions"), "in_limit");
  add_object(sum["queue"], part(more, "queue"));
  add_destinations(sum["destinations"], part(more, "destinations"));
  if (sum.contains("rates")) add_rates(sum["rates"], part(more, "rates"));
  add_attention(sum["attention"], part(more, "attention"));
  if (number_in(more, "started") < number_in(sum, "started")) {
    for (const char* key : {"started", "uptime_seconds"}) sum[key] = part(more, key);
  }
}

}  // namespace

nlohmann::json sum_status(const std::vector<Json>& answers) {
  Json sum, processes = Json::array(), missing = Json::array();
  for (unsigned number = 0; number < answers.size(); ++number) {
    const Json& answer = answers[number];
    if (answer.is_object() && answer.empty()) continue;
    processes.push_back(process_of(number, answer));
    if (answer.is_null()) missing.push_back(number);
    else if (sum.is_null()) sum = answer;
    else add_answer(sum, answer);
  }
  if (sum.is_null()) sum = Json::object();
  sum.erase("mail_pid");
  if (sum.contains("destinations")) shorten_destinations(sum["destinations"]);
  sum["processes"] = std::move(processes);
  if (missing.empty()) return sum;
  for (const Json& number : missing) sum["attention"].push_back(fmt::format("mail process {} does not answer", number.get<unsigned>()));
  if (sum.contains("queue")) sum["queue"]["complete"] = false;
  sum["complete"] = false;
  sum["missing"] = std::move(missing);
  return sum;
}

}  // namespace mansio::control
