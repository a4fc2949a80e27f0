// Up to three back ends as one: certificates are looked up in their own file, tickets are Kerberos', everything else goes to
// where passwords are.
#pragma once
#include <memory>

#include "auth/backend.hpp"

namespace mansio::auth {

class Backends final : public Backend {
 public:
  // Each may be null: its questions are then denied.
  Backends(std::shared_ptr<Backend> passwords, std::shared_ptr<Backend> certificates, std::shared_ptr<Backend> tickets = nullptr)
      : passwords_(std::move(passwords)), certificates_(std::move(certificates)), tickets_(std::move(tickets)) {}

  event::Task<sasl::Answer> ask(sasl::Question question, Facts facts) override;
  std::vector<std::string_view> mechanisms() const override;

 private:
  const std::shared_ptr<Backend>& asked(sasl::Question::Kind kind) const;

  std::shared_ptr<Backend> passwords_, certificates_, tickets_;
};

}  // namespace mansio::auth
