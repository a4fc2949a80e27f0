#include "sasl/bearer_server.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "sasl/identity.hpp"
#include "sasl/scram_message.hpp"

namespace mansio::sasl {
namespace {

constexpr char separator = '\x01';

std::unexpected<Error> no_bearer(const char* what) { return fail(Fault::invalid, what); }

// b64token (RFC 6750 §2.1).
bool is_token(std::string_view text) {
  std::size_t pads = text.size() - std::min(text.size(), text.find_last_not_of('=') + 1);
  std::string_view body = text.substr(0, text.size() - pads);
  return !body.empty() && std::ranges::all_of(body, [](char c) {
    return is_alnum(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
  });
}

// key=value pairs, each ended by ^A, and one ^A more. Calls `take(key, value)`.
template <class Take>
bool read_pairs(std::string_view text, Take take) {
  if (!text.ends_with("\x01\x01")) return false;
  for (auto pair : split(text.substr(0, text.size() - 2), separator)) {
    std::size_t end = pair.find('=');
    if (end == std::string_view::npos || end == 0 || has_control(pair)) return false;
    if (!std::ranges::all_of(pair.substr(0, end), is_alpha)) return false;  // RFC 7628 §3.1
    if (!take(pair.substr(0, end), pair.substr(end + 1))) return false;
  }
  return true;
}

// The token of "Bearer TOKEN"; the scheme's name in any case of letters (RFC 7628 §3.1).
bool take_bearer(std::string_view value, std::string_view& token) {
  if (!token.empty() || !istarts_with(value, "Bearer ")) return false;
  token = value.substr(7);
  while (token.starts_with(' ')) token.remove_prefix(1);
  return is_token(token);
}

}  // namespace

Result<BearerMessage> parse_oauthbearer(std::string_view text) {
  // gs2-header kvsep *kvpair kvsep (RFC 7628 §3.1). Channel binding is not defined for it.
  if (!text.starts_with("n,") && !text.starts_with("y,")) return no_bearer("OAUTHBEARER without a GS2 header");
  std::string_view rest = text.substr(2);
  std::size_t end = rest.find(',');
  if (end == std::string_view::npos || rest.substr(end + 1, 1) != "\x01")
    return no_bearer("OAUTHBEARER without a GS2 header");
  BearerMessage out;
  if (end > 0) {
    auto name =
        rest.starts_with("a=") ? unescape_name(rest.substr(2, end - 2)) : Result<std::string>(fail(Fault::invalid, ""));
    if (!name) return no_bearer("OAUTHBEARER with a broken authorization identity");
    out.user = std::move(*name);
  }
  bool good = read_pairs(rest.substr(end + 2), [&](std::string_view key, std::string_view value) {
    return key != "auth" || take_bearer(value, out.token);
  });
  if (!good || out.token.empty()) return no_bearer("OAUTHBEARER without a bearer token");
  return out;
}

Result<BearerMessage> parse_xoauth2(std::string_view text) {
  BearerMessage out;
  bool good = read_pairs(text, [&](std::string_view key, std::string_view value) {
    if (key == "auth") return take_bearer(value, out.token);
    if (key != "user" || !out.user.empty()) return false;
    out.user = value;
    return !value.empty();
  });
  if (!good || out.user.empty() || out.token.empty()) return no_bearer("XOAUTH2 without a user and a bearer token");
  return out;
}

Step BearerServer::heard(std::string_view response) {
  if (failed_) return *failed_;
  auto message = form_ == Form::xoauth2 ? parse_xoauth2(response) : parse_oauthbearer(response);
  if (!message) return malformed(message.error().text());
  if (!message->user.empty()) {
    auto user = prepare_user(message->user);
    if (!user) return malformed("the user's name: " + user.error().text());
    user_ = std::move(*user);
  }
  return Question(Question::Kind::token, user_, crypto::Secret(message->token));
}

Step BearerServer::told(const Answer& answer) {
  Step step = conclude(answer, user_);
  auto* failed = std::get_if<Failed>(&step);
  if (failed == nullptr || failed->reason != Failed::Reason::denied) return step;
  failed_ = std::move(*failed);
  // XOAUTH2's word for the same has the status of HTTP.
  return Challenge(form_ == Form::xoauth2 ? R"({"status":"401","schemes":"bearer","scope":"mail"})"
                                          : R"({"status":"invalid_token"})");
}

}  // namespace mansio::sasl
