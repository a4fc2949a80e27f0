#include "smtp/reply.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/text.hpp"

namespace mansio::smtp {
namespace {

constexpr std::size_t reply_line_limit = 512, reply_lines_limit = 200;

std::string wire_text(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\t') out += ' ';
    else if (is_control(c) || is_8bit(c)) fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out;
}

// The lines of the text, none longer than `room`, cut at a blank where there is one.
std::vector<std::string> reply_lines(std::string_view text, std::size_t room) {
  std::vector<std::string> lines;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  for (std::string_view part : split(text, '\n')) {
    if (part.ends_with('\r')) part.remove_suffix(1);
    std::string line = wire_text(part);
    while (line.size() > room && lines.size() < reply_lines_limit) {
      auto cut = line.rfind(' ', room);
      if (cut == std::string::npos || cut == 0) cut = room;
      lines.push_back(line.substr(0, cut));
      line.erase(0, cut + (line[cut] == ' ' ? 1 : 0));
    }
    if (lines.size() >= reply_lines_limit) break;
    lines.push_back(std::move(line));
  }
  return lines;
}

// One line that stands for itself, as nearly all replies are.
bool is_plain_line(std::string_view text) { return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; }); }

}  // namespace

void append_reply(std::string& out, const Status& status) {
  std::string enhanced = status.enhanced_text();
  if (!enhanced.empty()) enhanced += ' ';
  if (enhanced.size() + status.text().size() <= reply_line_limit - 6 && is_plain_line(status.text())) {
    out += std::to_string(status.code());
    out += ' ';
    out += enhanced;
    out += status.text();
    out += "\r\n";
    return;
  }
  auto lines = reply_lines(status.text(), reply_line_limit - 6 - enhanced.size());   // "250-", CRLF
  for (std::size_t i = 0; i < lines.size(); ++i) {
    char separator = i + 1 < lines.size() ? '-' : ' ';
    fmt::format_to(std::back_inserter(out), "{}{}{}{}\r\n", status.code(), separator, enhanced, lines[i]);
  }
}

std::string format_reply(const Status& status) {
  std::string out;
  append_reply(out, status);
  return out;
}

std::string format_ehlo(std::string_view host, std::span<const std::string> keywords) {
  std::string text(host);
  for (const std::string& keyword : keywords) text += '\n' + keyword;
  return format_reply(Status(250, std::move(text)));
}

}  // namespace mansio::smtp
