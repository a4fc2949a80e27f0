// An attempt that ends by a bug, with a spool on disk, a router, and a queue on a loop of their own.
#include <catch2/catch.hpp>

#include <stdexcept>

#include "config/reader.hpp"
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

class NoNames final : public deliver::NameQuestions {
 public:
  event::Task<std::shared_ptr<const dns::Answer>> ask(std::string, dns::Type) override { co_return std::make_shared<dns::Answer>(); }
};

config::ConfigPtr configuration(const spool::ScratchDirectory& directory) {
  config::Source source;
  source.file = directory / "mansio.conf";
  source.text = R"(version = 1; host_name = "mx.b.test"; mail_name = "b.test"; run_as = "";
    spool_directory = ")" + (directory / "spool") + R"("; log_directory = ")" + (directory / "log") + R"("; run_directory = ")" + (directory / "run") + R"(";
    domains = { local = [ "b.test" ]; };
    transports = { mailbox = { kind = "maildir"; path = "/nowhere/{local}"; }; };
    routes = ( { name = "local"; domains = [ "@local" ]; users = "system"; transport = "mailbox"; } );)";
  auto parsed = config::parse({source}, config::MachineFacts());
  if (!parsed) FAIL(parsed.error().front().message());
  return *parsed;
}

event::Task<> commit_letter(spool::Spool* spool, std::optional<spool::Stored>* out) {
  spool::Writer writer = spool->new_message();
  auto written = co_await writer.append("Subject: hello\r\n\r\nhello\r\n");
  mail::Envelope envelope = spool::envelope_to(1);
  envelope.received = std::chrono::system_clock::now();
  auto stored = co_await writer.commit(std::move(envelope), std::string());
  out->emplace(std::move(stored));
}

event::Task<> stop_both(Queue* queue, deliver::Remote* remote) {
  co_await queue->stop();
  co_await remote->stop();
}

log::LoggerOptions log_in(const std::string& directory) {
  log::LoggerOptions options;
  options.directory = directory;
  return options;
}

}  // namespace

TEST_CASE("a message whose attempt ends by a bug is told of, waits, and is tried again") {
  spool::ScratchDirectory directory;
  REQUIRE(make_directory(directory / "log", 0700));
  spool::Store store(directory / "spool");
  store.recover();
  std::optional<spool::QueueId> id;
  {
    log::Logger log(log_in(directory / "log"));
    deliver::AgentPool agents(store.on.loop);
    NoNames names;
    deliver::SiteFinder finder(names, deliver::OwnAddresses());
    deliver::Remote remote(store.on.loop, store.on.scope, finder);
    auto config = configuration(directory);
    Users users;
    auto router = std::make_shared<route::Router>(route::load_tables(config, route::TableOptions()), users, route::RouterOptions());
    Queue queue(store.on.loop, store.on.scope, *store.spool, log, agents, finder, remote, config, router);

    std::optional<spool::Stored> stored;
    store.on.run(commit_letter(store.spool.get(), &stored));
    REQUIRE(*stored);
    id = (**stored)->id;
    queue.accept(**stored);
    CHECK(users.asked == 1);
    CHECK(queue.under_way() == 0);
    CHECK(queue.waiting() == 1);

    users.broken = false;
    queue.run_now(*id, true);
    store.on.run(stop_both(&queue, &remote));
    CHECK(users.asked == 2);
    CHECK(queue.under_way() == 0);
  }
  auto kept = store.load(*id);
  REQUIRE(kept);
  CHECK((*kept)->progress.attempts == 1);
  CHECK((*kept)->progress.recipients[0].state == spool::RecipientState::waiting);
  CHECK(content_of(**kept).ends_with("\r\nhello\r\n"));
  std::string panics = spool::slurp(directory / "log/paniclog");
  CHECK(panics.find(id->text() + ": an attempt ended by a bug of mansio, the message is tried again in a minute: a bug of the test's own\n") != std::string::npos);
}

}  // namespace mansio::queue
