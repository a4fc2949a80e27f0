// PAM as a back end. PAM itself runs in processes of its own (deliver/password_check.hpp), which this room does not
// know: whoever wires it gives a function that asks them. PAM sees passwords only, so there are no SCRAM keys.
#pragma once
#include <functional>
#include <string>

#include "auth/backend.hpp"

namespace mansio::auth {

class PamBackend final : public Backend {
 public:
  // What to ask: name and password, and the client's address ("" for a unix socket). Answers in its own time.
  using Check = std::function<event::Task<sasl::Answer>(std::string user, crypto::Secret password, std::string client)>;

  // `default_domain` (canonical, or "") is taken off names, since users of a system have none.
  PamBackend(Check check, std::string default_domain, std::size_t waiting = 200)
      : check_(std::move(check)), default_domain_(std::move(default_domain)), waiting_(waiting) {}

  event::Task<sasl::Answer> ask(sasl::Question question, Facts facts) override;
  std::vector<std::string_view> mechanisms() const override { return {"PLAIN", "LOGIN"}; }

 private:
  std::string login_name(std::string_view name) const;

  Check check_;
  std::string default_domain_;
  std::size_t waiting_, under_way_ = 0;   // more at once are `unavailable`
};

}  // namespace mansio::auth
