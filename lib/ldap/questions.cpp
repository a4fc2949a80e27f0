#include "ldap/questions.hpp"

namespace mansio::ldap {

event::Task<Result<FoundPtr>> Questions::ask(Search search) {
  std::string key = search.key();
  if (FoundPtr known = cache_.find(key, clock_())) co_return known;
  if (auto other = under_way_.find(key); other != under_way_.end()) {
    std::shared_ptr<UnderWay> same = other->second;
    while (!same->answer) co_await same->done.wait();
    co_return *same->answer;
  }
  auto mine = std::make_shared<UnderWay>();
  under_way_.emplace(key, mine);
  auto found = co_await searcher_.ask(std::move(search));
  if (found) mine->answer.emplace(std::make_shared<const Found>(std::move(*found)));
  else mine->answer.emplace(std::unexpected(found.error()));
  under_way_.erase(key);
  bool uncertain = found && (*mine->answer).value()->referred;
  if (found && !uncertain) cache_.put(key, **mine->answer, clock_());
  mine->done.fire();
  co_return *mine->answer;
}

}  // namespace mansio::ldap
