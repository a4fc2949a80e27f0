#include "config/scan.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>

#include "base/text.hpp"

namespace mansio::config {
namespace {

bool begins_name(char c) { return is_alpha(c) || c == '*'; }
bool in_name(char c) { return is_alnum(c) || c == '*' || c == '_' || c == '-'; }

class Scanner {
 public:
  Scanner(const Source& source, Problems& problems) : source_(source), problems_(problems), rest_(source.text) {}

  Scanned run() {
    keys_.emplace_back();
    while (!rest_.empty()) token();
    return std::move(out_);
  }

 private:
  void token() {
    char c = rest_[0];
    if (rest_.starts_with("/*")) copy_through("*/", 2);
    else if (c == '#' || rest_.starts_with("//")) copy(std::min(rest_.find('\n'), rest_.size()));
    else if (c == '"') string();
    else if (begins_name(c)) name();
    else if (is_digit(c)) number();
    else if (c == '@') directive();
    else punctuation(c);
  }

  void copy(std::size_t n) {
    for (char c : rest_.substr(0, n)) {
      if (c == '\n') ++line_;
      if (c == '\0') refuse("a NUL byte");
    }
    out_.text.append(rest_.substr(0, n));
    rest_.remove_prefix(n);
  }
  void copy_through(std::string_view end, std::size_t from) {
    auto at = rest_.find(end, from);
    copy(at == std::string_view::npos ? rest_.size() : at + end.size());
  }

  void string() {
    std::size_t n = 1;
    while (n < rest_.size() && rest_[n] != '"') {
      if (rest_.substr(n).starts_with("\\x00")) refuse("a NUL byte");     // libconfig would end the text there
      n += rest_[n] == '\\' ? 2 : 1;
    }
    if (n >= rest_.size()) refuse("a text in quotes that does not end");
    copy(std::min(n + 1, rest_.size()));
  }

  void punctuation(char c) {
    if (c == '{') keys_.emplace_back();
    if (c == '}' && keys_.size() > 1) keys_.pop_back();
    copy(1);
  }

  void name() {
    std::size_t n = 1;
    while (n < rest_.size() && in_name(rest_[n])) ++n;
    std::string word(rest_.substr(0, n));
    auto after = rest_.find_first_not_of(" \t\r\n", n);
    bool is_key = after != std::string_view::npos && (rest_[after] == '=' || rest_[after] == ':');
    copy(n);
    if (!is_key) return;
    auto [first, fresh] = keys_.back().emplace(word, line_);
    if (fresh) return;
    problem(fmt::format("\"{}\" is given twice: here and at {}:{}", word, source_.file, first->second));
    out_.text += twice_mark + std::to_string(problems_.size());
  }

  // libconfig cuts a number past 32 bits that has no L, and says nothing.
  void number() {
    std::size_t n = 1;
    while (n < rest_.size() && (is_alnum(rest_[n]) || rest_[n] == '.')) ++n;
    std::string_view word = rest_.substr(0, n);
    bool hex = word.starts_with("0x") || word.starts_with("0X");
    std::string_view digits = hex ? word.substr(2) : word;
    while (!digits.empty() && ascii_upper(digits.back()) == 'L') digits.remove_suffix(1);
    bool has_l = ascii_upper(word.back()) == 'L';
    std::uint64_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
    if (end != digits.data() + digits.size()) return copy(n);      // a fraction, or nonsense: libconfig will say
    if (error != std::errc() || value > INT64_MAX) problem(fmt::format("the number {} is too large", word));
    copy(n);
    if (!has_l && value > INT32_MAX) out_.text += 'L';
  }

  void directive() {
    if (rest_.starts_with("@include")) refuse("@include, which is not supported: put the file into conf.d/");
    copy(1);
  }

  void refuse(std::string_view what) {
    if (out_.usable) problem(fmt::format("the file holds {}", what));
    out_.usable = false;
  }
  void problem(std::string text) { problems_.push_back({source_.file, line_, std::move(text)}); }

  const Source& source_;
  Problems& problems_;
  std::string_view rest_;
  int line_ = 1;
  std::vector<std::map<std::string, int>> keys_;    // of each group that is open: name and line
  Scanned out_;
};

}  // namespace

Scanned scan(const Source& source, Problems& problems) { return Scanner(source, problems).run(); }

}  // namespace mansio::config
