#include "control/pause_keeper.hpp"

#include <algorithm>

namespace mansio::control {
namespace {

constexpr Duration again_after{500};

}  // namespace

PauseKeeper::PauseKeeper(Peers& peers, queue::Queue& queue, event::Scope& scope) : peers_(peers), queue_(queue), scope_(scope) {
  for (unsigned number = 0; number < peers.count(); ++number) {
    if (number != peers.own()) readers_.push_back(std::make_unique<Reader>(peers.loop, number));
  }
  change();
}

std::uint64_t PauseKeeper::change() {
  ++version_;
  for (auto& reader : readers_) {
    if (reader->at_work) reader->timer.wake();
    else if (!stopping_) scope_.spawn(keep_told(reader.get()));
  }
  return version_;
}

// One at a time for a process, so that it can't take an older list after a newer one.
event::Task<> PauseKeeper::keep_told(Reader* reader) {
  reader->at_work = true;
  while (!stopping_ && reader->has < version_) {
    std::uint64_t version = version_;
    bool taken = co_await send(reader->number);
    if (taken) reader->has = version;
    reader->tried = version;
    tried_.fire();
    if (!taken && !stopping_ && reader->tried == version_) co_await reader->timer.sleep(again_after);
  }
  reader->at_work = false;
}

// A request that a stopped process finds late must not undo a newer one: it tells them apart by their time, which goes on
// over restarts of ours, and begins anew only with the machine.
event::Task<bool> PauseKeeper::send(unsigned number) {
  nlohmann::json question;
  question["command"] = "pauses";
  question["text"] = queue::format_pauses(queue_.pauses().all());
  question["stamp"] = static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
  PeerAnswer answer(peers_, number, question);
  bool more = true;
  while (more) more = co_await answer.next();
  co_return answer.last().is_object() && !answer.refused();
}

event::Task<std::vector<unsigned>> PauseKeeper::tell() {
  std::uint64_t version = change();
  auto waiting = [&](const auto& reader) { return reader->tried < version; };
  while (!stopping_ && std::ranges::any_of(readers_, waiting)) co_await tried_.wait();
  std::vector<unsigned> out;
  for (const auto& reader : readers_) {
    if (reader->has < version) out.push_back(reader->number);
  }
  co_return out;
}

void PauseKeeper::stop() {
  stopping_ = true;
  for (auto& reader : readers_) reader->timer.wake();
  tried_.fire();
}

}  // namespace mansio::control
