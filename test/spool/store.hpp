// A spool in a directory of its own: opened, recovered, written to, "crashed" (copied while open) and opened again.
#pragma once
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "event/run_on_loop.hpp"
#include "spool/spool.hpp"

namespace mansio::spool {

using Stored = Result<std::shared_ptr<Message>>;

class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base == nullptr ? "/tmp" : base) + "/mansio-spool-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, none)) {
    if (!entry.is_directory()) out.push_back(entry.path().string());
  }
  std::ranges::sort(out);
  return out;
}

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}
inline void spill(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes; }

inline mail::Envelope envelope_to(int recipients) {
  mail::Envelope envelope;
  envelope.sender = *mail::Address::parse("sender@a.test");
  for (int i = 0; i < recipients; ++i) envelope.recipients.emplace_back(*mail::Address::parse("r" + std::to_string(i) + "@b.test"));
  envelope.received = Time(std::chrono::seconds(1700000000));
  envelope.protocol = "ESMTP";
  return envelope;
}

inline std::string text_of(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed + 1);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

inline std::string content_of(const Message& message) {
  std::string out(static_cast<std::size_t>(message.content.length), '\0');
  auto read = pread_all(message.content.fd, out.data(), out.size(), message.content.offset);
  return read ? out : "unreadable: " + read.error().text();
}

inline event::Task<> put(Spool* spool, int recipients, std::string content, std::vector<std::size_t> cuts, std::optional<Stored>* out) {
  Writer writer = spool->new_message();
  std::string_view rest = content;
  for (std::size_t i = 0; !rest.empty(); ++i) {
    std::string_view piece = cuts.empty() ? rest : rest.substr(0, cuts[i % cuts.size()]);
    rest.remove_prefix(piece.size());
    auto done = co_await writer.append(piece);
    if (!done) {
      Stored failed = std::unexpected(done.error());
      out->emplace(std::move(failed));
      co_return;
    }
  }
  mail::Envelope envelope = envelope_to(recipients);
  std::string head = "Received: of " + writer.id().text() + "\r\n";
  auto stored = co_await writer.commit(std::move(envelope), std::move(head));
  out->emplace(std::move(stored));
}

inline event::Task<> load_into(Spool* spool, QueueId id, std::optional<Stored>* out) {
  auto loaded = co_await spool->load(id);
  out->emplace(std::move(loaded));
}
inline event::Task<> settle_into(Spool* spool, std::shared_ptr<Message> message, Result<>* out) { *out = co_await spool->settle(message); }
inline event::Task<> defer_into(Spool* spool, std::shared_ptr<Message> message, Result<>* out) { *out = co_await spool->defer(message); }
inline event::Task<> finish_into(Spool* spool, std::shared_ptr<Message> message, Result<>* out) { *out = co_await spool->finish(message); }

class Store {
 public:
  explicit Store(std::string directory, std::uint64_t segment_size = 64 << 20, std::uint64_t reserve = 0) {
    options.directory = std::move(directory);
    options.segment_size = segment_size;
    options.reserve = reserve;
  }
  ~Store() { close(); }

  Result<> open() {
    auto opened = Spool::open(on.loop, on.scope, options, [this](const std::string& text) { notices.push_back(text); });
    if (!opened) return std::unexpected(opened.error());
    spool = std::move(*opened);
    return {};
  }
  // Opens and recovers; the map says what was found and when it is due.
  std::map<QueueId, Time> recover() {
    std::map<QueueId, Time> found;
    auto opened = open();
    if (!opened) throw std::runtime_error(opened.error().text());
    on.run(spool->recover([&found](QueueId id, Time next) { found.emplace(id, next); }));
    return found;
  }
  void close() {
    if (!spool) return;
    on.run(spool->close());
    while (on.scope.running() != 0) on.loop.run();
    spool.reset();
  }
  Stored commit(int recipients, std::string content, std::vector<std::size_t> cuts = {}) {
    std::optional<Stored> out;
    on.run(put(spool.get(), recipients, std::move(content), std::move(cuts), &out));
    return std::move(*out);
  }
  Stored load(QueueId id) {
    std::optional<Stored> out;
    on.run(load_into(spool.get(), id, &out));
    return std::move(*out);
  }
  Result<> settle(std::shared_ptr<Message> m) { return outcome(settle_into(spool.get(), std::move(m), &result_)); }
  Result<> defer(std::shared_ptr<Message> m) { return outcome(defer_into(spool.get(), std::move(m), &result_)); }
  Result<> finish(std::shared_ptr<Message> m) { return outcome(finish_into(spool.get(), std::move(m), &result_)); }

  // What a crash at this moment leaves: the tree is copied as it is.
  void crash_to(const std::string& copy) const {
    std::string command = "rm -rf '" + copy + "' && cp -a '" + options.directory + "' '" + copy + "'";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("cp");
  }

  event::OnLoop on;
  Spool::Options options;
  std::vector<std::string> notices;
  std::unique_ptr<Spool> spool;

 private:
  Result<> outcome(event::Task<> task) {
    result_ = fail(Fault::system, "never came back");
    on.run(std::move(task));
    return result_;
  }
  Result<> result_;
};

inline void settle_one(Message& message, std::size_t index, RecipientState state = RecipientState::delivered) {
  message.progress.recipients[index].state = state;
  message.progress.recipients[index].last = Status(250, 0, 0, "done");
}

}  // namespace mansio::spool
