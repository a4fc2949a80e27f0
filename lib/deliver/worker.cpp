#include "deliver/worker.hpp"

#include "deliver/drop.hpp"
#include "deliver/identity.hpp"
#include "deliver/mbox.hpp"
#include "deliver/packet_channel.hpp"
#include "deliver/pipe.hpp"
#include "deliver/token_command.hpp"

namespace mansio::deliver {
namespace {

constexpr std::size_t max_slots = 1024;

bool writes_message(JobKind kind) {
  return kind == JobKind::maildir || kind == JobKind::mbox || kind == JobKind::drop || kind == JobKind::pipe;
}

}  // namespace

Answer refusal(const Job& job, Status status, int sys) {
  Answer answer;
  answer.serial = job.serial;
  answer.status = std::move(status);
  answer.sys = sys;
  return answer;
}

bool send_answer(int channel, const Answer& answer) {
  auto bytes = encode_answer(answer);
  if (!bytes) {
    // A field past its bound (a gecos of 5 KiB, say): the job is answered all the same.
    Answer plain;
    plain.serial = answer.serial;
    plain.status = Status(451, 3, 0, "the delivery agent's answer: " + bytes.error().text());
    bytes = encode_answer(plain);
  }
  bool sent = bytes && send_packet(channel, *bytes).has_value();
  if (bytes && !answer.output.empty()) crypto::wipe(*bytes);
  return sent;
}

// A slot may be given another file while jobs for the one before it are still to be done: they hold theirs.
MessageFile WorkReader::message_of(const Job& job, UniqueFd attached) {
  auto slot = job.message.fd_slot;
  if (slot == no_slot) return nullptr;
  // Kept open, the file of a large message would keep its room on the disk after the message is finished.
  bool kept = keeps_ && slot != one_off_slot;
  if (!kept) return attached ? std::make_shared<const UniqueFd>(std::move(attached)) : nullptr;
  if (attached) {
    if (slots_.size() >= max_slots && !slots_.contains(slot)) return nullptr;
    slots_[slot] = std::make_shared<const UniqueFd>(std::move(attached));
  }
  auto it = slots_.find(slot);
  return it == slots_.end() ? nullptr : it->second;
}

Result<std::vector<Work>> WorkReader::read() {
  std::vector<Work> work;
  std::uint64_t bytes = 0;
  for (bool first = true; work.size() < jobs_at_once && bytes < bytes_at_once; first = false) {
    auto packet = receive_packet(channel_, first);
    if (!packet && !first && packet.error().fault() != Fault::invalid) break;     // nothing more yet, or told by the next read()
    if (!packet) return std::unexpected(packet.error());
    auto job = decode_job(packet->bytes);
    if (!job) return std::unexpected(job.error());
    if (job->kind == JobKind::forget) {
      slots_.erase(job->message.fd_slot);
      continue;
    }
    bytes += job->message.length;
    auto message = message_of(*job, std::move(packet->fd));
    work.emplace_back(std::move(*job), std::move(message));
  }
  return work;
}

void Worker::run(std::span<Work> work) {
  std::vector<MaildirDelivery> deliveries;
  std::vector<Work*> places;
  for (Work& each : work) {
    if (each.job.kind != JobKind::maildir || each.fd() < 0) {
      each.answer = run(each.job, each.fd());
      continue;
    }
    deliveries.emplace_back(&each.job, each.fd());
    places.push_back(&each);
  }
  deliver_maildirs(deliveries, maildirs_);
  for (std::size_t i = 0; i < places.size(); ++i) places[i]->answer = std::move(deliveries[i].answer);
}

Answer Worker::run(const Job& job, int message) {
  if (writes_message(job.kind) && message < 0) return refusal(job, Status(451, 3, 0, "the delivery agent has no such message open"));
  switch (job.kind) {
    case JobKind::maildir: return deliver_maildir(job, message, maildirs_);
    case JobKind::mbox: return deliver_mbox(job, message);
    case JobKind::drop: return deliver_drop(job, message);
    case JobKind::pipe: return deliver_pipe(job, message);
    case JobKind::token_command: return run_token_command(job, channel_);
    case JobKind::user_lookup: return lookup_user(job);
    case JobKind::read_forward: return read_forward(job);
    case JobKind::password_check: return refusal(job, Status(451, 3, 0, "this agent checks no passwords"));
    case JobKind::forget: break;
  }
  return refusal(job, Status());
}

}  // namespace mansio::deliver
