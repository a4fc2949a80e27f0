#include "crypto/scram_keys.hpp"

#include <fmt/format.h>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace mansio::crypto {

ScramKeys derive_scram_keys(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations) {
  // RFC 5802 §3.
  std::string salted = pbkdf2(hash, password, salt, iterations);
  ScramKeys keys;
  keys.hash = hash;
  keys.iterations = iterations;
  keys.salt = salt;
  keys.stored_key = digest(hash, hmac(hash, salted, "Client Key"));
  keys.server_key = hmac(hash, salted, "Server Key");
  return keys;
}

Result<ScramKeys> parse_scram_keys(std::string_view text) {
  auto fields = split(text, ',');
  if (fields.size() != 4) return fail(Fault::invalid, "SCRAM keys are four fields: iterations, salt and two keys");
  auto iterations = parse_number(fields[0]);
  if (!iterations || *iterations < scram_iterations_min || *iterations > scram_iterations_max) {
    return fail(Fault::invalid, "SCRAM's iterations are from 4096 to 1000000");
  }
  ScramKeys keys;
  keys.iterations = static_cast<std::uint32_t>(*iterations);
  for (auto [field, value] :
       {std::pair(fields[1], &keys.salt), {fields[2], &keys.stored_key}, {fields[3], &keys.server_key}}) {
    auto bytes = base64_decode(field);
    if (!bytes) return fail(Fault::invalid, "SCRAM's salt and keys are base64");
    *value = std::move(*bytes);
  }
  if (keys.salt.empty() || keys.salt.size() > 128) return fail(Fault::invalid, "SCRAM's salt is of 1 to 128 octets");
  if (keys.stored_key.size() != digest_size(keys.hash) || keys.server_key.size() != digest_size(keys.hash)) {
    return fail(Fault::invalid, "SCRAM-SHA-256's keys are of 32 octets");
  }
  return keys;
}

std::string format_scram_keys(const ScramKeys& keys) {
  return fmt::format("{},{},{},{}", keys.iterations, base64_encode(keys.salt), base64_encode(keys.stored_key),
                     base64_encode(keys.server_key));
}

}  // namespace mansio::crypto
