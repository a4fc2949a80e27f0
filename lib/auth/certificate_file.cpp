#include "auth/certificate_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "table/passwd_file.hpp"

namespace mansio::auth {
namespace {

constexpr std::size_t fingerprint_digits = 64;

// Lower-case hex without colons; "" when it is no fingerprint.
std::string canonical_fingerprint(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == ':') continue;
    c = ascii_lower(c);
    if (!is_digit(c) && (c < 'a' || c > 'f')) return {};
    out += c;
  }
  return out.size() == fingerprint_digits ? out : std::string();
}

}  // namespace

CertificateFile::Loaded CertificateFile::load(std::string_view text) {
  auto file = std::make_shared<CertificateFile>();
  Loaded out;
  std::size_t number = 0;
  for (auto line : split(text, '\n')) {
    ++number;
    line = trim(line);
    if (line.empty() || line[0] == '#') continue;
    auto end = line.find_first_of(" \t");
    auto fingerprint = canonical_fingerprint(line.substr(0, end));
    auto user = end == std::string_view::npos ? std::string() : table::canonical_user_name(trim(line.substr(end)));
    if (fingerprint.empty()) {
      out.problems.push_back(fmt::format("line {}: no SHA-256 fingerprint, which has 64 hexadecimal digits", number));
    } else if (user.empty()) {
      out.problems.push_back(fmt::format("line {}: no name of a user after the fingerprint", number));
    } else {
      auto& users = file->users_[fingerprint];
      if (std::ranges::find(users, user) == users.end()) users.push_back(user);
    }
  }
  out.file = std::move(file);
  return out;
}

std::string CertificateFile::find(std::string_view fingerprint, std::string_view wanted) const {
  auto it = users_.find(fingerprint);
  if (it == users_.end()) return {};
  if (wanted.empty()) return it->second.size() == 1 ? it->second.front() : std::string();
  auto name = table::canonical_user_name(wanted);
  return std::ranges::find(it->second, name) == it->second.end() ? std::string() : name;
}

event::Task<sasl::Answer> CertificateBackend::ask(sasl::Question question, Facts facts) {
  std::string user;
  if (question.kind == sasl::Question::Kind::certificate && !facts.fingerprint.empty()) user = file_->find(facts.fingerprint, question.user);
  if (user.empty()) co_return sasl::Answer(sasl::Answer::Verdict::denied);
  co_return sasl::Answer(sasl::Answer::Verdict::accepted, std::move(user));
}

}  // namespace mansio::auth
