#include "net/test_certificates.hpp"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace mansio::net {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;

void need(bool done) {
  if (!done) throw std::runtime_error("a test certificate can't be made");
}

EVP_PKEY* key_of(TestKey kind) {
  static std::array<KeyPtr, 5> keys;
  auto& slot = keys.at(static_cast<std::size_t>(kind));
  if (!slot) {
    if (kind == TestKey::rsa || kind == TestKey::other_rsa) slot.reset(EVP_RSA_gen(2048U));
    else if (kind == TestKey::ed25519) slot.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    else slot.reset(EVP_EC_gen("P-256"));
  }
  need(slot != nullptr);
  return slot.get();
}

EVP_PKEY* authority_key(bool stranger) {
  static const KeyPtr keys[2] = {KeyPtr(EVP_EC_gen("P-256")), KeyPtr(EVP_EC_gen("P-256"))};
  return keys[stranger ? 1 : 0].get();
}

std::string text_of(BIO* bio) {
  char* text = nullptr;
  long size = BIO_get_mem_data(bio, &text);
  return std::string(text, static_cast<std::size_t>(size));
}

std::string pem_of(X509* certificate) {
  BioPtr out(BIO_new(BIO_s_mem()));
  need(PEM_write_bio_X509(out.get(), certificate) == 1);
  return text_of(out.get());
}

void set_name(X509_NAME* name, const std::string& common_name) {
  auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
  need(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text, static_cast<int>(common_name.size()), -1, 0) == 1);
}

void add_extension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  auto* extension = X509V3_EXT_nconf_nid(nullptr, &context, nid, value);
  need(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// By hand, so that a name may hold any octets.
void add_names(X509* certificate, const TestCertificate& wish) {
  auto* names = sk_GENERAL_NAME_new_null();
  for (auto& text : wish.names) {
    auto* name = GENERAL_NAME_new();
    auto* value = ASN1_IA5STRING_new();
    need(ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) == 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    sk_GENERAL_NAME_push(names, name);
  }
  for (auto& text : wish.addresses) {
    auto* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_IPADD, a2i_IPADDRESS(text.c_str()));
    sk_GENERAL_NAME_push(names, name);
  }
  if (sk_GENERAL_NAME_num(names) > 0) need(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1);
  GENERAL_NAMES_free(names);
}

CertificatePtr blank(EVP_PKEY* key, std::chrono::hours from, std::chrono::hours until) {
  static long serial = 1000;
  CertificatePtr out(X509_new());
  X509_set_version(out.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), std::chrono::seconds(from).count());
  X509_gmtime_adj(X509_getm_notAfter(out.get()), std::chrono::seconds(until).count());
  X509_set_pubkey(out.get(), key);
  return out;
}

X509* authority(bool stranger) {
  static CertificatePtr made[2];
  auto& slot = made[stranger ? 1 : 0];
  if (!slot) {
    slot = blank(authority_key(stranger), std::chrono::hours(-48), std::chrono::hours(24 * 365));
    set_name(X509_get_subject_name(slot.get()), stranger ? "Stranger" : "Test authority");
    X509_set_issuer_name(slot.get(), X509_get_subject_name(slot.get()));
    add_extension(slot.get(), NID_basic_constraints, "critical,CA:TRUE");
    add_extension(slot.get(), NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
    need(X509_sign(slot.get(), authority_key(stranger), EVP_sha256()) > 0);
  }
  return slot.get();
}

CertificatePtr make_certificate(const TestCertificate& wish) {
  auto out = blank(key_of(wish.key), wish.from, wish.until);
  if (!wish.until_date.empty()) need(ASN1_TIME_set_string(X509_getm_notAfter(out.get()), wish.until_date.c_str()) == 1);
  set_name(X509_get_subject_name(out.get()), wish.common_name);
  X509* issuer = wish.self_signed ? out.get() : authority(wish.stranger);
  X509_set_issuer_name(out.get(), X509_get_subject_name(issuer));
  add_names(out.get(), wish);
  EVP_PKEY* signer = wish.self_signed ? key_of(wish.key) : authority_key(wish.stranger);
  bool pure = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519;
  need(X509_sign(out.get(), signer, pure ? nullptr : EVP_get_digestbyname(wish.digest)) > 0);
  return out;
}

std::string key_pem(TestKey kind, const char* passphrase) {
  BioPtr out(BIO_new(BIO_s_mem()));
  const EVP_CIPHER* cipher = passphrase != nullptr ? EVP_aes_256_cbc() : nullptr;
  auto* word = reinterpret_cast<const unsigned char*>(passphrase);
  need(PEM_write_bio_PrivateKey(out.get(), key_of(kind), cipher, word, passphrase != nullptr ? 6 : 0, nullptr, nullptr) == 1);
  return text_of(out.get());
}

}  // namespace

TlsIdentity make_test_identity(const TestCertificate& wish) {
  TlsIdentity out;
  out.file = "test.pem";
  out.chain = pem_of(make_certificate(wish).get());
  out.key = key_pem(wish.key, nullptr);
  return out;
}

std::string test_authority() { return pem_of(authority(false)); }
std::string encrypted_test_key(TestKey key) { return key_pem(key, "secret"); }
std::string test_key_pem(TestKey key) { return key_pem(key, nullptr); }

std::string make_test_staple(const TlsIdentity& identity, const TestStaple& wish) {
  BioPtr pem(BIO_new_mem_buf(identity.chain.data(), static_cast<int>(identity.chain.size())));
  CertificatePtr leaf(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
  need(leaf != nullptr);
  auto* basic = OCSP_BASICRESP_new();
  auto* since = X509_gmtime_adj(nullptr, std::chrono::seconds(wish.from).count());
  auto* until = X509_gmtime_adj(nullptr, std::chrono::seconds(wish.until).count());
  auto* id = OCSP_cert_to_id(EVP_sha1(), leaf.get(), authority(false));
  int status = wish.revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD;
  OCSP_basic_add1_status(basic, id, status, OCSP_REVOKED_STATUS_KEYCOMPROMISE, wish.revoked ? since : nullptr, since, wish.dated ? until : nullptr);
  need(OCSP_basic_sign(basic, authority(false), authority_key(false), EVP_sha256(), nullptr, 0) == 1);
  auto* response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
  unsigned char* der = nullptr;
  int size = i2d_OCSP_RESPONSE(response, &der);
  need(size > 0);
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  OCSP_RESPONSE_free(response);
  OCSP_BASICRESP_free(basic);
  OCSP_CERTID_free(id);
  ASN1_TIME_free(since);
  ASN1_TIME_free(until);
  return out;
}

}  // namespace mansio::net
