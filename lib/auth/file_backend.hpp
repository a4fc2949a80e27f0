// The users file as a back end: passwords are checked on threads of their own, the file that is in use can be replaced
// at any time. An unknown or locked user costs the same check as one who exists, against an entry of somebody else
// that the name alone chooses, and gets the same answer (S-087). No success is remembered: every log-in is a check.
#pragma once
#include <functional>
#include <memory>
#include <string_view>

#include "auth/backend.hpp"
#include "auth/user_file.hpp"
#include "event/threads.hpp"

namespace mansio::auth {

class FileBackend final : public Backend {
 public:
  struct Options {
    unsigned threads = 2;
    std::size_t waiting = 200;     // checks at once, under way or waiting; more are `unavailable`
    // SCRAM is offered also when some users have no keys for it, who then can't log in where clients prefer it.
    bool scram_for_some = false;
    // Stands in for crypto::check_password in tests that count.
    std::function<Result<bool>(std::string_view entry, std::string_view password)> check;
  };

  // The decoy is the sessions' too (sasl::ServerContext::decoy). All outlive the back end, which outlives its answers.
  FileBackend(event::Loop& loop, sasl::Decoy& decoy, std::shared_ptr<const UserFile> users, Options options);
  // From now on; checks under way end with the file they began with.
  void use(std::shared_ptr<const UserFile> users);
  void offer_scram_for_some(bool offer) { options_.scram_for_some = offer; }
  const UserFile& users() const noexcept { return *users_; }

  event::Task<sasl::Answer> ask(sasl::Question question, Facts facts) override;
  // SCRAM only when every user who can log in has keys: clients prefer it, and would fail for the others.
  std::vector<std::string_view> mechanisms() const override;

 private:
  event::Task<sasl::Answer> check_password(sasl::Question question, Facts facts);
  sasl::Answer keys_of(const sasl::Question& question, const Facts& facts) const;

  sasl::Decoy& decoy_;
  Options options_;
  std::shared_ptr<const UserFile> users_;
  std::size_t under_way_ = 0;
  event::Threads threads_;
};

}  // namespace mansio::auth
