// The mail processes of one server, as the first of them asks them: each has a control socket of its own (control-K.sock in
// run_directory, for the daemon's user alone) that answers for it alone. The first process asks itself the same way, over a
// socket pair, so that every answer has the same shape. Who is down, or silent for `patience` and then doesn't even answer
// "ping" within it, is given up: nobody waits for a stuck process, and everybody for one with much to do.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "event/scope.hpp"
#include "event/stream.hpp"

namespace mansio::control {

class Peers {
 public:
  using Json = nlohmann::json;
  using OpenOwn = std::function<Result<event::Stream>()>;      // a conversation of this process with itself
  using Each = std::function<void(unsigned number, const std::string& line)>;

  Peers(event::Loop& on, unsigned own, unsigned count, std::string directory, OpenOwn open_own)
      : lasting(count), loop(on), own_(own), count_(count), directory_(std::move(directory)), open_own_(std::move(open_own)) {}

  unsigned own() const noexcept { return own_; }
  unsigned count() const noexcept { return count_; }
  static std::string path(const std::string& directory, unsigned number);

  event::Task<Result<event::Stream>> open(unsigned number);
  event::Task<bool> is_there(unsigned number);
  // The same question to all at once. Each line but the last goes to `each` (null: to nobody), the last lines come back, by
  // process: null of one that did not answer to its end.
  event::Task<std::vector<Json>> ask_all(Json question, const Each* each);

  Duration patience{2000};
  unsigned lasting;                    // processes from this number on may have ended for good: then they are not missed
  event::Loop& loop;

 private:
  event::Task<> ask(unsigned number, Json question, const Each* each, Json* last);

  unsigned own_, count_;
  std::string directory_;
  OpenOwn open_own_;
};

// One question to one process, and its answer a line at a time: memory doesn't grow with it.
class PeerAnswer {
 public:
  using Json = nlohmann::json;
  // `peers` outlives it.
  PeerAnswer(Peers& peers, unsigned number, const Json& question);

  // The next line into line(), without its end; false: the answer is over.
  event::Task<bool> next();
  const std::string& line() const noexcept { return line_; }
  // At most so many of the octets that follow a line; "" when the process is gone.
  event::Task<std::string> octets(std::uint64_t most);
  // The object with "end"; null while there was none, empty of a process that has ended for good.
  const Json& last() const noexcept { return last_; }
  bool refused() const { return last_.is_object() && last_.contains("error"); }
  unsigned number() const noexcept { return number_; }
  // A next() that waits, or the next one, ends.
  void stop();

 private:
  event::Task<bool> begin();
  event::Task<bool> more();

  Peers& peers_;
  unsigned number_;
  std::string question_, buffer_, line_;
  std::size_t at_ = 0, scanned_ = 0;
  std::optional<event::Stream> stream_;
  Json last_;
  bool begun_ = false, over_ = false, stopped_ = false;
};

// Is it the last line of an answer? Quotes within texts are escaped, so this is seen without parsing.
inline bool is_last_line(const std::string& line) { return line.find("\"end\":true") != std::string::npos; }

// The last lines of several processes as one: numbers are added, of flags all must hold, of anything else the first counts.
// Who did not answer is in "missing", and then "complete" is false.
class LastLines {
 public:
  using Json = nlohmann::json;
  void add(unsigned number, const Json& last);
  void add_missing(unsigned number);
  Json object() const;                 // without "end"

 private:
  Json sum_ = Json::object();
  std::vector<unsigned> missing_;
};

}  // namespace mansio::control
