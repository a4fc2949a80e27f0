// Owners of what OpenSSL allocates, and its error queue as one line of text. Private to this room.
#pragma once
#include <openssl/bio.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace mansio::net {

struct OpensslFree {
  void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
  void operator()(SSL_SESSION* p) const noexcept { SSL_SESSION_free(p); }
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(X509_STORE* p) const noexcept { X509_STORE_free(p); }
  void operator()(STACK_OF(X509)* p) const noexcept { sk_X509_pop_free(p, X509_free); }
  void operator()(GENERAL_NAMES* p) const noexcept { GENERAL_NAMES_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(EVP_CIPHER* p) const noexcept { EVP_CIPHER_free(p); }
  void operator()(BIO* p) const noexcept { BIO_free_all(p); }
  void operator()(OCSP_RESPONSE* p) const noexcept { OCSP_RESPONSE_free(p); }
  void operator()(OCSP_BASICRESP* p) const noexcept { OCSP_BASICRESP_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, OpensslFree>;

// The reason of the oldest error in the queue ("key values mismatch"), which is emptied.
std::string take_reason();

// A view of `bytes`, which outlive it.
Owned<BIO> memory_bio(std::string_view bytes);

// A host name as SNI has it: letters, digits, "-", "." and "_", up to 255 octets.
bool is_host_name(std::string_view text) noexcept;

}  // namespace mansio::net
