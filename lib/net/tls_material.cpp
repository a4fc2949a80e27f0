#include "net/tls_material.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>
#include <new>
#include <utility>

#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::net {
namespace {

constexpr int most_certificates = 32;      // of one chain

// Never prompts: an encrypted key is told by this having been asked.
int note_encrypted(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// The next certificate of a PEM file, null at its end; other things between them are passed over. An error is left in
// OpenSSL's queue.
Owned<X509> next_certificate(BIO* pem) {
  bool asked = false;
  Owned<X509> found(PEM_read_bio_X509(pem, nullptr, note_encrypted, &asked));
  if (!found && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) ERR_clear_error();
  return found;
}

Result<> read_chain(const TlsIdentity& identity, TlsMaterial& out) {
  auto pem = memory_bio(identity.chain);
  out.chain.reset(sk_X509_new_null());
  while (sk_X509_num(out.chain.get()) < most_certificates) {
    auto next = next_certificate(pem.get());
    if (!next && ERR_peek_error() != 0) return fail(Fault::invalid, identity.file + ": the certificate can't be read (" + take_reason() + ")");
    if (!next) break;
    if (!out.leaf) out.leaf = std::move(next);
    else if (sk_X509_push(out.chain.get(), next.get()) > 0) next.release();
  }
  if (!out.leaf) return fail(Fault::invalid, identity.file + ": no certificate in it");
  return {};
}

Result<> read_key(const TlsIdentity& identity, TlsMaterial& out) {
  auto pem = memory_bio(identity.key);
  bool encrypted = false;
  out.key.reset(PEM_read_bio_PrivateKey(pem.get(), nullptr, note_encrypted, &encrypted));
  if (!out.key) {
    std::string reason = take_reason();
    if (encrypted) return fail(Fault::invalid, identity.file + ": the key is encrypted, and nobody is there to be asked for its passphrase");
    if (identity.key.find("PRIVATE KEY-----") == std::string::npos) return fail(Fault::invalid, identity.file + ": no private key in it");
    return fail(Fault::invalid, identity.file + ": the key can't be read (" + reason + ")");
  }
  if (X509_check_private_key(out.leaf.get(), out.key.get()) != 1) {
    return fail(Fault::invalid, identity.file + ": the key does not belong to the certificate (" + take_reason() + ")");
  }
  return {};
}

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

void add_name(std::string_view name, std::vector<std::string>& out) {
  std::string_view host = name.starts_with("*.") ? name.substr(2) : name;
  if (is_host_name(host)) out.push_back(to_lower(name));
}

// RFC 9525 §6.3: the subject alternative names. A certificate without any is still found by its common name.
std::vector<std::string> dns_names(X509* certificate) {
  std::vector<std::string> out;
  Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    auto* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) add_name(bytes_of(name->d.dNSName), out);
  }
  auto* subject = X509_get_subject_name(certificate);
  int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (out.empty() && at >= 0) add_name(bytes_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))), out);
  ERR_clear_error();
  return out;
}

// Is the response's entry the one of `leaf`? By serial number and the digest of the issuer's name (RFC 6960 §4.1.1).
bool concerns(const OCSP_SINGLERESP* entry, X509* leaf) {
  auto* id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(entry));
  ASN1_OCTET_STRING* issuer = nullptr;
  ASN1_OBJECT* hash = nullptr;
  ASN1_INTEGER* serial = nullptr;
  if (OCSP_id_get0_info(&issuer, &hash, nullptr, &serial, id) != 1) return false;
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0) return false;
  const EVP_MD* md = EVP_get_digestbyobj(hash);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (md == nullptr || X509_NAME_digest(X509_get_issuer_name(leaf), md, digest, &size) != 1) return false;
  return bytes_of(issuer) == std::string_view(reinterpret_cast<const char*>(digest), size);
}

}  // namespace

Time to_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return from_unix(::timegm(&parts));
}

std::string end_point_digest(X509* certificate) {
  int digest = NID_undef;
  if (X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1 && digest == NID_undef) {
    OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, nullptr);
  }
  ERR_clear_error();
  if (digest == NID_md5 || digest == NID_sha1 || digest == NID_md5_sha1) digest = NID_sha256;
  const EVP_MD* md = digest == NID_undef ? nullptr : EVP_get_digestbynid(digest);
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (md == nullptr || X509_digest(certificate, md, out, &size) != 1) return {};
  return std::string(reinterpret_cast<const char*>(out), size);
}

std::optional<Time> staple_expiry(std::string_view der, X509* leaf) {
  auto* at = reinterpret_cast<const unsigned char*>(der.data());
  Owned<OCSP_RESPONSE> response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  std::optional<Time> until;
  if (response && OCSP_response_status(response.get()) == OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    Owned<OCSP_BASICRESP> basic(OCSP_response_get1_basic(response.get()));
    for (int i = 0; basic && i < OCSP_resp_count(basic.get()); ++i) {
      auto* entry = OCSP_resp_get0(basic.get(), i);
      if (!concerns(entry, leaf)) continue;
      ASN1_GENERALIZEDTIME *since = nullptr, *next = nullptr;
      int status = OCSP_single_get0_status(entry, nullptr, nullptr, &since, &next);
      bool good = status == V_OCSP_CERTSTATUS_GOOD && next != nullptr && OCSP_check_validity(since, next, 300, -1) == 1;
      if (good) until = to_time(next);
    }
  }
  ERR_clear_error();
  return until;
}

Result<TlsMaterial> read_certificates(const TlsIdentity& identity) {
  ERR_clear_error();
  TlsMaterial out;
  out.file = identity.file;
  auto chain = read_chain(identity, out);
  if (!chain) return std::unexpected(chain.error());
  out.names = dns_names(out.leaf.get());
  out.expires = to_time(X509_get0_notAfter(out.leaf.get()));
  return out;
}

Result<TlsMaterial> read_material(const TlsIdentity& identity) {
  auto read = read_certificates(identity);
  if (!read) return read;
  TlsMaterial& out = *read;
  auto key = read_key(identity, out);
  if (!key) return std::unexpected(key.error());
  out.end_point = end_point_digest(out.leaf.get());
  auto until = identity.staple.empty() ? std::optional<Time>() : staple_expiry(identity.staple, out.leaf.get());
  if (until) {
    out.staple = identity.staple;
    out.staple_expires = *until;
  }
  return read;
}

Result<Owned<X509_STORE>> read_authorities(std::string_view pem) {
  ERR_clear_error();
  Owned<X509_STORE> store(X509_STORE_new());
  if (!store) throw std::bad_alloc();
  if (pem.empty()) {
    X509_STORE_set_default_paths(store.get());
    ERR_clear_error();
    return store;
  }
  auto source = memory_bio(pem);
  int count = 0;
  while (auto next = next_certificate(source.get())) {
    if (X509_STORE_add_cert(store.get(), next.get()) != 1) return fail(Fault::invalid, "authorities: " + take_reason());
    ++count;
  }
  if (ERR_peek_error() != 0) return fail(Fault::invalid, "authorities: a certificate can't be read (" + take_reason() + ")");
  if (count == 0) return fail(Fault::invalid, "authorities: no certificate among them");
  // Whoever names them trusts each of them, also one in the middle of a chain.
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  return store;
}

}  // namespace mansio::net
