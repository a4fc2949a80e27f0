// The clients that show what they have: PLAIN, LOGIN, OAUTHBEARER, XOAUTH2; and EXTERNAL, which shows nothing.
#pragma once
#include <string>

#include "sasl/client.hpp"

namespace mansio::sasl {

// All is said in the initial response. A challenge after it is an error report of the token mechanisms, answered so
// that the server can go on to its refusal.
class OneMessageClient final : public Client {
 public:
  OneMessageClient(Result<crypto::Secret> message, std::string last_word, bool may_be_challenged);
  Result<std::optional<crypto::Secret>> begin() override;
  Result<crypto::Secret> respond(std::string_view challenge) override;

 private:
  Result<crypto::Secret> message_;
  std::string last_word_;
  bool may_be_challenged_, challenged_ = false;
};

class LoginClient final : public Client {
 public:
  explicit LoginClient(Credentials credentials) : credentials_(std::move(credentials)) {}
  Result<std::optional<crypto::Secret>> begin() override;
  Result<crypto::Secret> respond(std::string_view challenge) override;

 private:
  Credentials credentials_;
  int asked_ = 0;
};

std::unique_ptr<Client> make_plain_client(const Credentials& credentials);
std::unique_ptr<Client> make_external_client(const Credentials& credentials);
std::unique_ptr<Client> make_oauthbearer_client(const Credentials& credentials);
std::unique_ptr<Client> make_xoauth2_client(const Credentials& credentials);

// Fault::invalid for what no mechanism may carry: empty, too long, control bytes.
Result<> check_credential(std::string_view text, std::size_t max, const char* what);

}  // namespace mansio::sasl
