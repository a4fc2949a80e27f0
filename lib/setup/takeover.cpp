#include "setup/takeover.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "setup/sample.hpp"

namespace mansio::setup {
namespace {

// Walks over tokens: comments and texts in quotes hide what is in them.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  std::vector<TopSetting> run() {
    while (at_ < text_.size()) step();
    return std::move(out_);
  }

 private:
  void step() {
    std::string_view rest = text_.substr(at_);
    char c = rest[0];
    if (rest.starts_with("/*")) return skip_to("*/", 2);
    if (c == '#' || rest.starts_with("//")) return skip_to("\n", 0);
    if (c == '"') return skip_text();
    if (depth_ == 0 && !open_ && is_alpha(c)) return name();
    if (c == '{' || c == '(' || c == '[') ++depth_;
    if ((c == '}' || c == ')' || c == ']') && depth_ > 0) --depth_;
    ++at_;
    if (depth_ == 0 && c == ';' && open_) {
      open_->end = at_;
      out_.push_back(std::move(*open_));
      open_.reset();
    }
  }

  void skip_to(std::string_view end, std::size_t from) {
    auto found = text_.find(end, at_ + from);
    at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  }

  void skip_text() {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_ + 1, text_.size());
  }

  void name() {
    open_.emplace();
    open_->begin = at_;
    while (at_ < text_.size() && (is_alnum(text_[at_]) || text_[at_] == '_')) open_->name += text_[at_++];
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::optional<TopSetting> open_;
  std::vector<TopSetting> out_;
};

// Nothing but blanks and a comment on its first and last line besides it.
bool stands_alone(std::string_view text, const TopSetting& setting) {
  bool begins = setting.begin == 0 || text[setting.begin - 1] == '\n';
  std::string_view after = text.substr(setting.end, std::min(text.find('\n', setting.end), text.size()) - setting.end);
  after = trim(after);
  return begins && (after.empty() || after.starts_with('#') || after.starts_with("//"));
}

std::string commented(std::string_view lines) {
  std::string out;
  for (std::string_view line : split(lines, '\n')) {
    bool plain = trim(line).empty() || trim(line).starts_with('#');
    out += (out.empty() ? "" : "\n") + std::string(plain ? "" : "#") + std::string(line);
  }
  return out;
}

}  // namespace

std::vector<TopSetting> top_settings(std::string_view text) { return Walker(text).run(); }

std::string take_over(std::string_view text, std::string_view sample, std::span<const std::string_view> names) {
  auto known = top_settings(sample);
  std::string out;
  std::size_t done = 0;
  for (const TopSetting& setting : top_settings(text)) {
    if (std::ranges::find(names, setting.name) == names.end() || !stands_alone(text, setting)) continue;
    auto same = std::ranges::find(known, setting.name, &TopSetting::name);
    std::string_view value = text.substr(setting.begin, setting.end - setting.begin);
    if (same == known.end() || value != sample.substr(same->begin, same->end - same->begin)) continue;
    out += text.substr(done, setting.begin - done);
    out += commented(value);
    done = setting.end;
  }
  return out + std::string(text.substr(done));
}

std::string_view sample_text() { return installed_sample; }

}  // namespace mansio::setup
