// TlsRules put into an OpenSSL context. Private to this room.
#pragma once
#include "net/openssl.hpp"
#include "net/tls.hpp"

namespace mansio::net {

// RFC 9325 §4.2: forward secrecy and AEAD alone.
inline constexpr const char* strict_ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// RFC 7435: for a client that would send in clear otherwise, weak keys and signatures are better than nothing.
inline constexpr const char* lax_ciphers = "DEFAULT:!aNULL:!eNULL:@SECLEVEL=0";

// Protocol versions, options, ciphers and groups. Fault::invalid names the setting that OpenSSL does not understand.
Result<> apply_rules(SSL_CTX* context, const TlsRules& rules, const char* default_ciphers);

}  // namespace mansio::net
