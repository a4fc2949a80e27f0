#include "deliver/mbox_writer.hpp"

#include <algorithm>
#include <cstring>

#include "deliver/content.hpp"
#include "deliver/packet.hpp"

namespace mansio::deliver {
namespace {

constexpr std::string_view from_word = "From ";

}  // namespace

void FromQuoting::add(std::string_view text, std::string& out) {
  if (!text.empty()) last_ = text.back();
  while (!text.empty()) {
    if (at_start_) {
      char c = text[0];
      if (c == from_word[matched_]) {
        text.remove_prefix(1);
        if (++matched_ < from_word.size()) continue;
        out += '>';
        out += from_word;
      } else if (c == '>' && matched_ == 0) {
        text.remove_prefix(1);
        out += c;
        continue;
      } else {
        out += from_word.substr(0, matched_);
      }
      matched_ = 0;
      at_start_ = false;
      continue;
    }
    const auto* end = static_cast<const char*>(std::memchr(text.data(), '\n', text.size()));
    auto size = end == nullptr ? text.size() : static_cast<std::size_t>(end - text.data()) + 1;
    out += text.substr(0, size);
    text.remove_prefix(size);
    at_start_ = end != nullptr;
  }
}

void FromQuoting::finish(std::string& out) {
  out += from_word.substr(0, matched_);
  matched_ = 0;
  out += last_ == '\n' ? "\n" : "\n\n";
}

Result<> write_mbox_block(const Job& job, int message, std::string_view lead, std::string_view from, const MboxSink& sink) {
  Content content(job, message);
  FromQuoting quoting;
  std::string piece;
  piece.reserve(block_size + block_size / 8);
  piece += lead;
  piece += from;
  for (;;) {
    auto block = content.next();
    if (!block) return std::unexpected(block.error());
    if (block->empty()) break;
    quoting.add(*block, piece);
    if (piece.size() < block_size) continue;
    if (auto done = sink(piece); !done) return done;
    piece.clear();
  }
  quoting.finish(piece);
  return sink(piece);
}

std::string format_mark(const MboxMark& mark) {
  PacketWriter out;
  out.number('1', 1);
  for (auto value : {mark.start, mark.length, mark.checksum, mark.from_line_checksum, mark.from_line_length}) out.number(value, 8);
  return out.take();
}

Result<MboxMark> parse_mark(std::string_view bytes) {
  PacketReader in(bytes);
  MboxMark mark;
  auto version = in.number(1);
  for (auto* value : {&mark.start, &mark.length, &mark.checksum, &mark.from_line_checksum, &mark.from_line_length}) *value = in.number(8);
  constexpr std::uint64_t bound = std::uint64_t(1) << 62;
  if (!in.done() || version != '1' || mark.start > bound || mark.length > bound || mark.from_line_length > 8192) {
    return fail(Fault::invalid, "the mark of an earlier delivery can't be read");
  }
  return mark;
}

}  // namespace mansio::deliver
