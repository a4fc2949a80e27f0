// One question to several processes: what is made of their answers, of late ones and of none. The processes are scripts that
// answer on sockets of this test's loop.
#include "control/peers.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>

#include "control/queue_merge.hpp"
#include "event/listener.hpp"
#include "event/run_on_loop.hpp"

namespace mansio::control {
namespace {

using Json = nlohmann::json;

struct PeerDirectory {
  PeerDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "mansio-peers-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path = name;
  }
  PeerDirectory(const PeerDirectory&) = delete;
  PeerDirectory& operator=(const PeerDirectory&) = delete;
  ~PeerDirectory() { std::filesystem::remove_all(path); }
  std::string path;
};

// Answers each request with its text; "" stands for silence, also when it is asked whether it is there, and a text without
// "end" for a process that ends in the middle.
struct Script {
  Script(event::OnLoop& on, const std::string& directory, unsigned number, std::string text) : answer(std::move(text)) {
    auto fd = event::listen_unix(Peers::path(directory, number), 0600);
    auto serve = [this, &on](event::Stream stream) { on.scope.spawn(talk(this, std::move(stream))); };
    listener.emplace(*event::Listener::adopt(on.loop, std::move(*fd), true, serve));
  }
  static event::Task<> talk(Script* self, event::Stream stream) {
    auto got = co_await stream.read_some(event::Deadline::in(Duration(5000)));
    if (!got) co_return;
    self->asked = *got;
    if (self->answer.empty()) {
      auto end = co_await stream.read_some(event::Deadline::in(Duration(5000)));
      (void)end;
      co_return;
    }
    auto sent = co_await stream.write(self->answer, event::Deadline::in(Duration(5000)));
    (void)sent;
  }
  std::string answer, asked;
  std::optional<event::Listener> listener;
};

// Of as many processes as there are texts; "gone" is one without a socket.
struct PeersWorld {
  explicit PeersWorld(const std::vector<std::string>& texts)
      : peers(on.loop, 99, static_cast<unsigned>(texts.size()), directory.path, [] { return std::unexpected(fail(Fault::closed, "nobody").error()); }) {
    peers.patience = Duration(200);
    for (unsigned i = 0; i < texts.size(); ++i) {
      if (texts[i] != "gone") scripts.push_back(std::make_unique<Script>(on, directory.path, i, texts[i]));
    }
  }
  ~PeersWorld() { scripts.clear(); }
  PeerDirectory directory;
  event::OnLoop on;
  Peers peers;
  std::vector<std::unique_ptr<Script>> scripts;
};

event::Task<> ask_peers(Peers* peers, std::vector<Json>* lasts, std::vector<std::string>* lines) {
  const Peers::Each each = [lines](unsigned number, const std::string& line) { lines->push_back(std::to_string(number) + line); };
  Json question;
  question["command"] = "x";
  *lasts = co_await peers->ask_all(std::move(question), &each);
}

event::Task<> merge_all(Peers* peers, std::vector<std::string>* out, Json* refusal, Json* last) {
  Json question;
  QueueMerge merge(*peers, question);
  for (;;) {
    bool more = co_await merge.next();
    if (!more) break;
    out->push_back(merge.id().empty() ? "looked at " + std::to_string(merge.looked_at()) : merge.line().empty() ? "only " + merge.id() : merge.id());
  }
  *refusal = merge.refusal();
  *last = merge.last().object();
}

}  // namespace

TEST_CASE("Each process's lines and last line come back, null of one that is down, silent or ends in the middle") {
  PeersWorld world({"{\"a\":1}\n{\"end\":true,\"count\":1}\n", "gone", "", "{\"a\":2}\n"});
  std::vector<Json> lasts;
  std::vector<std::string> lines;
  world.on.run(ask_peers(&world.peers, &lasts, &lines));
  REQUIRE(lasts.size() == 4);
  CHECK(lasts[0]["count"] == 1);
  for (std::size_t i : {1, 2, 3}) CHECK(lasts[i].is_null());
  std::ranges::sort(lines);
  CHECK(lines == std::vector<std::string>{"0{\"a\":1}", "3{\"a\":2}"});
  CHECK(world.scripts[0]->asked == "{\"command\":\"x\"}\n");
}

TEST_CASE("A process that may have ended for good is not missed when its socket is gone") {
  PeersWorld world({"{\"end\":true}\n", "gone"});
  world.peers.lasting = 1;
  std::vector<Json> lasts;
  std::vector<std::string> lines;
  world.on.run(ask_peers(&world.peers, &lasts, &lines));
  CHECK(lasts[1] == Json::object());
  LastLines sum;
  for (unsigned i = 0; i < 2; ++i) sum.add(i, lasts[i]);
  CHECK(!sum.object().contains("missing"));
}

TEST_CASE("Numbers of last lines are added, flags must all hold, and who is missing makes the answer incomplete") {
  LastLines sum;
  sum.add(0, Json::parse(R"({"end":true,"count":2,"complete":true,"by":"a"})"));
  sum.add(1, Json::parse(R"({"end":true,"count":3,"complete":false,"by":"b"})"));
  CHECK(sum.object() == Json::parse(R"({"count":5,"complete":false,"by":"a"})"));
  LastLines missing;
  missing.add(0, Json::parse(R"({"end":true,"count":2,"complete":true})"));
  missing.add(1, Json());
  CHECK(missing.object() == Json::parse(R"({"count":2,"complete":false,"missing":[1]})"));
}

TEST_CASE("Listings of several processes are one in order of arrival") {
  auto id = [](int second) {
    spool::QueueId out;
    out.seconds = 1'700'000'000u + static_cast<std::uint32_t>(second);
    return out.text();
  };
  auto line = [&](int second) { return R"({"frozen":false,"id":")" + id(second) + R"(","reason":"\"id\":\"no\""})" + "\n"; };
  PeersWorld world({line(1) + line(5) + R"({"looked_at":7})" "\n" + R"({"ids":[")" + id(6) + R"(",")" + id(8) + "\"]}\n{\"end\":true,\"complete\":true}\n",
                    line(2) + line(7) + "{\"end\":true,\"complete\":true}\n", "gone"});
  std::vector<std::string> out;
  Json refusal, last;
  world.on.run(merge_all(&world.peers, &out, &refusal, &last));
  CHECK(refusal.is_null());
  CHECK(out == std::vector<std::string>{id(1), id(2), id(5), "looked at 7", "only " + id(6), id(7), "only " + id(8)});
  CHECK(last == Json::parse(R"({"complete":false,"missing":[2]})"));
}

TEST_CASE("What one process refuses is refused by all") {
  PeersWorld world({"{\"end\":true,\"error\":\"no\"}\n", "{\"end\":true,\"error\":\"no\"}\n"});
  std::vector<std::string> out;
  Json refusal, last;
  world.on.run(merge_all(&world.peers, &out, &refusal, &last));
  CHECK(out.empty());
  CHECK(refusal["error"] == "no");
}

TEST_CASE("A line may be longer than a read, and octets after a line are not its") {
  std::string text(300'000, 'x');
  PeersWorld world({"{\"text\":\"" + text + "\"}\n{\"end\":true}\n"});
  std::vector<Json> lasts;
  std::vector<std::string> lines;
  world.on.run(ask_peers(&world.peers, &lasts, &lines));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].size() == text.size() + 12);
  CHECK(lasts[0].is_object());
}

}  // namespace mansio::control
