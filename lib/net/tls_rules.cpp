#include "net/tls_rules.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <new>
#include <string_view>

#include "base/text.hpp"

namespace mansio::net {
namespace {

constexpr std::array<std::string_view, 5> known_suites = {
    "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256"};

std::unexpected<Error> unknown(const char* what, std::string_view word) {
  ERR_clear_error();
  return fail(Fault::invalid, std::string(what) + " \"" + escape(word, 80) + "\" is none that OpenSSL knows");
}

// OpenSSL passes over what it doesn't know as long as something is left; a slip of the pen shall not go unnoticed.
Result<> check_cipher_words(std::string_view list) {
  Owned<SSL_CTX> scratch(SSL_CTX_new(TLS_method()));
  if (!scratch) throw std::bad_alloc();
  SSL_CTX_set_security_level(scratch.get(), 0);
  std::string words(list);
  std::replace_if(words.begin(), words.end(), [](char c) { return c == ',' || c == ' ' || c == ';'; }, ':');
  for (auto word : split(words, ':')) {
    while (!word.empty() && (word.front() == '!' || word.front() == '-' || word.front() == '+')) word.remove_prefix(1);
    if (word.empty() || word.front() == '@') continue;
    if (SSL_CTX_set_cipher_list(scratch.get(), std::string(word).c_str()) != 1) return unknown("cipher", word);
  }
  return {};
}

Result<> check_suites(std::string_view list) {
  for (auto word : split(list, ':')) {
    if (std::find(known_suites.begin(), known_suites.end(), word) == known_suites.end()) return unknown("cipher suite", word);
  }
  return {};
}

Result<> set_ciphers(SSL_CTX* context, const TlsRules& rules, const char* default_ciphers) {
  if (!rules.ciphers.empty()) {
    auto known = check_cipher_words(rules.ciphers);
    if (!known) return known;
  }
  const char* ciphers = rules.ciphers.empty() ? default_ciphers : rules.ciphers.c_str();
  if (SSL_CTX_set_cipher_list(context, ciphers) != 1) return fail(Fault::invalid, "ciphers: " + take_reason());
  if (rules.cipher_suites.empty()) return {};
  auto known = check_suites(rules.cipher_suites);
  if (!known) return known;
  if (SSL_CTX_set_ciphersuites(context, rules.cipher_suites.c_str()) != 1) return fail(Fault::invalid, "cipher suites: " + take_reason());
  return {};
}

}  // namespace

Result<> apply_rules(SSL_CTX* context, const TlsRules& rules, const char* default_ciphers) {
  ERR_clear_error();
  // RFC 8996: nothing below 1.2.
  SSL_CTX_set_min_proto_version(context, rules.least == TlsVersion::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // The server's order, so that it is ECDSA where both sides can (it costs us half of RSA), but ChaCha20 for a client that
  // puts it first, as those without AES in hardware do.
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_dh_auto(context, 1);      // for ciphers an admin may name
  const char* groups = rules.groups.empty() ? "X25519:P-256:P-384" : rules.groups.c_str();
  if (SSL_CTX_set1_groups_list(context, groups) != 1) return unknown("group in", groups);
  return set_ciphers(context, rules, default_ciphers);
}

}  // namespace mansio::net
