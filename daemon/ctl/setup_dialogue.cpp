#include <bsd/readpassphrase.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "ctl/screen.hpp"
#include "ctl/setup.hpp"
#include "setup/questions.hpp"

namespace mansio::ctl {
namespace {

using setup::Answers;
using setup::Question;

enum class Move : std::uint8_t { next, back, again, stop };

// A line of standard input without its end; nullopt at the end of input.
std::optional<std::string> read_answer() {
  std::string line;
  int c = std::getchar();
  if (c == EOF) return std::nullopt;
  for (; c != EOF && c != '\n'; c = std::getchar()) {
    if (line.size() < 4000) line += static_cast<char>(c);
  }
  return line;
}

void show_kinds(const Answers& answers) {
  static constexpr const char* kinds[] = {"internet   mail comes and goes by SMTP, to each domain's own hosts",
                                          "smarthost  mail comes by SMTP, and leaves through one other host",
                                          "satellite  no mailboxes here: everything goes to the smart host",
                                          "local      mail stays on this machine"};
  for (std::size_t i = 0; i < std::size(kinds); ++i) {
    bool chosen = static_cast<std::size_t>(answers.site) == i;
    fmt::print("  {} {}. {}\n", chosen ? "*" : " ", i + 1, kinds[i]);
  }
}

Move ask_secretly(const Question& question, Answers& answers, bool kept) {
  std::array<char, 1024> buffer{};
  std::string prompt = fmt::format("{}{}: ", question.title, kept ? " (empty: as it is)" : "");
  if (::readpassphrase(prompt.c_str(), buffer.data(), buffer.size(), RPP_REQUIRE_TTY) == nullptr) return Move::stop;
  std::string_view typed(buffer.data());
  Move move = typed == "<" ? Move::back : typed.empty() && !kept && answers.password.empty() ? Move::again : Move::next;
  if (move == Move::again) fmt::print("  {}\n", dress("a password is needed", Look::bad));
  if (move == Move::next && !typed.empty()) {
    auto put = setup::put_answer(answers, question.name, typed);
    if (!put) {
      fmt::print("  {}\n", show(put.error().text(), Look::bad));
      move = Move::again;
    }
  }
  ::explicit_bzero(buffer.data(), buffer.size());
  return move;
}

Move ask_one(const Question& question, Answers& answers, bool password_is_kept) {
  fmt::print("\n{}\n", dress(std::string(question.title), Look::bold));
  if (question.name == "site") show_kinds(answers);
  else fmt::print("  {}\n", dress(std::string(question.explanation), Look::dim));
  if (question.name == "smart_host_password") return ask_secretly(question, answers, password_is_kept);
  std::string now = setup::answer_text(answers, question.name);
  fmt::print("[{}]: ", show(now));
  std::fflush(stdout);
  auto line = read_answer();
  if (!line) return Move::stop;
  std::string_view typed = trim(*line);
  if (typed == "<") return Move::back;
  bool none = typed == "-" && !question.needed;
  if (typed.empty() && (!now.empty() || !question.needed)) return Move::next;
  auto put = typed.empty() ? Result<>(fail(Fault::invalid, "an answer is needed")) : setup::put_answer(answers, question.name, none ? std::string_view() : typed);
  if (put) return Move::next;
  fmt::print("  {}\n", show(put.error().text(), Look::bad));
  return Move::again;
}

}  // namespace

std::optional<Answers> ask_questions(Answers answers, bool password_is_kept) {
  fmt::print("An empty answer takes what stands in brackets, \"-\" is none at all, \"<\" goes back, Ctrl-D gives up.\n");
  auto questions = setup::questions();
  std::string user_before = answers.user;
  std::vector<std::size_t> asked;
  std::size_t at = 0;
  while (at < questions.size()) {
    const Question& question = questions[at];
    if (!setup::matters(answers, question.name)) {
      ++at;
      continue;
    }
    switch (ask_one(question, answers, password_is_kept && answers.user == user_before)) {
      case Move::next: asked.push_back(at++); break;
      case Move::again: break;
      case Move::stop: fmt::print("\n"); return std::nullopt;
      case Move::back:
        if (!asked.empty()) {
          at = asked.back();
          asked.pop_back();
        }
        break;
    }
  }
  return answers;
}

}  // namespace mansio::ctl
