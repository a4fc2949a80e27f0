#include "auth/file_backend.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "asking.hpp"
#include "crypto/password.hpp"
#include "event/timer.hpp"

namespace mansio::auth {
namespace {

using sasl::Question;

std::shared_ptr<const UserFile> users_of(const std::string& text, const sasl::Decoy& decoy) {
  return UserFile::load(text, "example.org", decoy).users;
}

std::string entry(const char* scheme, const char* password) {
  auto made = crypto::make_password_entry(scheme, password);
  REQUIRE(made);
  return *made;
}

std::string asked(event::OnLoop& on, Backend& backend, const std::string& user, const std::string& password, const std::string& client = "192.0.2.9") {
  return words_of(ask(on, backend, password_question(user, password), from(client)));
}

}  // namespace

TEST_CASE("passwords of every scheme are checked, by every form of the name") {
  sasl::Decoy decoy;
  std::string text = "plain:{PLAIN}geheim\n";
  for (const char* scheme : {"SHA512-CRYPT", "BLF-CRYPT", "CRYPT", "SSHA256", "SSHA512", "SCRAM-SHA-256"}) {
    text += std::string(scheme) + ":" + entry(scheme, "geheim") + ":::::\n";
  }
  event::OnLoop on;
  FileBackend backend(on.loop, decoy, users_of(text, decoy), {});
  for (const char* user : {"plain", "sha512-crypt", "BLF-CRYPT", "crypt@example.org", "SSHA256@Example.Org", "ssha512", "scram-sha-256"}) {
    INFO(user);
    CHECK(asked(on, backend, user, "geheim").starts_with("accepted "));
    CHECK(asked(on, backend, user, "Geheim") == "denied");
    CHECK(asked(on, backend, user, "") == "denied");
    CHECK(asked(on, backend, user, std::string(crypto::password_max + 1, 'x')) == "denied");
  }
  CHECK(asked(on, backend, "Crypt@EXAMPLE.org", "geheim") == "accepted crypt");
  CHECK(asked(on, backend, "nobody", "geheim") == "denied");
  CHECK(asked(on, backend, "crypt@example.net", "geheim") == "denied");
}

TEST_CASE("for unknown, locked and kept-out users one password is checked, as for those who exist, against the same entry each time") {
  sasl::Decoy decoy(std::string(32, 'd'));
  std::mutex mutex;
  std::vector<std::string> checked;
  FileBackend::Options options;
  options.check = [&](std::string_view entry, std::string_view) -> Result<bool> {
    std::lock_guard lock(mutex);
    checked.emplace_back(entry);
    return true;   // even when it fits by chance
  };
  event::OnLoop on;
  FileBackend backend(on.loop, decoy, users_of("a:{PLAIN}1\nb:{PLAIN}2\nc:{PLAIN}3\nlocked:!\nclosed:{PLAIN}4::::::nologin\nbroken:{ROT13}5\nfar:{PLAIN}6::::::allow_nets=10.0.0.1\n", decoy), options);
  struct Row { const char* user; const char* want; const char* entry; };
  const std::vector<Row> rows{{"a", "accepted a", "{PLAIN}1"}, {"b@example.org", "accepted b", "{PLAIN}2"}, {"far", "denied", "{PLAIN}6"},
                              {"locked", "denied", ""}, {"closed", "denied", ""}, {"broken", "denied", ""}, {"nobody", "denied", ""}, {"x@y@z", "denied", ""}};
  for (const auto& row : rows) {
    INFO(row.user);
    checked.clear();
    CHECK(asked(on, backend, row.user, "x") == row.want);
    CHECK(asked(on, backend, row.user, "y") == row.want);
    REQUIRE(checked.size() == 2);
    CHECK(checked[0] == checked[1]);
    if (*row.entry != '\0') CHECK(checked[0] == row.entry);
    else CHECK((checked[0] == "{PLAIN}1" || checked[0] == "{PLAIN}2" || checked[0] == "{PLAIN}3" || checked[0] == "{PLAIN}6"));
  }
  backend.use(users_of("", decoy));
  checked.clear();
  CHECK(asked(on, backend, "a", "x") == "denied");
  REQUIRE(checked.size() == 1);
  CHECK(checked[0].starts_with("{SCRAM-SHA-256}"));
}

TEST_CASE("keys are given to those who have them, and kept from everybody else as from nobody") {
  sasl::Decoy decoy;
  auto made = entry("SCRAM-SHA-256", "geheim");
  event::OnLoop on;
  FileBackend backend(on.loop, decoy, users_of("a:" + made + "\nb:" + entry("SSHA256", "x") + "\nfar:" + made + "::::::allow_nets=10.0.0.1\nclosed:" + made + "::::::nologin\n", decoy), {});
  auto keys = [&](const char* user) { return ask(on, backend, Question(Question::Kind::keys, user)); };
  auto answer = keys("A@example.org");
  CHECK(words_of(answer) == "accepted a");
  REQUIRE(answer.keys);
  CHECK(answer.keys == crypto::scram_keys_of(made).value());
  for (const char* user : {"b", "far", "closed", "nobody", ""}) {
    INFO(user);
    CHECK(words_of(keys(user)) == "denied");
    CHECK_FALSE(keys(user).keys);
  }
  CHECK(words_of(ask(on, backend, Question(Question::Kind::token, "a", crypto::Secret("x")))) == "denied");
  CHECK(words_of(ask(on, backend, Question(Question::Kind::certificate, "a"))) == "denied");
}

TEST_CASE("SCRAM is offered when everybody can use it, or when that is asked for") {
  using Names = std::vector<std::string_view>;
  const Names plain{"PLAIN", "LOGIN"}, all{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"};
  sasl::Decoy decoy;
  event::OnLoop on;
  auto hashed = "h:" + entry("SSHA256", "x") + "\n";
  FileBackend backend(on.loop, decoy, users_of("a:{PLAIN}x\nlocked:!\n", decoy), {});
  CHECK(backend.mechanisms() == all);
  backend.use(users_of("a:{PLAIN}x\n" + hashed, decoy));
  CHECK(backend.mechanisms() == plain);
  FileBackend::Options some;
  some.scram_for_some = true;
  FileBackend eager(on.loop, decoy, users_of("a:{PLAIN}x\n" + hashed, decoy), some);
  CHECK(eager.mechanisms() == all);
  eager.use(users_of(hashed, decoy));
  CHECK(eager.mechanisms() == plain);
}

TEST_CASE("decoys take the shape of the file's keys") {
  sasl::Decoy decoy;
  auto keys = "{SCRAM-SHA-256}" + crypto::format_scram_keys(crypto::derive_scram_keys(crypto::Hash::sha256, "x", "twelve bytes", 5000));
  event::OnLoop on;
  FileBackend backend(on.loop, decoy, users_of("a:" + keys + "\n", decoy), {});
  CHECK(decoy.keys("nobody", crypto::Hash::sha256).iterations == 5000);
  CHECK(decoy.keys("nobody", crypto::Hash::sha256).salt.size() == 12);
}

namespace {

// Lets checks begin and holds them.
struct Gate {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
  void wait() {
    std::unique_lock lock(mutex);
    opened.wait(lock, [this] { return open; });
  }
  void let_go() {
    std::lock_guard lock(mutex);
    open = true;
    opened.notify_all();
  }
};

event::Task<> fill_and_overflow(event::OnLoop* on, FileBackend* backend, Gate* gate, std::vector<std::string>* out) {
  static const Question question = password_question("a", "1");
  static const Facts facts = from("192.0.2.1");
  std::vector<sasl::Answer> answers(5, sasl::Answer(sasl::Answer::Verdict::unavailable));
  for (std::size_t i = 0; i < 4; ++i) on->scope.spawn(put(backend, &question, &facts, &answers[i]));
  auto over = put(backend, &question, &facts, &answers[4]);
  co_await over;   // at once, while the others are held
  backend->use(UserFile::load("", "", sasl::Decoy()).users);   // those under way end with what they began with
  gate->let_go();
  while (on->scope.running() > 1) {
    event::Timer timer(on->loop);
    co_await timer.sleep(Duration(1));
  }
  for (const auto& answer : answers) out->push_back(words_of(answer));
}

}  // namespace

TEST_CASE("more checks than may wait are unavailable at once, and a reload does not disturb those under way") {
  sasl::Decoy decoy;
  Gate gate;
  FileBackend::Options options;
  options.waiting = 4;
  options.check = [&](std::string_view entry, std::string_view password) {
    gate.wait();
    return crypto::check_password(entry, password);
  };
  event::OnLoop on;
  FileBackend backend(on.loop, decoy, users_of("a:{PLAIN}1\n", decoy), options);
  std::vector<std::string> answers;
  on.run(fill_and_overflow(&on, &backend, &gate, &answers));
  CHECK(answers == std::vector<std::string>{"accepted a", "accepted a", "accepted a", "accepted a", "unavailable"});
  CHECK(asked(on, backend, "a", "1") == "denied");
}

}  // namespace mansio::auth
