#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/report.hpp"
#include "report/wording.hpp"

namespace mansio::report {
namespace {

using Object = nlohmann::ordered_json;

double seconds(Duration time) { return static_cast<double>(time.count()) / 1000; }

std::string utc_text(Time time) {
  std::time_t clock = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  ::gmtime_r(&clock, &utc);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc));
}

Object object_of(const Volume& volume) {
  return {{"received", volume.received}, {"delivered", volume.delivered}, {"deferred", volume.deferred},
          {"failed", volume.failed}, {"rejected", volume.rejected}, {"received_bytes", volume.bytes}};
}

Object object_of(const Times& times) {
  Object ranges = Object::array();
  for (std::size_t i = 0; i < times.ranges.size(); ++i) {
    Object range{{"count", times.ranges[i]}};
    if (i < time_bounds.size()) range["up_to"] = seconds(time_bounds[i]);
    ranges.push_back(std::move(range));
  }
  return {{"count", times.count}, {"median", seconds(times.median)}, {"p95", seconds(times.p95)}, {"p99", seconds(times.p99)},
          {"longest", seconds(times.longest)}, {"ranges", std::move(ranges)}};
}

// `group`: its key; nullptr: there is none. `sizes`: with bytes.
Object list_of(const std::vector<Top>& tops, const char* key, const char* group, bool sizes) {
  Object out = Object::array();
  for (const Top& top : tops) {
    Object one = Object::object();
    if (group != nullptr) one[group] = top.group;
    one[key] = top.name;
    one["count"] = top.count;
    if (sizes) one["bytes"] = top.bytes;
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string to_json(const Report& report) {
  Object out{{"host", report.host}, {"from", utc_text(report.from)}, {"to", utc_text(report.to)}, {"lines", report.lines}};
  Object totals = object_of(report.total);
  for (auto [key, value] : std::initializer_list<std::pair<const char*, std::uint64_t>>{
           {"recipients", report.recipients}, {"delivered_local", report.delivered_local}, {"delivered_remote", report.delivered_remote},
           {"delivered_bytes", report.delivered_bytes}, {"bounces", report.bounces}, {"completed", report.completed},
           {"rejected_temporarily", report.rejected_for_now}, {"authenticated", report.logged_in},
           {"authentication_failures", report.login_failures}, {"connection_troubles", report.troubles}, {"panics", report.panics}}) {
    totals[key] = value;
  }
  out["totals"] = std::move(totals);
  Object course = Object::array();
  for (const Slot& slot : report.slots) {
    Object one{{"begin", utc_text(slot.begin)}};
    one.update(object_of(slot.volume));
    course.push_back(std::move(one));
  }
  out["step"] = report.step.count();
  out["course"] = std::move(course);
  out["queue_time"] = object_of(report.queue);
  out["delivery_time"] = object_of(report.delivery);
  Object tls = Object::array();
  for (const TlsShare& share : report.tls) tls.push_back({{"version", share.version}, {"in", share.in}, {"out", share.out}});
  out["tls"] = std::move(tls);
  out["deferrals"] = list_of(report.deferrals, "reason", "destination", false);
  out["failures"] = list_of(report.failures, "reason", "domain", false);
  out["rejections"] = list_of(report.rejections, "reason", "stage", false);
  out["authentication_failures"] = list_of(report.login_clients, "client", nullptr, false);
  out["connection_troubles"] = list_of(report.trouble_kinds, "kind", nullptr, false);
  out["sender_domains"] = list_of(report.sender_domains, "domain", nullptr, true);
  out["senders"] = list_of(report.senders, "address", nullptr, true);
  out["clients"] = list_of(report.clients, "client", nullptr, true);
  out["users"] = list_of(report.users, "user", "kind", true);
  out["recipient_domains"] = list_of(report.recipient_domains, "domain", nullptr, true);
  out["recipients"] = list_of(report.recipients_top, "address", nullptr, true);
  out["destinations"] = list_of(report.destinations, "host", nullptr, true);
  out["problems"] = report.problems;
  return out.dump(-1, ' ', false, Object::error_handler_t::replace);
}

}  // namespace mansio::report
