#include "deliver/job.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "deliver/packet.hpp"

namespace mansio::deliver {
namespace {

constexpr std::uint64_t job_mark = 0x324a, answer_mark = 0x3341;   // format versions 2 and 3
constexpr std::size_t path_limit = 4095, word_limit = 8192, count_limit = 256, text_limit = 4096;
constexpr std::size_t login_limit = 1024, service_limit = 64, secret_limit = 16u << 10;

void put_use(PacketWriter& out, const DirectoryUse& use) {
  for (auto value : {use.files, use.bytes, use.changed, use.counted, use.cost}) out.number(value, 8);
}

DirectoryUse take_use(PacketReader& in) {
  DirectoryUse use;
  for (auto* value : {&use.files, &use.bytes, &use.changed, &use.counted, &use.cost}) *value = in.number(8);
  return use;
}

bool is_absolute_or_empty(std::string_view path) { return path.empty() || path[0] == '/'; }

// PAM takes the last part of a path for a service's name: one that holds '/' would name another.
bool is_password_check(const Job& job) {
  bool named = !job.service.empty() && job.service.size() <= service_limit && job.service[0] != '.';
  if (!named || job.service.find('/') != std::string::npos || has_control(job.service)) return false;
  return !job.user.empty() && job.user.size() <= login_limit && !has_control(job.user) && !job.secret.empty();
}

// What a job of each kind needs; a packet without it is a bug of the mail process and is never acted upon.
bool has_its_fields(const Job& job) {
  if (!is_absolute_or_empty(job.home) || !is_absolute_or_empty(job.path)) return false;
  switch (job.kind) {
    case JobKind::maildir: return !job.path.empty() && is_message_name(job.name) && job.message.fd_slot != no_slot;
    case JobKind::drop: return !job.path.empty() && is_message_name(job.name) && job.mode <= 0777 && job.message.fd_slot != no_slot;
    case JobKind::mbox: return !job.path.empty() && job.message.fd_slot != no_slot;
    case JobKind::pipe: return !job.command.empty() && job.command[0].starts_with('/') && job.message.fd_slot != no_slot;
    case JobKind::token_command: return !job.command.empty() && job.command[0].starts_with('/');
    case JobKind::user_lookup: return !job.user.empty();
    case JobKind::read_forward: return !job.home.empty();
    case JobKind::forget: return job.message.fd_slot != no_slot;
    case JobKind::password_check: return is_password_check(job);
  }
  return false;
}

}  // namespace

bool is_message_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 200 && name[0] != '.' && name.find_first_of("/:") == std::string_view::npos && !has_control(name);
}

Result<std::string> encode_job(const Job& job) {
  if (!has_its_fields(job)) return fail(Fault::invalid, "delivery job: a field is missing or breaks its bound");
  bool checks_password = job.kind == JobKind::password_check;
  // Large enough, so that no half of a password stays behind where the packet grew out of its memory.
  PacketWriter out(checks_password ? 2 * secret_limit : 0);
  out.number(job_mark, 2);
  out.number(job.serial, 8);
  out.number(static_cast<std::uint64_t>(job.kind), 1);
  out.number(job.message.fd_slot, 4);
  out.number(job.message.offset, 8);
  out.number(job.message.length, 8);
  out.number(job.binary, 1);
  out.number(job.maybe_repeated, 1);
  out.number(job.want_forward, 1);
  out.number(job.uid, 4);
  out.number(job.gid, 4);
  out.number(static_cast<std::uint64_t>(std::max<Duration::rep>(job.timeout.count(), 0)), 8);
  out.text(job.prefix);
  for (const auto* field : {&job.user, &job.home, &job.path, &job.name, &job.sender}) out.text(*field);
  out.texts(job.command);
  out.texts(job.environment);
  if (job.kind == JobKind::drop) {
    out.text(job.owner);
    out.number(job.mode, 4);
    out.number(job.quota, 8);
    out.number(job.quota_files, 8);
    put_use(out, job.use);
  }
  if (checks_password) {
    out.text(job.service);
    out.text(job.remote);
    out.text(job.secret.view());
  }
  if (out.bytes().size() > max_packet) return fail(Fault::too_long, "delivery job: larger than a packet");
  // Bounds have one home, the decoder; encoding asks it rather than repeat them.
  auto check = decode_job(out.bytes());
  std::string packet = out.take();
  if (check) return packet;
  crypto::wipe(packet);
  return std::unexpected(check.error());
}

