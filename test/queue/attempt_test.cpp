// An attempt that ends by a bug, with a spool on disk, a router, and a queue on a loop of their own.
#include <catch2/catch.hpp>

#include <set>
#include <sstream>
#include <stdexcept>

#include "config/reader.hpp"
#include "queue/attempt.hpp"
#include "queue/queue.hpp"
#include "spool/store.hpp"

namespace mansio::queue {
namespace {

// A database that throws as long as it is told to, and then does not answer.
class Users final : public route::UserDirectory {
 public:
  event::Task<Result<std::optional<route::User>>> find(std::string, bool) override {
    ++asked;
    if (broken) throw std::logic_error("a bug of the test's own");
    co_return fail(Fault::timed_out, "the database does not answer");
  }
  bool broken = true;
  int asked = 0;
};

// Name servers that never answer; asked for an address of `broken`, they throw.
class Names final : public deliver::NameQuestions {
 public:
  event::Task<std::shared_ptr<const dns::Answer>> ask(std::string name, dns::Type type) override {
    asked.push_back(name);
    if (broken.contains(name) && (type == dns::Type::mx || type == dns::Type::aaaa)) throw std::logic_error("a bug of the test's own");
    co_return std::make_shared<dns::Answer>();
  }
  std::set<std::string> broken;
  std::vector<std::string> asked;
};

config::ConfigPtr configuration(const spool::ScratchDirectory& directory) {
  config::Source source;
  source.file = directory / "mansio.conf";
  source.text = R"(version = 1; host_name = "mx.b.test"; mail_name = "b.test"; run_as = "";
    spool_directory = ")" + (directory / "spool") + R"("; log_directory = ")" + (directory / "log") + R"("; run_directory = ")" + (directory / "run") + R"(";
    domains = { local = [ "b.test" ]; };
    transports = { mailbox = { kind = "maildir"; path = "/nowhere/{local}"; }; internet = { kind = "smtp"; };
                   relay = { kind = "smtp"; hosts = [ "relay.test" ]; connections = 1; }; };
    routes = ( { name = "local"; domains = [ "@local" ]; users = "system"; transport = "mailbox"; },
               { name = "relayed"; domains = [ "c.test" ]; transport = "relay"; },
               { name = "everywhere"; domains = [ "*" ]; transport = "internet"; } );)";
  auto parsed = config::parse({source}, config::MachineFacts());
  if (!parsed) FAIL(parsed.error().front().message());
  return *parsed;
}

event::Task<> commit_letter(spool::Spool* spool, mail::Envelope envelope, std::optional<spool::Stored>* out) {
  spool::Writer writer = spool->new_message();
  auto written = co_await writer.append("Subject: hello\r\n\r\nhello\r\n");
  auto stored = co_await writer.commit(std::move(envelope), std::string());
  out->emplace(std::move(stored));
}

event::Task<> stop_both(Queue* queue, deliver::Remote* remote) {
  co_await queue->stop();
  co_await remote->stop();
}

log::LoggerOptions log_in(const std::string& directory) {
  REQUIRE(make_directory(directory, 0700));
  log::LoggerOptions options;
  options.directory = directory;
  return options;
}

mail::Envelope envelope_for(std::initializer_list<const char*> recipients, Time received = std::chrono::system_clock::now()) {
  mail::Envelope envelope = spool::envelope_to(0);
  for (const char* each : recipients) envelope.recipients.emplace_back(*mail::Address::parse(each));
  envelope.received = received;
  return envelope;
}

// A queue and all that it needs; end() stops it, so that its logs are whole and its spool can be looked at.
struct House {
  House() : store(directory / "spool"), log(std::in_place, log_in(directory / "log")) {
    store.recover();
    auto config = configuration(directory);
    auto router = std::make_shared<route::Router>(route::load_tables(config, route::TableOptions()), users, route::RouterOptions());
    queue.emplace(store.on.loop, store.on.scope, *store.spool, *log, agents, finder, remote, config, router);
  }
  ~House() { end(); }
  spool::QueueId put(mail::Envelope envelope) {
    std::optional<spool::Stored> stored;
    store.on.run(commit_letter(store.spool.get(), std::move(envelope), &stored));
    REQUIRE(*stored);
    auto id = (**stored)->id;
    queue->accept(std::move(**stored));
    return id;
  }
  void end() {
    if (!queue) return;
    store.on.run(stop_both(&*queue, &remote));
    queue.reset();
    log.reset();
  }
  std::shared_ptr<spool::Message> kept(const spool::QueueId& id) {
    auto loaded = store.load(id);
    REQUIRE(loaded);
    return *loaded;
  }
  // Lines of a log that speak of this message, without their time.
  std::string told(const char* file, const spool::QueueId& id) const {
    std::istringstream in(spool::slurp(directory / file));
    std::string out;
    for (std::string line; std::getline(in, line);) {
      if (auto at = line.find(id.text()); at != std::string::npos) out += line.substr(at + id.text().size()) + "\n";
    }
    return out;
  }

