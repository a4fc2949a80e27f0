// A message on its way from stdin to the daemon: in memory while it is small, else in a file without a name.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace mansio::sendmail {

class Content {
 public:
  Result<> append(std::string_view bytes);
  std::uint64_t size() const noexcept { return size_; }
  // In order, in pieces of at most `piece_size` bytes; `last` is true for the final one, which is empty for no content.
  static constexpr std::size_t piece_size = 256 * 1024;
  Result<> each_piece(const std::function<Result<>(std::string_view piece, bool last)>& use) const;
  // The first `limit` bytes.
  Result<std::string> head(std::size_t limit) const;

 private:
  Result<> spill();
  std::string memory_;
  UniqueFd file_;
  std::uint64_t size_ = 0;
};

}  // namespace mansio::sendmail
