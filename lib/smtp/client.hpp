// The client side of SMTP and LMTP: one session over a Connection, transaction after transaction (RFC 5321 §3, §4.5.3.2,
// §4.5.4; RFC 2033). Knows the protocol alone: which host is asked, and when again, is lib/deliver's and lib/queue's.
// Everything from the server is bounded, and decided by code alone (RFC 5321 §4.2).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "event/task.hpp"
#include "event/threads.hpp"
#include "mail/envelope.hpp"
#include "net/tls.hpp"
#include "sasl/client.hpp"
#include "smtp/capabilities.hpp"
#include "smtp/client_channel.hpp"

namespace mansio::smtp {

// RFC 5321 §4.5.3.2: the minimum a client waits. data_block is for each 64 KiB that are written, so a large message that moves is
// never cut off; quit is for RSET after a refusal too.
struct ClientTimeouts {
  ClientTimeouts() = default;
  Duration greeting{std::chrono::minutes(5)}, hello{std::chrono::minutes(5)}, mail{std::chrono::minutes(5)},
      rcpt{std::chrono::minutes(5)}, data_init{std::chrono::minutes(2)}, data_block{std::chrono::minutes(3)},
      data_end{std::chrono::minutes(10)}, quit{std::chrono::seconds(10)};
};

// Where the bytes of a message come from. CRLF line ends unless the message is BINARYMIME: a bare CR or LF is 554 5.6.0 and
// ends the connection.
struct ContentSource {
  // The next piece, valid until the next call; empty at the end. An error means that the content can't be sent whole: the
  // connection is dropped before the end of data, and every recipient gets 451 (D-059).
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
  std::uint64_t size = 0;          // octets with CRLFs, without stuffing (RFC 1870 §5): exactly what `content` gives
  mail::Body body = mail::Body::unspecified;        // eight_bit and binary only when the server offers it
  bool smtputf8 = false;           // only when the server offers it
  mail::Return ret = mail::Return::unspecified;
  std::string envid;
  std::string auth;                // AUTH= (RFC 4954 §5), xtext or "<>"; "": none. Only said to a server that offers AUTH
  ContentSource* content = nullptr;
};

// How far the session was when something happened; for the log, and to tell a host's trouble from a message's.
enum class Stage : std::uint8_t { connect, greeting, hello, tls, auth, mail, rcpt, data, end_of_data };

struct TransactionResult {
  TransactionResult() = default;
  std::vector<Status> recipients;  // one for each, in order: the peer's words, or 4xx of ours when the session broke
  std::vector<Stage> stages;       // where each was decided
  bool reusable = false;           // the session may carry another transaction
  bool unknown = false;            // the end of data was sent, but its answer never came: it may have been delivered
  bool host_trouble = false;       // 421, or the connection or the protocol broke before the end of data was sent: another host
                                   // may be tried for the recipients that have a 4xx. Never together with `unknown`
};

enum class ClientTls : std::uint8_t {
  none,
  offered,       // when the server offers STARTTLS; goes on in clear when it doesn't, or refuses it with 4xx/5xx
  required,      // no word more than needed without it: 451 4.7.10 (4xx, for another host may have it)
  implicit,      // before the greeting
};

struct ClientOptions {
  ClientOptions() = default;
  ClientTls tls = ClientTls::none;
  std::shared_ptr<const net::TlsClient> tls_client;       // needed unless `tls` is none
  net::TlsRequest tls_request;     // `verify` makes a certificate that does not verify a failed handshake
                                   // (451 4.7.5, with the reason)
  std::shared_ptr<const sasl::Credentials> credentials;   // null: no AUTH
  std::vector<std::string> mechanisms;      // allowed; empty: all
  bool auth_unverified = false;    // passwords and tokens also to a server whose certificate was not verified
  event::Threads* blocking = nullptr;       // where SCRAM derives its keys; needed with credentials
  std::string helo_name;           // FQDN or literal, ASCII (RFC 5321 §4.1.4)
  bool lmtp = false;
  bool plain_helo = false;         // HELO at once: the server is asked for no extension
  ClientTimeouts timeouts;
};

class ClientSession {
 public:
  // `conversation`: see ClientChannel.
  ClientSession(net::Connection connection, ClientOptions options, Conversation* conversation = nullptr);

  // Greeting and EHLO (HELO when refused with 500, 501, 502, 504; LHLO for LMTP), then TLS and AUTH as the options say. Ok: ready
  // for transactions. Otherwise what the server said, or 4xx of ours; `stage()` tells where. Of TLS and AUTH always 4xx: our
  // settings are no message's fault.
  event::Task<Status> start();

  // One message. More than Capabilities::rcpt_max recipients, or more than mail_max messages, is the caller's fault. What can't
  // be said to this server is refused without a word to it: a message over its SIZE (552 5.3.4), 8-bit addresses without
  // SMTPUTF8 (550 5.6.7), a body that it doesn't take (554 5.6.3).
  event::Task<TransactionResult> send(Transaction* transaction);

  // Says goodbye politely, within timeouts.quit, and closes. Nothing is said when the session broke.
  event::Task<> quit();

  // Null in clear text.
  const net::TlsInfo* tls() const noexcept { return channel_.tls(); }
  // start() ended because TLS did not come about, so that a new connection without it may do.
  bool tls_failed() const noexcept { return tls_failed_; }
  // The connection, without TLS, ended where the answer to EHLO should have been: there are servers that can't stand it.
  bool lost_at_ehlo() const noexcept { return lost_at_ehlo_; }
  // The server said 5xx to our credentials: others may do.
  bool login_refused() const noexcept { return login_refused_; }
  // "PLAIN:user"; "" when not logged in.
  const std::string& auth() const noexcept { return auth_; }
  const Capabilities& capabilities() const noexcept { return capabilities_; }
  Stage stage() const noexcept { return stage_; }
  std::uint32_t messages() const noexcept { return messages_; }      // MAIL commands so far
  // Idle, did the server say something (421, or its end)? Then it can't be used any more.
  bool stale() const noexcept { return channel_.stale(); }
  // Ends a read or write that waits, and all that follow: 451 4.3.2, or `unknown` when the end of data was sent.
  void interrupt() { channel_.interrupt(); }

 private:
  event::Task<Status> greet();
  event::Task<Status> hello();
  event::Task<Result<ServerReply>> say_hello(std::string_view verb);
  event::Task<Status> starttls();
  event::Task<Status> handshake();
  Status broke(const Error& error);

  // client_login.cpp
  event::Task<Status> login();
  event::Task<Result<ServerReply>> exchange(sasl::Client* client, std::string_view mechanism);
  event::Task<Result<ServerReply>> ask_secretly(crypto::Secret line);
  event::Task<Result<ServerReply>> give_up_login(Error why);
  Status judge_login(const ServerReply& reply, std::string_view mechanism, sasl::Client& client);
  Status no_mechanism(const sasl::ClientContext& context) const;

  ClientChannel channel_;
  ClientOptions options_;
  Capabilities capabilities_;
  Stage stage_ = Stage::greeting;
  std::uint32_t messages_ = 0;
  bool tls_failed_ = false, login_refused_ = false, lost_at_ehlo_ = false;
  std::string auth_;
};

// 451 for a conversation that ended at `stage` without the server's word.
Status broken_session(const Error& error, Stage stage);

}  // namespace mansio::smtp
