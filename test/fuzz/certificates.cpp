// Files of certificates, as an admin names them.
#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "net/certificate.hpp"
#include "net/tls_material.hpp"

namespace fuzz {

using namespace mansio;

namespace {

// Signed by itself, for mx.ex.test and *.ex.test; its key is nowhere.
constexpr const char* sample =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBkTCCATegAwIBAgIUaqnd5O2CGnykKQ0DUjf49OapzJEwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBZjAgFw0yNjExMjIyMTI0NTlaGA8yMTI2MTAyOTIxMjQ1OVow\n"
    "DDEKMAgGA1UEAwwBZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMnac900O58h\n"
    "nXl1o91JqJ30dpxTfWr5ZFwuHYC334rwh3UBrYTi9ESqwFoA6s7rj4asJ+72hKt8\n"
    "hDNAR3CD75mjdTBzMB0GA1UdDgQWBBTqdzC+PAIUr22dVbWwPWsliSntJjAfBgNV\n"
    "HSMEGDAWgBTqdzC+PAIUr22dVbWwPWsliSntJjAPBgNVHRMBAf8EBTADAQH/MCAG\n"
    "A1UdEQQZMBeCCm14LmV4LnRlc3SCCSouZXgudGVzdDAKBggqhkjOPQQDAgNIADBF\n"
    "AiEA1+M+dAT0WHy+dQepDIqLGNosMUcMrTv1YIgXIshkfqACICDcvaivMDghQ0F2\n"
    "2c7aYiGadnNlHGlkJYdaDgelp/7t\n"
    "-----END CERTIFICATE-----\n";

}  // namespace

void certificates(std::string_view input) {
  if (input.empty() || input.size() > 8192) return;
  auto facts = net::read_certificate_facts("f.pem", input, input);
  if (!facts) {
    require(facts.error().text().starts_with("f.pem") || !facts.error().text().empty(), "a problem is told");
    require(!has_control(facts.error().text()), "in one line");
    return;
  }
  require(facts->key_digest.size() == 32 || facts->key_digest.size() == 64, "a digest is a digest");
  for (const auto& name : facts->names) {
    require(name == to_lower(name) && name.find('\0') == std::string::npos, "names are in lower case");
    if (!name.starts_with('*')) require(net::certificate_has_name(*facts, name), "a name is one of them");
  }
}

// An OCSP staple of any octets, beside a certificate of ours. Its signature is for whoever gets it.
void staple(std::string_view input) {
  static const auto ours = [] {
    net::TlsIdentity identity;
    identity.file = "f.pem";
    identity.chain = sample;
    return net::read_certificates(identity);
  }();
  require(ours.has_value(), "our certificate can be read");
  auto until = net::staple_expiry(input, ours->leaf.get());
  if (until) require(*until > std::chrono::system_clock::now() - std::chrono::minutes(10), "a staple that may be sent is in date");
}

}  // namespace fuzz
