// What the mail process and a delivery agent say to each other: one Job or one Answer is one packet of a
// SOCK_SEQPACKET socketpair. Message content never travels in a packet: the agent gets the descriptor of the journal
// segment or file once (SCM_RIGHTS) and keeps it under the slot number the mail process chose, until a `forget` job.
// The codec is pure and strict: every length is bounded, nothing may be left over, unknown values are errors.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/result.hpp"
#include "base/status.hpp"
#include "crypto/secret.hpp"

namespace mansio::deliver {

// A packet larger than this is refused on both sides; it stays under the socket buffer every Linux allows (208 KiB).
inline constexpr std::size_t max_packet = 192u << 10;
inline constexpr std::size_t max_forward = 64u << 10;   // bytes of a ~/.forward
inline constexpr std::size_t max_output = 8192;         // bytes of Answer::output
inline constexpr std::size_t max_prefix = 160u << 10;   // bytes of Job::prefix

enum class JobKind : std::uint8_t {
  maildir = 1,       // one message into the Maildir `path`
  mbox = 2,          // one message at the end of the file `path`
  pipe = 3,          // one message to the program `command`
  user_lookup = 4,   // is `user` a user of the system? With `want_forward`, also the ~/.forward text
  read_forward = 5,  // the text of home/.forward, read as `uid`
  forget = 6,        // close the descriptor in `fd_slot`; it has no answer
  drop = 8,          // one message as the file `name` of the directory `path`
  token_command = 9, // what does the program `command`, run as `uid`, print? (token_command.hpp)
  password_check = 7,  // is `secret` the password of `user`? By PAM, in an agent for that alone (password_check.hpp)
};

inline constexpr std::uint32_t no_slot = 0xffffffff;
inline constexpr std::uint32_t one_off_slot = 0;     // of this job alone: the agent closes it before it answers

// Where the content of the message lies: [offset, offset + length) of the descriptor in slot `fd_slot`.
struct Segment {
  std::uint32_t fd_slot = no_slot;
  std::uint64_t offset = 0, length = 0;
};

// What a drop directory holds, as far as its last delivery knew.
struct DirectoryUse {
  std::uint64_t files = 0, bytes = 0;
  std::uint64_t changed = 0;     // the directory's mtime then, in ns
  std::uint64_t counted = 0;     // when all of it was counted, in ns of the monotonic clock; 0: never
  std::uint64_t cost = 0;        // how long that took, in ns
};

struct Job {
  Job() = default;               // not an aggregate: it is passed to coroutines
  std::uint64_t serial = 0;
  JobKind kind = JobKind::maildir;
  Segment message;
  bool binary = false;           // BINARYMIME: bytes are written as they are; else CRLF becomes LF
  bool maybe_repeated = false;   // an earlier attempt may have got as far as the mailbox
  bool want_forward = false;
  std::string prefix;            // header lines written before the content (Return-Path, Delivered-To, Received)
  uid_t uid = 0;
  gid_t gid = 0;
  std::string user;              // system user whose groups are taken; "": the group `gid` alone. For look-ups: the name
  std::string home;              // absolute, or ""
  std::string path;              // maildir, mbox: already filled in from the template
  std::string name;              // maildir: file name, the same each time this recipient of this message is tried
  std::string sender;            // envelope sender for the From_ line, "" for <>
  std::vector<std::string> command;       // pipe, token_command: argv
  std::vector<std::string> environment;   // pipe: "NAME=value"
  Duration timeout{std::chrono::minutes(5)};
  // drop alone
  std::string owner;             // "user" or "user:group", for the agent to look up; "": uid, gid and user above
  std::uint32_t mode = 0640;     // of the file
  std::uint64_t quota = 0, quota_files = 0;      // of the directory; 0: any
  DirectoryUse use;              // with a quota: from the answer to the delivery before
  // password_check alone
  crypto::Secret secret;
  std::string service;           // PAM's
  std::string remote;            // the client's address, or ""
};

struct Answer {
  Answer() = default;
  std::uint64_t serial = 0;
  Status status;                 // 2xx done, 4xx try again; only a pipe command gives 5xx
  int sys = 0;                   // errno behind a failure, for the log; or 0
  std::uint64_t bytes = 0;       // written into the mailbox
  bool found = false;            // user_lookup: such a user exists; read_forward: such a file exists; password_check: right
  uid_t uid = 0;
  gid_t gid = 0;
  std::string user, home, gecos; // user_lookup; user also password_check: as PAM names it
  std::string forward;           // text of ~/.forward
  DirectoryUse use;              // drop with a quota: after the delivery
  crypto::Secret output;         // token_command: what the program printed
  Duration hold{};               // password_check: PAM wants the client to wait so much longer for this answer
};

// Fault::too_long when the packet would pass max_packet, Fault::invalid when a field breaks its bound.
Result<std::string> encode_job(const Job& job);
Result<Job> decode_job(std::string_view packet);
Result<std::string> encode_answer(const Answer& answer);
Result<Answer> decode_answer(std::string_view packet);

// May `name` be the file name of a message in a Maildir? No '/', ':' or control byte, no leading '.', 1 to 200 bytes.
bool is_message_name(std::string_view name) noexcept;

}  // namespace mansio::deliver
