// What is asked of a directory, with what is known already: equal questions under way share one search, and answers are kept
// for a while (Cache). Errors are not kept.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "event/trigger.hpp"
#include "ldap/cache.hpp"

namespace mansio::ldap {

class Questions {
 public:
  using Clock = std::function<MonotonicTime()>;
  // The searcher outlives it; it outlives what is awaited.
  Questions(Searcher& searcher, Cache cache, Clock clock) : searcher_(searcher), cache_(std::move(cache)), clock_(std::move(clock)) {}

  event::Task<Result<FoundPtr>> ask(Search search);
  const Cache& cache() const noexcept { return cache_; }

 private:
  struct UnderWay {
    UnderWay() = default;
    std::optional<Result<FoundPtr>> answer;
    event::Trigger done;
  };
  Searcher& searcher_;
  Cache cache_;
  Clock clock_;
  std::map<std::string, std::shared_ptr<UnderWay>> under_way_;
};

}  // namespace mansio::ldap
