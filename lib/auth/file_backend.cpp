#include "auth/file_backend.hpp"

#include "crypto/password.hpp"

namespace mansio::auth {

using sasl::Answer;
using sasl::Question;

FileBackend::FileBackend(event::Loop& loop, sasl::Decoy& decoy, std::shared_ptr<const UserFile> users, Options options)
    : decoy_(decoy), options_(std::move(options)), threads_(loop, "passwords", options_.threads) {
  if (!options_.check) options_.check = crypto::check_password;
  use(std::move(users));
}

void FileBackend::use(std::shared_ptr<const UserFile> users) {
  users_ = std::move(users);
  if (users_->iterations() != 0) decoy_.shape(users_->iterations(), users_->salt_size());
}

std::vector<std::string_view> FileBackend::mechanisms() const {
  std::size_t wanted = options_.scram_for_some ? 1 : users_->usable();
  if (users_->with_keys() == 0 || users_->with_keys() < wanted) return {"PLAIN", "LOGIN"};
  return {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"};
}

event::Task<Answer> FileBackend::ask(Question question, Facts facts) {
  if (question.kind == Question::Kind::keys) co_return keys_of(question, facts);
  if (question.kind == Question::Kind::password) {
    auto task = check_password(std::move(question), std::move(facts));
    auto answer = co_await task;
    co_return answer;
  }
  co_return Answer(Answer::Verdict::denied);
}

Answer FileBackend::keys_of(const Question& question, const Facts& facts) const {
  const UserEntry* entry = users_->find(question.user);
  if (entry == nullptr || !entry->keys || !entry->admits(facts.client_address)) return Answer(Answer::Verdict::denied);
  return Answer(*entry->keys, entry->name);
}

event::Task<Answer> FileBackend::check_password(Question question, Facts facts) {
  if (under_way_ >= options_.waiting) co_return Answer(Answer::Verdict::unavailable);
  ++under_way_;
  auto users = users_;   // a reload may replace it meanwhile
  const UserEntry* entry = users->find(question.user);
  bool known = entry != nullptr && entry->usable;
  const auto& stand_ins = users->stand_ins();
  std::string_view other = stand_ins[decoy_.pick(question.user, stand_ins.size())];
  std::string_view checked = known ? entry->entry.view() : other;
  auto work = [&] { return options_.check(checked, question.secret.view()); };
  auto right = co_await threads_.run(work);
  --under_way_;
  if (!right) co_return Answer(Answer::Verdict::unavailable);
  if (!known || !*right || !entry->admits(facts.client_address)) co_return Answer(Answer::Verdict::denied);
  co_return Answer(Answer::Verdict::accepted, entry->name);
}

}  // namespace mansio::auth
