// What a session turned out to be, and what a client asks of it.
#include <arpa/inet.h>
#include <openssl/err.h>

#include <algorithm>

#include "base/text.hpp"
#include "net/tls_contexts.hpp"
#include "net/tls_session.hpp"

namespace mansio::net {
namespace {

constexpr std::size_t name_limit = 512;

bool is_address(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 || ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

std::string hex(const unsigned char* bytes, std::size_t size) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

// RFC 2253, which escapes all that is not printable ASCII (S-053); seen to once more, since it goes into logs.
std::string name_text(const X509_NAME* name) {
  Owned<BIO> out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  char* text = nullptr;
  long size = BIO_get_mem_data(out.get(), &text);
  std::string shown(text, std::min(static_cast<std::size_t>(std::max(size, 0L)), name_limit));
  std::replace_if(shown.begin(), shown.end(), [](char c) { return is_control(c) || is_8bit(c); }, '?');
  return shown;
}

void describe_certificate(X509* certificate, TlsInfo& info) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) info.fingerprint = hex(digest, size);
  info.subject = name_text(X509_get_subject_name(certificate));
  info.issuer = name_text(X509_get_issuer_name(certificate));
}

std::string without(std::string_view prefix, std::string_view text) {
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return std::string(text);
}

// RFC 9525: subject alternative names alone, a wildcard for a whole label. OpenSSL takes a leading dot for "any below".
Result<> check_names(SSL* ssl, const std::vector<std::string>& names) {
  auto* parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool hosts = false;
  for (auto& name : names) {
    if (is_address(name)) continue;
    // OpenSSL takes an empty name for no check at all.
    if (name == "." || !is_host_name(name) || X509_VERIFY_PARAM_add1_host(parameters, name.data(), name.size()) != 1) {
      return fail(Fault::invalid, "no host name: " + escape(name, 80));
    }
    hosts = true;
  }
  // OpenSSL would want both a name and an address, where we want one of them: names go first.
  if (!hosts && !names.empty() && X509_VERIFY_PARAM_set1_ip_asc(parameters, names.front().c_str()) != 1) {
    return fail(Fault::invalid, "no address: " + escape(names.front(), 80));
  }
  return {};
}

}  // namespace

Result<> TlsSession::ask_for(const TlsRequest& request) {
  SSL* ssl = raw();
  must_verify_ = request.verify;
  SSL_set_verify(ssl, request.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  auto named = check_names(ssl, request.names);
  if (!named) return named;
  std::string server_name = request.server_name;
  if (server_name.ends_with('.')) server_name.pop_back();      // RFC 6066 §3: without its dot
  if (!server_name.empty() && !is_address(server_name)) {
    if (!is_host_name(server_name)) return fail(Fault::invalid, "no host name: " + escape(server_name, 80));
    SSL_set_tlsext_host_name(ssl, server_name.c_str());
    info_.server_name = server_name;
  }
  if (request.resume.empty()) return {};
  // A session keeps the verdict of its first handshake, so only those who ask for the same may have it.
  resume_key_ = request.resume + (request.verify ? "\nverify\n" : "\nopportunistic\n") + server_name;
  for (auto& name : request.names) resume_key_ += "\n" + name;
  auto session = client_->context().sessions.find(resume_key_);
  if (session) SSL_set_session(ssl, session.get());
  return {};
}

void TlsSession::fill_info() {
  SSL* ssl = raw();
  info_.version = "TLS" + without("TLSv", SSL_get_version(ssl));
  auto* cipher = SSL_get_current_cipher(ssl);
  info_.cipher = without("TLS_", SSL_CIPHER_standard_name(cipher));
  info_.bits = static_cast<std::uint16_t>(SSL_CIPHER_get_bits(cipher, nullptr));
  info_.resumed = SSL_session_reused(ssl) == 1;
  if (X509* certificate = SSL_get0_peer_certificate(ssl)) {
    long verdict = SSL_get_verify_result(ssl);
    info_.peer_certificate = true;
    info_.verified = verdict == X509_V_OK;
    if (!info_.verified) info_.problem = X509_verify_cert_error_string(verdict);
    describe_certificate(certificate, info_);
  }
  if (server_) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name != nullptr && is_host_name(name)) info_.server_name = name;
  }
  ERR_clear_error();
}

// RFC 9266 §2, §3: for 1.2 only with the extended master secret, or two sessions could be made to share the value. There
// is no renegotiation.
std::string TlsSession::exporter() const {
  static constexpr std::string_view label = "EXPORTER-Channel-Binding";
  SSL* ssl = ssl_.get();
  bool safe = established_ && (SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1);
  unsigned char out[32];
  const unsigned char none = 0;
  bool made = safe && SSL_export_keying_material(ssl, out, sizeof out, label.data(), label.size(), &none, 0, 1) == 1;
  ERR_clear_error();
  return made ? std::string(reinterpret_cast<const char*>(out), sizeof out) : std::string();
}

std::string TlsSession::server_end_point() const {
  SSL* ssl = ssl_.get();
  if (!established_) return {};
  if (client_) {
    X509* certificate = SSL_get0_peer_certificate(ssl);
    return certificate != nullptr ? end_point_digest(certificate) : std::string();
  }
  if (!info_.resumed) {
    auto* material = server_->contexts().material_of(SSL_get_certificate(ssl));
    return material != nullptr ? material->end_point : std::string();
  }
  void* noted = nullptr;
  std::size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &noted, &size) != 1) return {};
  return std::string(static_cast<const char*>(noted), size);
}

}  // namespace mansio::net
