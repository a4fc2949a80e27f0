#include "mail/list.hpp"

#include <optional>
#include <string>

#include "base/text.hpp"

namespace mansio::mail {
namespace {

constexpr int comment_depth_limit = 100;

constexpr bool is_list_special(char c) noexcept { return std::string_view("()<>[]:;@\\,.\"").find(c) != std::string_view::npos; }
constexpr bool is_white(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Reads the list member by member; one pass, no going back.
class ListParser {
 public:
  ListParser(std::string_view text, const Domain& qualify) : text_(text), qualify_(qualify) {}

  Result<std::vector<ListMember>> run() {
    while (at_ < text_.size()) {
      auto step = token();
      if (!step) return std::unexpected(step.error());
    }
    if (in_angle_) return bad("no closing >");
    auto last = end_member();   // a group without its ";" is closed by the end of the field
    if (!last) return std::unexpected(last.error());
    return std::move(found_);
  }

 private:
  Result<> token() {
    char c = text_[at_];
    token_ = at_;
    if (is_white(c)) {
      ++at_;
      return {};
    }
    switch (c) {
      case '(': return comment();
      case '"': return quoted();
      case '[': return literal();
      case '<': return open_angle();
      case '>': return close_angle();
      case '@': return at_sign();
      case ':': return colon();
      case ';': return semicolon();
      case ',': return comma();
      case '.': return dot();
      case ')': case ']': case '\\': return bad("stray character");
      default: return atom();
    }
  }

  Result<> comment() {
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '\\') ++at_;
      else if (c == '(' && ++depth > comment_depth_limit) return bad("comments nest too deep");
      else if (c == ')' && --depth == 0) {
        ++at_;
        return {};
      }
    }
    return bad("comment without its end");
  }

  Result<> quoted() {
    std::string word;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      if (text_[at_] != '\r' && text_[at_] != '\n') word += text_[at_];   // folding inside of quotes
    }
    if (at_ >= text_.size()) return bad("quoted string without its end");
    ++at_;
    return add_word(word);
  }

  Result<> atom() {
    auto start = at_;
    while (at_ < text_.size() && !is_white(text_[at_]) && !is_list_special(text_[at_])) ++at_;
    return add_word(text_.substr(start, at_ - start));
  }

  Result<> literal() {
    auto end = text_.find(']', at_);
    if (end == std::string_view::npos || !domain_) return bad("stray [");
    std::string_view word = text_.substr(at_, end - at_ + 1);
    at_ = end + 1;
    return add_word(word);
  }

  Result<> add_word(std::string_view word) {
    if (after_angle_) return bad("words after the >");
    if (word_open_) phrase_ = true;   // two words with no dot between: a display name
    add_part(word);
    word_open_ = any_ = true;
    return {};
  }

  // The token from token_ to at_ belongs to the local part or to the domain.
  void add_part(std::string_view part) {
    if (!domain_ || domain_->empty()) part_begin_ = domain_ ? token_ : at_;
    part_end_ = at_;
    (domain_ ? *domain_ : local_) += part;
  }

  Result<> dot() {
    ++at_;
    if (after_angle_) return bad("words after the >");
    add_part(".");
    word_open_ = false;
    any_ = true;
    return {};
  }

  Result<> at_sign() {
    ++at_;
    if (in_angle_ && !any_) return route();
    if (domain_ || !any_) return bad("stray @");
    domain_.emplace();
    word_open_ = false;
    return {};
  }

  // RFC 5322 §4.4 obs-route: "@a,@b:" before the address, dropped.
  Result<> route() {
    while (at_ < text_.size() && text_[at_] != ':') {
      char c = text_[at_];
      if (!is_white(c) && !is_alnum(c) && !is_8bit(c) && std::string_view("@,.-_").find(c) == std::string_view::npos) {
        return bad("malformed route");
      }
      ++at_;
    }
    if (at_ == text_.size()) return bad("malformed route");
    ++at_;
    return {};
  }

  Result<> open_angle() {
    ++at_;
    if (in_angle_ || after_angle_ || domain_) return bad("stray <");
    reset_words();   // what came was the display name
    in_angle_ = true;
    return {};
  }

  Result<> close_angle() {
    ++at_;
    if (!in_angle_) return bad("stray >");
    in_angle_ = false;
    after_angle_ = true;
    return {};
  }

  Result<> colon() {
    ++at_;
    if (in_angle_ || in_group_ || after_angle_ || domain_ || !any_) return bad("stray :");
    in_group_ = true;
    reset_words();
    member_ = at_;
    return {};
  }

  Result<> semicolon() {
    if (!in_group_) return bad("stray ;");
    in_group_ = false;
    return comma();
  }

  Result<> comma() {
    ++at_;
    if (in_angle_) return bad("no closing >");
    auto ended = end_member();
    member_ = at_;
    return ended;
  }

  Result<> end_member() {
    if (!any_ && !after_angle_) return {};   // an empty member, obsolete but harmless
    if (phrase_ || (domain_ && domain_->empty())) return bad("no address");
    auto local = LocalPart::from_unquoted(local_);
    if (!local) return bad(local.error().text());
    if (!domain_) {
      found_.push_back({Address(std::move(*local), qualify_), false, member_, part_end_, part_end_});
    } else {
      auto domain = Domain::parse(*domain_);
      if (!domain) return bad(domain.error().text());
      found_.push_back({Address(std::move(*local), std::move(*domain)), true, member_, part_begin_, part_end_});
    }
    reset_words();
    after_angle_ = false;
    return {};
  }

  void reset_words() {
    local_.clear();
    domain_.reset();
    any_ = word_open_ = phrase_ = false;
  }

  std::unexpected<Error> bad(std::string_view why) const {
    std::string_view member = trim(text_.substr(member_, 200));
    return fail(Fault::invalid, "address list: " + std::string(why) + " in " + escape(member, 100));
  }

  std::string_view text_;
  const Domain& qualify_;
  std::vector<ListMember> found_;
  std::size_t at_ = 0, token_ = 0, member_ = 0;   // token_, member_: where the current ones began
  std::size_t part_begin_ = 0, part_end_ = 0;     // of the domain; without one, both at the end of the local part
  std::string local_;                 // of the current member, unquoted
  std::optional<std::string> domain_;
  bool any_ = false, word_open_ = false, phrase_ = false, in_angle_ = false, after_angle_ = false, in_group_ = false;
};

}  // namespace

Result<std::vector<ListMember>> parse_list_members(std::string_view value, const Domain& qualify) {
  return ListParser(value, qualify).run();
}

Result<std::vector<Address>> parse_address_list(std::string_view value, const Domain& qualify) {
  auto members = parse_list_members(value, qualify);
  if (!members) return std::unexpected(members.error());
  std::vector<Address> found;
  found.reserve(members->size());
  for (ListMember& member : *members) found.push_back(std::move(member.address));
  return found;
}

}  // namespace mansio::mail