Result<Job> decode_job(std::string_view packet) {
  if (packet.size() > max_packet) return fail(Fault::too_long, "delivery job: larger than a packet");
  PacketReader in(packet);
  if (in.number(2) != job_mark) return fail(Fault::invalid, "delivery job: not one, or of another version");
  Job job;
  job.serial = in.number(8);
  job.kind = static_cast<JobKind>(in.number(1));
  job.message.fd_slot = static_cast<std::uint32_t>(in.number(4));
  job.message.offset = in.number(8);
  job.message.length = in.number(8);
  job.binary = in.flag();
  job.maybe_repeated = in.flag();
  job.want_forward = in.flag();
  job.uid = static_cast<uid_t>(in.number(4));
  job.gid = static_cast<gid_t>(in.number(4));
  auto timeout = in.number(8);
  job.timeout = Duration(static_cast<Duration::rep>(std::min<std::uint64_t>(timeout, 7u * 86400u * 1000u)));
  job.prefix = in.text(max_prefix, true);
  job.user = in.text(text_limit);
  job.home = in.text(path_limit);
  job.path = in.text(path_limit);
  job.name = in.text(path_limit);
  job.sender = in.text(text_limit);
  job.command = in.texts(count_limit, word_limit);
  job.environment = in.texts(count_limit, word_limit);
  if (job.kind == JobKind::drop) {
    job.owner = in.text(text_limit);
    job.mode = static_cast<std::uint32_t>(in.number(4));
    job.quota = in.number(8);
    job.quota_files = in.number(8);
    job.use = take_use(in);
  }
  if (job.kind == JobKind::password_check) {
    job.service = in.text(service_limit);
    job.remote = in.text(text_limit);
    job.secret = crypto::Secret(in.view(secret_limit));
  }
  constexpr std::uint64_t end_of_files = std::uint64_t(1) << 62;
  bool bounded = job.message.offset < end_of_files && job.message.length < end_of_files;
  if (!in.done() || !bounded || !has_its_fields(job)) return fail(Fault::invalid, "delivery job: a field is missing or breaks its bound");
  return job;
}

Result<std::string> encode_answer(const Answer& answer) {
  PacketWriter out(answer.output.empty() ? 0 : 2 * max_output + 4 * text_limit);      // as above
  out.number(answer_mark, 2);
  out.number(answer.serial, 8);
  out.number(static_cast<std::uint64_t>(answer.status.code()), 2);
  auto enhanced = answer.status.enhanced();
  out.number(enhanced.klass, 1);
  out.number(enhanced.subject, 2);
  out.number(enhanced.detail, 2);
  out.number(static_cast<std::uint64_t>(answer.sys), 4);
  out.number(answer.bytes, 8);
  out.number(answer.found, 1);
  out.number(answer.uid, 4);
  out.number(answer.gid, 4);
  out.text(std::string_view(answer.status.text()).substr(0, text_limit));
  for (const auto* field : {&answer.user, &answer.home, &answer.gecos}) out.text(*field);
  out.text(answer.forward);
  put_use(out, answer.use);
  out.number(static_cast<std::uint64_t>(std::max<Duration::rep>(answer.hold.count(), 0)), 4);
  out.text(answer.output.view());
  auto check = decode_answer(out.bytes());
  std::string packet = out.take();
  if (check) return packet;
  crypto::wipe(packet);
  return std::unexpected(check.error());
}

Result<Answer> decode_answer(std::string_view packet) {
  if (packet.size() > max_packet) return fail(Fault::too_long, "delivery answer: larger than a packet");
  PacketReader in(packet);
  if (in.number(2) != answer_mark) return fail(Fault::invalid, "delivery answer: not one, or of another version");
  Answer answer;
  answer.serial = in.number(8);
  auto code = static_cast<int>(in.number(2));
  auto klass = in.number(1);
  auto subject = static_cast<std::uint16_t>(in.number(2));
  auto detail = static_cast<std::uint16_t>(in.number(2));
  answer.sys = static_cast<int>(in.number(4));
  answer.bytes = in.number(8);
  answer.found = in.flag();
  answer.uid = static_cast<uid_t>(in.number(4));
  answer.gid = static_cast<gid_t>(in.number(4));
  auto text = in.text(text_limit, true);
  answer.user = in.text(text_limit);
  answer.home = in.text(path_limit);
  answer.gecos = in.text(text_limit);
  answer.forward = in.text(max_forward, true);
  answer.use = take_use(in);
  answer.hold = Duration(static_cast<Duration::rep>(in.number(4)));
  answer.output = crypto::Secret(in.view(max_output, true));
  bool valid = code >= 200 && code <= 599 && code / 100 != 3 && (klass == 0 || klass == static_cast<unsigned>(code) / 100);
  if (!in.done() || !valid) return fail(Fault::invalid, "delivery answer: a field is missing or breaks its bound");
  answer.status = klass == 0 ? Status(code, std::move(text)) : Status(code, subject, detail, std::move(text));
  return answer;
}

}  // namespace mansio::deliver
