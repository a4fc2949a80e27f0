// A page of lines for people: a line may have a place (file and line of the configuration) at its right end, dim, and what
// doesn't fit the width goes on below, indented. Width 0: no terminal; lines are as long as they are, places in brackets.
#pragma once
#include <string>
#include <string_view>

namespace mansio::ctl {

class Page {
 public:
  explicit Page(int width) : width_(width < 0 ? 0 : static_cast<std::size_t>(width)) {}

  // All of show() or dress(). `next` stands before what goes on below, as wide as `first`.
  void line(std::string_view first, std::string_view next, std::string_view text, std::string_view place = {});
  void blank() { text_ += '\n'; }
  // Paths below `directory` are shown without it: "mansio.conf:12".
  void shorten(std::string directory) { directory_ = std::move(directory); }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string short_place(std::string_view place) const;

  std::size_t width_;
  std::string directory_, text_;
};

}  // namespace mansio::ctl
