#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "event/run_on_loop.hpp"
#include "net/connection.hpp"

namespace mansio::net {
namespace {

using event::Deadline;

struct Pair {
  event::OnLoop on;
  std::optional<Connection> connection;
  UniqueFd peer;
  Pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    peer.reset(ends[1]);
    auto stream = event::Stream::adopt(on.loop, UniqueFd(ends[0]), true);
    connection.emplace(std::move(*stream));
  }
  void send(std::string_view bytes) { REQUIRE(::write(peer.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())); }
};

std::string describe(const Result<std::string_view>& line) {
  if (line) return "line " + std::string(*line);
  switch (line.error().fault()) {
    case Fault::too_long: return "too long";
    case Fault::invalid: return "bare";
    case Fault::denied: return "endless";
    case Fault::timed_out: return "timed out";
    case Fault::cancelled: return "cancelled";
    default: return "closed";
  }
}

// Lines until the connection ends or fails.
event::Task<> read_lines(Connection* connection, std::size_t limit, std::vector<std::string>* out) {
  for (;;) {
    auto line = co_await connection->read_line(limit, Deadline::in(Duration(50)));
    out->push_back(describe(line));
    bool last = !line && line.error().fault() != Fault::too_long && line.error().fault() != Fault::invalid;
    if (last) co_return;
  }
}

event::Task<> read_one(Connection* connection, std::string* out) {
  auto line = co_await connection->read_line(100, Deadline::in(Duration(50)));
  *out = describe(line);
}

event::Task<> read_pieces(Connection* connection, std::size_t take, std::string* out) {
  for (;;) {
    auto chunk = co_await connection->read_chunk(Deadline::in(Duration(50)));
    if (!chunk) co_return;
    std::string_view mine = chunk->substr(0, take);
    connection->unread(chunk->substr(mine.size()));
    *out += "[" + std::string(mine) + "]";
  }
}

}  // namespace

TEST_CASE("only CRLF ends a line, and what lies within it or is too long is told apart") {
  Pair pair;
  pair.send("one\r\n\r\ntw\no\r\nth\rree\r\n0123456789\r\n01234567\r\n012345678\r\nend\n");
  pair.peer.reset();
  std::vector<std::string> lines;
  pair.on.run(read_lines(&*pair.connection, 10, &lines));
  CHECK(lines == std::vector<std::string>{"line one", "line ", "bare", "bare", "too long", "line 01234567", "too long", "closed"});
}

TEST_CASE("a CRLF that ends a line too long for the buffer is found when it comes in two pieces") {
  Pair pair;
  std::vector<std::string> lines;
  pair.send(std::string(5000, 'x') + "\r");
  auto reading = read_lines(&*pair.connection, 100, &lines);
  pair.on.scope.spawn(std::move(reading));
  pair.send("\nnext\r\n");
  pair.peer.reset();
  while (pair.on.scope.running() != 0) pair.on.loop.run();
  CHECK(lines == std::vector<std::string>{"too long", "line next", "closed"});
}

TEST_CASE("a line that never ends is given up") {
  Pair pair;
  std::vector<std::string> lines;
  UniqueFd peer = std::move(pair.peer);
  std::thread writer([&peer] {
    std::string piece(64 * 1024, 'x');
    for (int i = 0; i < 40; ++i) {
      if (::send(peer.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) return;
    }
  });
  pair.on.run(read_lines(&*pair.connection, 100, &lines));
  pair.connection.reset();
  writer.join();
  CHECK(lines == std::vector<std::string>{"endless"});
}

TEST_CASE("what is not used of a chunk comes again, whether it lies in the loop's buffer or in our own") {
  Pair pair;
  pair.send("abcdefgh");
  pair.peer.reset();
  std::string pieces;
  pair.on.run(read_pieces(&*pair.connection, 3, &pieces));
  CHECK(pieces == "[abc][def][gh]");
}

TEST_CASE("has_line sees whole lines only") {
  Pair pair;
  std::string line;
  CHECK_FALSE(pair.connection->has_line());
  pair.send("one\r\ntwo\r\nthr\n");
  pair.on.run(read_one(&*pair.connection, &line));
  CHECK(line == "line one");
  CHECK(pair.connection->has_line());
  pair.on.run(read_one(&*pair.connection, &line));
  CHECK(line == "line two");
  CHECK_FALSE(pair.connection->has_line());
  CHECK(pair.connection->has_input());
}

TEST_CASE("finish can be overcome, interrupt can not") {
  Pair pair;
  std::string line;
  pair.send("one\r");
  pair.connection->finish();
  pair.on.run(read_one(&*pair.connection, &line));
  CHECK(line == "cancelled");
  CHECK(pair.connection->resume());
  pair.send("\n");
  pair.on.run(read_one(&*pair.connection, &line));
  CHECK(line == "line one");
  CHECK(pair.connection->finishing());
  pair.connection->interrupt();
  pair.on.run(read_one(&*pair.connection, &line));
  CHECK(line == "cancelled");
  CHECK_FALSE(pair.connection->resume());
}

}  // namespace mansio::net
