#include "doctor/checkup.hpp"

#include <sys/stat.h>

#include <deque>

#include "doctor/name_servers.hpp"
#include "event/scope.hpp"

namespace mansio::doctor {
namespace {

class Checkup {
 public:
  explicit Checkup(std::function<void(const Progress&)> progress)
      : progress_(std::move(progress)), scope_([](std::exception_ptr bug) { std::rethrow_exception(bug); }) {}

  void add(event::Task<Findings> check) { waiting_.push_back(std::move(check)); }
  void add(Findings findings) { found_.push_back(std::move(findings)); }

  // Those that were added, in their order.
  event::Task<> run() {
    progress_now_.all += waiting_.size();
    std::size_t first = found_.size();
    found_.resize(first + waiting_.size());
    for (std::size_t i = 0; i < waiting_.size(); ++i) scope_.spawn(one(std::move(waiting_[i]), &found_[first + i]));
    co_await scope_.join();
    waiting_.clear();
  }

  Findings all() {
    Findings out;
    for (Findings& each : found_) std::ranges::move(each, std::back_inserter(out));
    return out;
  }

 private:
  event::Task<> one(event::Task<Findings> check, Findings* out) {
    *out = co_await check;
    ++progress_now_.done;
    progress_(progress_now_);
  }

  std::function<void(const Progress&)> progress_;
  Progress progress_now_;
  event::Scope scope_;
  std::vector<event::Task<Findings>> waiting_;
  std::deque<Findings> found_;
};

// Stands in for name servers that are silent: nobody waits for each question again.
class SilentNames final : public Names {
 public:
  event::Task<AnswerPtr> ask(std::string, dns::Type) override {
    auto answer = std::make_shared<dns::Answer>();
    answer->outcome = dns::Outcome::timed_out;
    co_return answer;
  }
};

void add_domain(Checkup& checkup, Names& names, const Subject& subject, const std::string& domain) {
  checkup.add(check_mx(names, subject, domain));
  checkup.add(check_spf(names, subject, domain));
  checkup.add(check_dmarc(names, domain));
  checkup.add(check_mta_sts(names, domain));
}

std::string place_for_sync(const config::Config& config) {
  struct stat st {};
  return ::stat(config.spool_directory.c_str(), &st) == 0 ? config.spool_directory : config.spool_directory.substr(0, config.spool_directory.rfind('/'));
}

}  // namespace

event::Task<Findings> check_all(event::Loop& loop, Names& resolver, dns::ResolverOptions servers, Subject& subject,
                                std::function<void(const Progress&)> progress) {
  Checkup checkup(std::move(progress));
  SilentNames silence;
  bool answered = false;
  checkup.add(check_name_servers(loop, std::move(servers), subject.config->host_name, &answered));
  co_await checkup.run();
  Names& names = answered ? resolver : static_cast<Names&>(silence);
  checkup.add(find_addresses(names, subject));
  co_await checkup.run();
  checkup.add(check_reverse(names, subject));
  checkup.add(check_helo(names, subject));
  for (const config::Listener& listener : subject.config->listeners) {
    bool smtp = listener.role != config::Role::lmtp && !listener.address.starts_with("unix:");
    if (smtp) checkup.add(check_listener(loop, subject, listener));
  }
  if (subject.domains.empty()) checkup.add(Findings{Finding("mx", State::note, "no local domain gets mail from outside")});
  for (const std::string& domain : subject.domains) add_domain(checkup, names, subject, domain);
  checkup.add(check_access(*subject.config));
  checkup.add(check_outward(loop, names, subject));
  checkup.add(check_certificates(names, subject, std::chrono::system_clock::now()));
  if (!subject.blocklists.empty()) checkup.add(check_blocklists(names, subject));
  co_await checkup.run();
  checkup.add(check_clock());
  checkup.add(check_disk_sync(place_for_sync(*subject.config)));
  co_return checkup.all();
}

}  // namespace mansio::doctor
