// What can be told of a certificate file by itself, as somebody sees it who connects: without its key, and whether others
// will believe it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/result.hpp"

namespace mansio::net {

struct CertificateFacts {
  CertificateFacts() = default;
  std::string file;
  std::vector<std::string> names;    // DNS names, lower case; "*.example.org" too
  Time expires{};
  std::string key_digest;            // SHA-256 of the public key with its algorithm: TLSA 3 1 1 (RFC 6698 §2.1)
  std::string problem;               // why the chain does not verify, as of now; ""
};

// `pem`: the chain, which begins with the server's own. `authorities`: PEM; "": the system's. Fault::invalid names the file.
Result<CertificateFacts> read_certificate_facts(const std::string& file, std::string_view pem, std::string_view authorities);

// Is `host` one of them (RFC 9525 §6.3)? A "*" stands for one label.
bool certificate_has_name(const CertificateFacts& facts, std::string_view host);

}  // namespace mansio::net
