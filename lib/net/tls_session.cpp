#include "net/tls_session.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "event/loop.hpp"
#include "net/tls_contexts.hpp"

namespace mansio::net {
namespace {

// One chunk of the wire opens to no more than itself and the record that OpenSSL had begun to collect.
constexpr std::size_t plain_size = event::Loop::read_buffer_size + SSL3_RT_MAX_PACKET_SIZE;
constexpr std::size_t spare_limit = 256 * 1024;
// KeyUpdates and the like cost us far more than the peer; nobody needs as many.
constexpr unsigned most_extras = 1000;

char* plain_buffer() {
  thread_local auto buffer = std::make_unique<char[]>(plain_size);
  return buffer.get();
}

// The output of the last session that was sent, for the next one.
std::string& spare_output() {
  thread_local std::string spare;
  return spare;
}

long control_wire(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* wire_method() {
  static BIO_METHOD* const method = [] {
    auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mansio wire");
    if (made == nullptr) throw std::bad_alloc();
    BIO_meth_set_read(made, TlsSession::read_wire);
    BIO_meth_set_write(made, TlsSession::write_wire);
    BIO_meth_set_ctrl(made, control_wire);
    return made;
  }();
  return method;
}

}  // namespace

int TlsSession::read_wire(BIO* bio, char* out, int size) {
  auto* self = static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self->input_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  auto taken = std::min(self->input_.size(), static_cast<std::size_t>(size));
  std::memcpy(out, self->input_.data(), taken);
  self->input_.remove_prefix(taken);
  return static_cast<int>(taken);
}

int TlsSession::write_wire(BIO* bio, const char* bytes, int size) {
  auto* self = static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self->output_.capacity() < spare_output().capacity() && self->output_.empty()) self->output_.swap(spare_output());
  self->output_.append(bytes, static_cast<std::size_t>(size));
  return size;
}

// Called for each message and each record's header. Counted is what a peer says besides data once the handshake is done.
void TlsSession::count_message(int sent, int, int type, const void* bytes, std::size_t size, SSL* ssl, void*) {
  auto* self = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  if (sent != 0 || self == nullptr || !self->established_) return;
  bool other_record = type == SSL3_RT_HEADER && size > 0 && *static_cast<const unsigned char*>(bytes) != SSL3_RT_APPLICATION_DATA;
  if (other_record || type == SSL3_RT_HANDSHAKE) ++self->extras_;
}

int TlsSession::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  if (self == nullptr || self->resume_key_.empty()) return 0;
  self->client_->context().sessions.put(self->resume_key_, Owned<SSL_SESSION>(session));
  return 1;      // ours now
}

void TlsSession::Free::operator()(SSL* ssl) const noexcept { SSL_free(ssl); }

TlsSession::TlsSession(SSL* ssl) : ssl_(ssl) {
  BIO* wire = ssl != nullptr ? BIO_new(wire_method()) : nullptr;
  if (wire == nullptr) throw std::bad_alloc();
  BIO_set_data(wire, this);
  BIO_set_init(wire, 1);
  SSL_set_bio(ssl, wire, wire);
  SSL_set_app_data(ssl, this);
}

TlsSession::~TlsSession() {
  // Whatever the end was like, the session may be resumed: OpenSSL thinks otherwise of one that was not shut down.
  if (established_ && !broken_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

std::unique_ptr<TlsSession> TlsSession::of(std::shared_ptr<const TlsServer> server) {
  ERR_clear_error();
  std::unique_ptr<TlsSession> session(new TlsSession(SSL_new(server->contexts().first())));
  session->server_ = std::move(server);
  SSL_set_accept_state(session->raw());
  return session;
}

Result<std::unique_ptr<TlsSession>> TlsSession::of(std::shared_ptr<const TlsClient> client, const TlsRequest& request) {
  ERR_clear_error();
  auto& context = client->context();
  std::unique_ptr<TlsSession> session(new TlsSession(SSL_new(request.verify ? context.strict.get() : context.lax.get())));
  session->client_ = std::move(client);
  SSL_set_connect_state(session->raw());
  auto asked = session->ask_for(request);
  if (!asked) return std::unexpected(asked.error());
  return session;
}

Result<bool> TlsSession::handshake(std::string_view wire) {
  input_ = wire;
  ERR_clear_error();
  int outcome = SSL_do_handshake(raw());
  if (outcome == 1) {
    if (must_verify_ && SSL_get_verify_result(raw()) != X509_V_OK) {      // a session that began without being asked to
      broken_ = ended_ = true;
      return fail(Fault::denied, "TLS handshake: the certificate was not verified");
    }
    fill_info();
    established_ = true;
    return true;
  }
  if (SSL_get_error(raw(), outcome) == SSL_ERROR_WANT_READ) return false;
  broken_ = ended_ = true;
  long verified = SSL_get_verify_result(raw());
  failure_ = "TLS handshake: " + take_reason();
  if (must_verify_ && verified != X509_V_OK) failure_ += std::string(" (") + X509_verify_cert_error_string(verified) + ")";
  if (!resume_key_.empty()) client_->context().sessions.forget(resume_key_);
  return fail(Fault::denied, failure_);
}

void TlsSession::end(int outcome) {
  int error = SSL_get_error(raw(), outcome);
  if (error == SSL_ERROR_WANT_READ) return;
  ended_ = true;
  if (error == SSL_ERROR_ZERO_RETURN) {
    failure_ = "TLS session closed by the peer";
    return;
  }
  broken_ = true;
  failure_ = "TLS: " + take_reason();
}

std::string_view TlsSession::open(std::string_view wire) {
  input_ = wire;
  ERR_clear_error();
  char* plain = plain_buffer();
  std::size_t have = 0;
  while (!ended_) {
    std::size_t got = 0;
    int outcome = SSL_read_ex(raw(), plain + have, plain_size - have, &got);
    have += got;
    if (outcome != 1) end(outcome);
    if (outcome != 1 || (input_.empty() && SSL_pending(raw()) == 0)) break;
  }
  if (extras_ > most_extras && !ended_) {
    ended_ = broken_ = true;
    failure_ = "TLS: too many messages without data";
  }
  input_ = {};
  return {plain, have};
}

std::string_view TlsSession::give_early() {
  auto size = std::min(early_.size(), plain_size);
  char* plain = plain_buffer();
  std::memcpy(plain, early_.data(), size);
  early_.erase(0, size);
  if (early_.empty()) std::string().swap(early_);
  return {plain, size};
}

Error TlsSession::failure() const { return Error(Fault::closed, failure_); }

std::string_view TlsSession::seal(std::string_view bytes) {
  if (broken_ || bytes.empty()) return output_;
  ERR_clear_error();
  std::size_t written = 0;
  int outcome = SSL_write_ex(raw(), bytes.data(), bytes.size(), &written);
  if (outcome != 1) {
    broken_ = ended_ = true;
    failure_ = "TLS: " + take_reason();
  }
  return output_;
}

void TlsSession::sent() noexcept {
  output_.clear();
  auto& spare = spare_output();
  if (spare.capacity() < output_.capacity() && output_.capacity() <= spare_limit) spare.swap(output_);
  std::string().swap(output_);
}

void TlsSession::close() {
  if (!established_ || ended_ || std::exchange(closed_, true)) return;
  ERR_clear_error();
  SSL_shutdown(raw());
  ERR_clear_error();
}

}  // namespace mansio::net
