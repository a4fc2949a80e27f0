// The client side of SMTP and LMTP: one session over a Connection, transaction after transaction (RFC 5321 §3, §4.5.3.2,
// §4.5.4; RFC 2033). Knows the protocol alone: which host is asked, and when again, is lib/deliver's and lib/queue's.
// Everything from the server is bounded, and decided by code alone (RFC 5321 §4.2).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "event/task.hpp"
#include "mail/envelope.hpp"
#include "net/connection.hpp"

namespace mansio::smtp {

// What EHLO offered; keywords in any case.
struct Capabilities {
  Capabilities() = default;
  bool esmtp = false;              // EHLO was accepted, not HELO
  bool pipelining = false, chunking = false, binarymime = false, eight_bit = false, smtputf8 = false, dsn = false,
       starttls = false, size = false;
  std::uint64_t size_limit = 0;    // of SIZE; 0: no fixed limit (RFC 1870 §4)
  std::uint32_t rcpt_max = 0, mail_max = 0, rcpt_domain_max = 0;   // LIMITS, RFC 9422; 0: not said
  std::vector<std::string> auth;   // mechanisms, upper case
};

// RFC 5321 §4.5.3.2: the minimum a client waits.
struct ClientTimeouts {
  ClientTimeouts() = default;
  Duration greeting{std::chrono::minutes(5)}, hello{std::chrono::minutes(5)}, mail{std::chrono::minutes(5)},
      rcpt{std::chrono::minutes(5)}, data_init{std::chrono::minutes(2)}, data_block{std::chrono::minutes(3)},
      data_end{std::chrono::minutes(10)}, quit{std::chrono::seconds(10)};
};

// Where the bytes of a message come from. CRLF line ends unless the message is BINARYMIME.
struct ContentSource {
  // The next piece, valid until the next call; empty at the end. An error means that the content can't be sent whole.
  virtual event::Task<Result<std::string_view>> next() = 0;

 protected:
  ~ContentSource() = default;
};

struct TransactionRecipient {
  TransactionRecipient(std::string a, std::string o, std::uint8_t n) : address(std::move(a)), orcpt(std::move(o)), notify(n) {}
  std::string address;             // as it goes on the wire, without brackets; the domain as A-labels unless SMTPUTF8
  std::string orcpt;               // as given, "" for none
  std::uint8_t notify;             // mail::Notify; 0: not given
};

// What the content holds decides which extensions it needs; the caller has looked (mail/mime.hpp) and, when the server
// lacks 8BITMIME, passes content that was converted.
struct Transaction {
  Transaction() = default;
  std::string sender;              // "": the null reverse-path
  std::vector<TransactionRecipient> recipients;     // not empty
  std::uint64_t size = 0;          // octets with CRLFs, without stuffing (RFC 1870 §5)
  mail::Body body = mail::Body::unspecified;        // eight_bit and binary only when the server offers it
  bool smtputf8 = false;           // only when the server offers it
  mail::Return ret = mail::Return::unspecified;
  std::string envid;
  ContentSource* content = nullptr;
};

// How far the session was when something happened; for the log, and to tell a host's trouble from a message's.
enum class Stage : std::uint8_t { connect, greeting, hello, mail, rcpt, data, end_of_data };

struct TransactionResult {
  TransactionResult() = default;
  std::vector<Status> recipients;  // one for each, in order: the peer's words, or 4xx of ours when the session broke
  std::vector<Stage> stages;       // where each was decided
  bool reusable = false;           // the session may carry another transaction
  bool unknown = false;            // the end of data was sent, but its answer never came: it may have been delivered
  bool host_trouble = false;       // 421, or the connection broke before the end of data was sent: another host may be tried
                                   // for the recipients that have a 4xx
};

struct ClientOptions {
  ClientOptions() = default;
  std::string helo_name;           // FQDN or literal, ASCII (RFC 5321 §4.1.4)
  bool lmtp = false;
  ClientTimeouts timeouts;
};

class ClientSession {
 public:
  ClientSession(net::Connection connection, ClientOptions options);

  // Greeting and EHLO (HELO when refused with 500, 501, 502, 504; LHLO for LMTP). Ok: ready for transactions. Otherwise what the
  // server said, or 4xx of ours; `stage()` tells where.
  event::Task<Status> start();

  // One message. More than Capabilities::rcpt_max recipients, or more than mail_max messages, is the caller's fault.
  event::Task<TransactionResult> send(Transaction* transaction);

  // Says goodbye politely, within timeouts.quit. The connection is closed by the destructor.
  event::Task<> quit();

  const Capabilities& capabilities() const noexcept { return capabilities_; }
  Stage stage() const noexcept { return stage_; }
  std::uint32_t messages() const noexcept { return messages_; }      // MAIL commands so far
  // Idle, did the server say something (421, or its end)? Then it can't be used any more.
  bool stale() const noexcept { return connection_.input_waiting(); }
  void interrupt() { connection_.interrupt(); }

 private:
  net::Connection connection_;
  ClientOptions options_;
  Capabilities capabilities_;
  Stage stage_ = Stage::greeting;
  std::uint32_t messages_ = 0;
};

}  // namespace mansio::smtp
