#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/match.hpp"
#include "config/reader.hpp"
#include "ctl/findings.hpp"
#include "ctl/screen.hpp"
#include "doctor/checkup.hpp"
#include "doctor/records.hpp"
#include "event/scope.hpp"

namespace mansio::ctl {
namespace {

using doctor::Finding;
using doctor::Findings;
using doctor::State;

constexpr std::size_t certificate_limit = 1 << 20;

struct DoctorArguments {
  std::vector<std::string> addresses, blocklists;
  std::string probe_host;
  bool records = false, usual_blocklists = false;
};

void read_certificates(doctor::Subject& subject) {
  const config::Tls& tls = subject.config->tls;
  for (const config::CertificateFiles& files : tls.certificates) {
    auto pem = read_file(files.certificate, certificate_limit);
    if (!pem) {
      bool hidden = pem.error().sys() == EACCES;
      subject.certificate_troubles.emplace_back("certificate", hidden ? State::skipped : State::bad, pem.error().text(), hidden ? "run it as root" : "mansioctl check");
      continue;
    }
    auto facts = net::read_certificate_facts(files.certificate, *pem, "");
    if (facts) subject.certificates.push_back(std::move(*facts));
    else subject.certificate_troubles.emplace_back("certificate", State::bad, facts.error().text(), "mansioctl check");
  }
}

doctor::Subject make_subject(config::ConfigPtr config, const DoctorArguments& arguments) {
  doctor::Subject subject;
  subject.config = std::move(config);
  subject.interfaces = doctor::machine_addresses();
  subject.routed = doctor::routed_addresses();
  subject.addresses = arguments.addresses;
  subject.domains = doctor::public_domains(*subject.config);
  subject.blocklists = arguments.blocklists;
  if (arguments.usual_blocklists) {
    for (const char* zone : {"zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org", "psbl.surriel.com"}) subject.blocklists.emplace_back(zone);
  }
  subject.probe_host = arguments.probe_host;
  read_certificates(subject);
  return subject;
}

void show_progress(const doctor::Progress& progress) {
  fmt::print(stderr, "\r{} of {} checks done ", progress.done, progress.all);
  std::fflush(stderr);
}

// What both ways of using the command have: a loop, names, and somebody who is looked at.
struct Examination {
  explicit Examination(doctor::Subject s) : subject(std::move(s)) {}
  doctor::Subject subject;
  Findings findings;
  std::vector<doctor::Record> records;
};

event::Task<> examine(event::Loop& loop, Examination* examination, bool records, bool progress) {
  auto text = read_file("/etc/resolv.conf", 64 << 10);
  auto options = doctor::resolver_options(*examination->subject.config, text ? *text : std::string());
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  dns::Resolver resolver(loop, scope, options);
  doctor::ResolverNames names(resolver);
  if (records) {
    examination->findings = co_await doctor::find_addresses(names, examination->subject);
    examination->records = co_await doctor::find_records(names, examination->subject);
  } else {
    std::function<void(const doctor::Progress&)> tell;
    if (progress) tell = show_progress;
    else tell = [](const doctor::Progress&) {};
    examination->findings = co_await doctor::check_all(loop, names, options, examination->subject, std::move(tell));
  }
  resolver.stop();
  co_await scope.join();
}

Look look_of(doctor::Published published) {
  switch (published) {
    case doctor::Published::there: return Look::good;
    case doctor::Published::missing: return Look::bad;
    case doctor::Published::differs: return Look::warning;
    default: return Look::dim;
  }
}

void print_record(const Invocation& invocation, const doctor::Record& record) {
  std::string word(doctor::word_of(record.published));
  if (invocation.json) {
    nlohmann::json object{{"owner", record.owner}, {"type", record.type}, {"data", record.data}, {"published", word}, {"seen", record.seen}};
    if (!record.comment.empty()) object["comment"] = record.comment;
    return print_json(object);
  }
  bool optional = record.published == doctor::Published::suggestion;
  fmt::print("{}{} {}\n", optional ? ";" : "", show(record.line()), show("; " + word, look_of(record.published)));
  for (const std::string& seen : record.seen) fmt::print(";   there is: {} IN {} {}\n", show(record.owner), record.type, show(seen));
  if (!record.comment.empty()) fmt::print(";   {}\n", show(record.comment, Look::dim));
}

int tell_records(const Invocation& invocation, const Examination& examination) {
  if (examination.subject.addresses.empty()) return complain(invocation, failed, "the public address of this machine could not be found out: say it with --address");
  for (const doctor::Record& record : examination.records) print_record(invocation, record);
  bool complete = std::ranges::all_of(examination.records, [](const doctor::Record& record) {
    return record.published == doctor::Published::there || record.published == doctor::Published::suggestion;
  });
  return complete ? done : failed;
}

int run(const Invocation& invocation, const DoctorArguments& arguments) {
  for (const std::string& address : arguments.addresses) {
    if (!config::Network::parse_address(address)) return complain(invocation, usage, fmt::format("\"{}\" is no address", address));
  }
  auto loaded = config::load(invocation.config_file);
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) fmt::print(stderr, "{}\n", problem.message());
    return complain(invocation, Exit::config, "the configuration has mistakes: mend them first");
  }
  Examination examination(make_subject(*loaded, arguments));
  bool progress = !invocation.json && !arguments.records && ::isatty(STDERR_FILENO) != 0;
  event::Loop loop;
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  scope.spawn(examine(loop, &examination, arguments.records, progress));
  loop.run();
  if (progress) fmt::print(stderr, "\r\x1b[K");
  if (arguments.records) return tell_records(invocation, examination);
  print_findings(invocation, examination.findings);
  print_sum(invocation, examination.findings);
  return exit_of(examination.findings);
}

}  // namespace

void add_doctor(CLI::App& app, Invocation& invocation) {
  static DoctorArguments arguments;
  auto* verb = app.add_subcommand("doctor", "look at this machine as other mail servers see it, and say what to mend");
  verb->add_option("--address", arguments.addresses, "the public address of this machine; may be given again for IPv6")->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--probe-host", arguments.probe_host, "a host to try port 25 out with, HOST or HOST:PORT");
  verb->add_flag("--blocklists", arguments.usual_blocklists, "ask the usual lists of senders of spam in DNS");
  verb->add_option("--blocklist", arguments.blocklists, "ask this list; may be given again")->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_flag("--records", arguments.records, "print the DNS records to publish, beside what is there");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return run(invocation, arguments); }; });
}

}  // namespace mansio::ctl
