// Two back ends as one: certificates are looked up in their own file, everything else goes to where passwords are.
#pragma once
#include <memory>

#include "auth/backend.hpp"

namespace mansio::auth {

class Backends final : public Backend {
 public:
  // Either may be null: its questions are then denied.
  Backends(std::shared_ptr<Backend> passwords, std::shared_ptr<Backend> certificates)
      : passwords_(std::move(passwords)), certificates_(std::move(certificates)) {}

  event::Task<sasl::Answer> ask(sasl::Question question, Facts facts) override;
  std::vector<std::string_view> mechanisms() const override;

 private:
  std::shared_ptr<Backend> passwords_, certificates_;
};

}  // namespace mansio::auth
