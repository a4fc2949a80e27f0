#include "ctl/page.hpp"

#include <vector>

#include "base/text.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

// `text` in lines of at most `room` columns, broken at blanks; a word that is longer stays whole.
std::vector<std::string> wrapped(std::string_view text, std::size_t room) {
  std::vector<std::string> lines(1);
  std::size_t used = 0;
  for (std::string_view word : split(text, ' ')) {
    std::size_t columns = columns_of(word);
    if (used > 0 && room > 0 && used + 1 + columns > room) {
      lines.emplace_back();
      used = 0;
    }
    if (!lines.back().empty() || used > 0) {
      lines.back() += ' ';
      ++used;
    }
    lines.back() += word;
    used += columns;
  }
  return lines;
}

}  // namespace

std::string Page::short_place(std::string_view place) const {
  if (!directory_.empty() && place.starts_with(directory_)) place.remove_prefix(directory_.size());
  return escape(place, 300);
}

void Page::line(std::string_view first, std::string_view next, std::string_view text, std::string_view place) {
  std::size_t before = columns_of(first);
  std::size_t room = width_ > before + 20 ? width_ - before : 0;
  auto lines = wrapped(text, room);
  std::string where = place.empty() ? std::string() : short_place(place);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text_ += i == 0 ? first : next;
    text_ += lines[i];
    bool last = i + 1 == lines.size();
    if (last && !where.empty()) {
      std::size_t used = columns_of(lines[i]), wide = columns_of(where);
      if (room == 0) text_ += "  " + dress("[" + where + "]", Look::dim);
      else if (used + 2 + wide <= room) text_ += std::string(room - used - wide, ' ') + dress(where, Look::dim);
      else text_ += "\n" + std::string(width_ > wide ? width_ - wide : 0, ' ') + dress(where, Look::dim);
    }
    text_ += '\n';
  }
}

}  // namespace mansio::ctl