  spool::ScratchDirectory directory;
  spool::Store store;
  std::optional<log::Logger> log;
  Users users;
  Names names;
  deliver::SiteFinder finder{names, deliver::OwnAddresses()};
  deliver::AgentPool agents{store.on.loop};
  deliver::Remote remote{store.on.loop, store.on.scope, finder};
  std::optional<Queue> queue;
};

constexpr const char* own_error = "451 4.3.0 an error of mansio's own, of which the panic log tells";

}  // namespace

TEST_CASE("a message whose attempt ends by a bug is told of, waits, and is tried again") {
  House house;
  auto id = house.put(envelope_for({"r0@b.test"}));
  CHECK(house.users.asked == 1);
  CHECK(house.queue->under_way() == 0);
  CHECK(house.queue->waiting() == 1);

  house.users.broken = false;
  house.queue->run_now(id, true);
  house.end();
  CHECK(house.users.asked == 2);
  auto kept = house.kept(id);
  CHECK(kept->progress.attempts == 1);
  CHECK(kept->progress.recipients[0].state == spool::RecipientState::waiting);
  CHECK(spool::content_of(*kept).ends_with("\r\nhello\r\n"));
  CHECK(house.told("log/paniclog", id) == ": an attempt ended by a bug of mansio, the message is tried again in a minute: a bug of the test's own\n");
}

TEST_CASE("a delivery that ends by a bug gives its room at the site back, so that others are not held up") {
  House house;
  house.names.broken = {"relay.test"};
  auto first = house.put(envelope_for({"x@c.test"}));
  CHECK(house.names.asked.size() == 1);
  auto second = house.put(envelope_for({"y@c.test"}));
  CHECK(house.names.asked.size() == 2);         // one connection at a time, and the first one's end was its bug
  house.end();
  for (const auto& id : {first, second}) {
    CHECK(house.told("log/paniclog", id) == ": a delivery ended by a bug of mansio, it is tried again: a bug of the test's own\n");
    CHECK(house.told("log/mainlog", id).find(std::string("defer (0): ") + own_error) != std::string::npos);
    auto kept = house.kept(id);
    CHECK(kept->progress.recipients[0].state == spool::RecipientState::waiting);
    CHECK(kept->progress.recipients[0].last.line() == own_error);
  }
}

TEST_CASE("a bug with one domain of a message is nothing to the other") {
  House house;
  house.names.broken = {"one.test"};
  auto id = house.put(envelope_for({"x@one.test", "y@two.test"}));
  CHECK(house.queue->lanes().sites(true).empty());
  house.end();
  auto kept = house.kept(id);
  CHECK(kept->progress.attempts == 1);
  CHECK(kept->progress.recipients[0].last.line() == own_error);
  CHECK(kept->progress.recipients[1].last.code() == 451);
  CHECK(kept->progress.recipients[1].last.line().find("two.test") != std::string::npos);
  std::string log = house.told("log/mainlog", id);
  CHECK(log.find("x@one.test R=everywhere T=internet defer (0): ") != std::string::npos);
  CHECK(log.find("y@two.test R=everywhere T=internet defer (0): 451 4.4.3") != std::string::npos);
}

TEST_CASE("a recipient is never given up because of a bug, whatever the schedule says") {
  House house;
  house.names.broken = {"relay.test"};
  auto id = house.put(envelope_for({"x@c.test", "y@two.test"}, std::chrono::system_clock::now() - std::chrono::hours(24 * 30)));
  house.end();
  auto kept = house.kept(id);
  CHECK(kept->progress.recipients[0].state == spool::RecipientState::waiting);
  CHECK(kept->progress.recipients[0].last.line() == own_error);
  CHECK(kept->progress.recipients[1].state == spool::RecipientState::failed);
  CHECK(kept->progress.next_attempt > std::chrono::system_clock::now());
  CHECK(kept->progress.next_attempt <= std::chrono::system_clock::now() + after_trouble);
  CHECK(kept->progress.recipients[1].last.line().find("retry time exceeded") != std::string::npos);
}

}  // namespace mansio::queue
