// The messages of SCRAM (RFC 5802 §5 and §7) as text and as fields. Pure. Both sides read strictly: fields in their
// order, extensions that are mandatory ("m=") refused, others skipped where the grammar has room for them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::sasl {

inline constexpr std::size_t scram_message_max = 2048;  // octets
inline constexpr std::size_t nonce_max = 256;

// gs2-header client-first-message-bare: "p=tls-exporter,a=x,n=user,r=nonce".
struct ClientFirst {
  char flag = 'n';            // n: can't bind; y: could, but thinks that the server can't; p: binds
  std::string binding;        // with 'p': the type's name
  std::string authzid, user;  // unescaped
  std::string nonce;
  std::string gs2, bare;  // the two halves as they were sent
};
Result<ClientFirst> parse_client_first(std::string_view text);

// "r=nonce,s=salt,i=4096"
struct ServerFirst {
  std::string nonce, salt;
  std::uint32_t iterations = 0;
};
Result<ServerFirst> parse_server_first(std::string_view text);

// "c=biws,r=nonce,p=proof"
struct ClientFinal {
  std::string binding;  // of c=: gs2-header and the bytes of the binding, base64 undone
  std::string nonce, proof;
  std::string without_proof;  // as it was sent
};
Result<ClientFinal> parse_client_final(std::string_view text);

// The server signature of "v=…"; Fault::denied with the server's word for "e=…".
Result<std::string> parse_server_final(std::string_view text);

std::string escape_name(std::string_view name);  // "=" as =3D, "," as =2C
Result<std::string> unescape_name(std::string_view text);
bool is_nonce(std::string_view text) noexcept;  // printable ASCII without ",", not empty

std::string exclusive_or(std::string_view a, std::string_view b);  // of the same size

}  // namespace mansio::sasl
