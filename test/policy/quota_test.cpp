#include <catch2/catch.hpp>

#include "policy/quota.hpp"

namespace mansio::policy {
namespace {

using namespace std::chrono_literals;
const MonotonicTime noon = MonotonicTime() + 1000h;

std::pair<std::uint64_t, std::uint64_t> sent(const Quota& quota, const char* login, MonotonicTime now) {
  auto found = quota.last_hour(login, now);
  return {found.messages, found.recipients};
}

}  // namespace

TEST_CASE("messages and recipients of a login count for the last hour, and each login's for itself") {
  Quota quota;
  CHECK(sent(quota, "bob", noon) == std::pair{0ul, 0ul});
  quota.add("bob", 3, noon);
  quota.add("bob", 2, noon + 20min);
  quota.add("alice", 1, noon + 20min);
  CHECK(sent(quota, "bob", noon + 20min) == std::pair{2ul, 5ul});
  CHECK(sent(quota, "alice", noon + 20min) == std::pair{1ul, 1ul});
  CHECK(sent(quota, "bob", noon + 54min) == std::pair{2ul, 5ul});
  CHECK(sent(quota, "bob", noon + 61min) == std::pair{1ul, 2ul});
  CHECK(sent(quota, "bob", noon + 81min) == std::pair{0ul, 0ul});
}

TEST_CASE("what was sent before a long silence does not come back when the login sends again") {
  Quota quota;
  quota.add("bob", 7, noon);
  quota.add("bob", 1, noon + 5h);
  CHECK(sent(quota, "bob", noon + 5h) == std::pair{1ul, 1ul});
  quota.add("bob", 1, noon + 5h + 58min);
  CHECK(sent(quota, "bob", noon + 5h + 59min) == std::pair{2ul, 2ul});
  CHECK(sent(quota, "bob", noon + 6h + 1min) == std::pair{1ul, 1ul});
}

TEST_CASE("a steady sender is counted with what he sent within the hour, not more") {
  Quota quota;
  for (int minute = 0; minute < 600; ++minute) quota.add("bob", 1, noon + std::chrono::minutes(minute));
  auto [messages, recipients] = sent(quota, "bob", noon + 599min);
  CHECK((messages >= 55 && messages <= 60 && recipients == messages));
}

TEST_CASE("logins past the limit push out those who have been silent longest") {
  Quota quota;
  quota.add("old", 1, noon);
  for (int i = 0; i < 100'050; ++i) quota.add("login" + std::to_string(i), 1, noon + 10min);
  CHECK(quota.size() <= 100'000);
  CHECK(sent(quota, "old", noon + 10min).first == 0);
  CHECK(sent(quota, "login100049", noon + 10min).first == 1);
}

}  // namespace mansio::policy
