#include "sasl/simple_clients.hpp"

#include "base/text.hpp"
#include "crypto/password.hpp"
#include "sasl/scram_message.hpp"
#include "sasl/server.hpp"

namespace mansio::sasl {
namespace {

constexpr std::size_t token_max = 8192;

Result<> check_login(const Credentials& credentials) {
  if (auto good = check_credential(credentials.user, user_max, "user name"); !good) return good;
  return check_credential(credentials.password.view(), crypto::password_max, "password");
}

Result<> check_token(const Credentials& credentials) {
  if (auto good = check_credential(credentials.user, user_max, "user name"); !good) return good;
  return check_credential(credentials.token.view(), token_max, "token");
}

// Joined in one go, so that no piece of it is left in freed memory.
crypto::Secret join(std::initializer_list<std::string_view> pieces) {
  std::size_t size = 0;
  for (auto piece : pieces) size += piece.size();
  std::string text;
  text.reserve(size);
  for (auto piece : pieces) text += piece;
  crypto::Secret out(text);
  crypto::wipe(text);
  return out;
}

constexpr std::string_view nul("\0", 1);

}  // namespace

Result<> check_credential(std::string_view text, std::size_t max, const char* what) {
  if (text.empty()) return fail(Fault::invalid, std::string("no ") + what);
  if (text.size() > max) return fail(Fault::invalid, std::string("the ") + what + " is too long");
  if (has_control(text) || !is_utf8(text))
    return fail(Fault::invalid, std::string("the ") + what + " is not printable UTF-8");
  return {};
}

OneMessageClient::OneMessageClient(Result<crypto::Secret> message, std::string last_word, bool may_be_challenged)
    : message_(std::move(message)), last_word_(std::move(last_word)), may_be_challenged_(may_be_challenged) {}

Result<std::optional<crypto::Secret>> OneMessageClient::begin() {
  if (!message_) return std::unexpected(message_.error());
  return std::optional(*message_);
}

Result<crypto::Secret> OneMessageClient::respond(std::string_view) {
  if (!may_be_challenged_ || challenged_) return fail(Fault::invalid, "a challenge that the mechanism does not have");
  challenged_ = true;
  return crypto::Secret(last_word_);
}

Result<std::optional<crypto::Secret>> LoginClient::begin() {
  if (auto good = check_login(credentials_); !good) return std::unexpected(good.error());
  return std::nullopt;
}

// Servers word their two questions as they like; only their order is sure.
Result<crypto::Secret> LoginClient::respond(std::string_view) {
  switch (++asked_) {
    case 1: return crypto::Secret(credentials_.user);
    case 2: return credentials_.password;
    default: return fail(Fault::invalid, "a challenge that the mechanism does not have");
  }
}

std::unique_ptr<Client> make_plain_client(const Credentials& credentials) {
  auto good = check_login(credentials);
  Result<crypto::Secret> message = join({nul, credentials.user, nul, credentials.password.view()});
  if (!good) message = std::unexpected(good.error());
  return std::make_unique<OneMessageClient>(std::move(message), "", false);
}

// No authorization identity: the certificate says it.
std::unique_ptr<Client> make_external_client(const Credentials&) {
  return std::make_unique<OneMessageClient>(crypto::Secret(), "", false);
}

std::unique_ptr<Client> make_oauthbearer_client(const Credentials& credentials) {
  auto good = check_token(credentials);
  // host and port are optional (RFC 7628 §3.1), and known to the server.
  Result<crypto::Secret> message = join({"n,a=", escape_name(credentials.user),
                                         ",\x01"
                                         "auth=Bearer ",
                                         credentials.token.view(), "\x01\x01"});
  if (!good) message = std::unexpected(good.error());
  return std::make_unique<OneMessageClient>(std::move(message), "\x01", true);  // RFC 7628 §3.2.3
}

std::unique_ptr<Client> make_xoauth2_client(const Credentials& credentials) {
  auto good = check_token(credentials);
  Result<crypto::Secret> message = join({"user=", credentials.user,
                                         "\x01"
                                         "auth=Bearer ",
                                         credentials.token.view(), "\x01\x01"});
  if (!good) message = std::unexpected(good.error());
  return std::make_unique<OneMessageClient>(std::move(message), "", true);
}

}  // namespace mansio::sasl
