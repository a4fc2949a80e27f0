// Fields of a packet, one after the other: little-endian numbers, and texts as a 32-bit length and their bytes.
// The reader keeps its first failure and gives zeros after it, so callers check once, at the end.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mansio::deliver {

class PacketWriter {
 public:
  explicit PacketWriter(std::size_t expected = 0) { out_.reserve(expected); }

  void number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  }
  void text(std::string_view value) {
    number(value.size(), 4);
    out_ += value;
  }
  void texts(const std::vector<std::string>& values) {
    number(values.size(), 2);
    for (const auto& value : values) text(value);
  }
  const std::string& bytes() const noexcept { return out_; }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class PacketReader {
 public:
  explicit PacketReader(std::string_view packet) : left_(packet) {}

  std::uint64_t number(int bytes) {
    if (left_.size() < static_cast<std::size_t>(bytes)) return stop();
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(static_cast<unsigned char>(left_[static_cast<std::size_t>(i)])) << (8 * i);
    left_.remove_prefix(static_cast<std::size_t>(bytes));
    return value;
  }
  bool flag() {
    auto value = number(1);
    if (value > 1) stop();
    return value == 1;
  }
  // Without NUL unless `raw`: everything but content and header lines ends up in a system call as a C string.
  std::string text(std::size_t limit, bool raw = false) {
    return std::string(view(limit, raw));
  }
  // The same within the packet: for what must not be copied about.
  std::string_view view(std::size_t limit, bool raw = false) {
    auto size = number(4);
    if (size > limit || size > left_.size()) return stop(), std::string_view();
    std::string_view value = left_.substr(0, size);
    if (!raw && value.find('\0') != std::string_view::npos) return stop(), std::string_view();
    left_.remove_prefix(size);
    return value;
  }
  std::vector<std::string> texts(std::size_t count_limit, std::size_t limit) {
    std::vector<std::string> values;
    auto count = number(2);
    if (count > count_limit) stop();
    for (std::uint64_t i = 0; i < count && !failed_; ++i) values.push_back(text(limit));
    return values;
  }
  bool done() const noexcept { return !failed_ && left_.empty(); }
  bool failed() const noexcept { return failed_; }

 private:
  std::uint64_t stop() {
    failed_ = true;
    left_ = {};
    return 0;
  }
  std::string_view left_;
  bool failed_ = false;
};

}  // namespace mansio::deliver
