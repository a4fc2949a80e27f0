// OAuth 2 bearer tokens: OAUTHBEARER (RFC 7628) and XOAUTH2, its forerunner (Google's and Microsoft's documents).
//   OAUTHBEARER  n,a=user,^Ahost=…^Aport=…^Aauth=Bearer TOKEN^A^A
//   XOAUTH2      user=USER^Aauth=Bearer TOKEN^A^A
// A refused client is sent a line of JSON, answers it with anything, and only then gets its 535 (RFC 7628 §3.2.3).
#pragma once
#include <optional>
#include <string>

#include "base/result.hpp"
#include "sasl/server.hpp"

namespace mansio::sasl {

struct BearerMessage {
  std::string user;        // empty: OAUTHBEARER without an authzid
  std::string_view token;  // within the text that was parsed
};
Result<BearerMessage> parse_oauthbearer(std::string_view text);
Result<BearerMessage> parse_xoauth2(std::string_view text);

class BearerServer final : public Server {
 public:
  enum class Form : std::uint8_t { oauthbearer, xoauth2 };
  explicit BearerServer(Form form) : form_(form) {}

 private:
  Step heard(std::string_view response) override;
  Step told(const Answer& answer) override;

  std::string user_;
  std::optional<Failed> failed_;  // said after the client's last word
  Form form_;
};

}  // namespace mansio::sasl
