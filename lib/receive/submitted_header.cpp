#include "receive/submitted_header.hpp"

#include <fmt/format.h>

namespace mansio::receive {
namespace {

Status too_long() { return Status(554, 6, 0, "the header is longer than 256 KiB"); }

}  // namespace

std::expected<std::optional<std::string>, Status> SubmittedHeader::take(std::string_view piece) {
  scanner_.feed(piece);
  held_ += piece;
  if (!scanner_.done()) {
    if (held_.size() > limit && lenient_) return std::optional<std::string>(std::move(held_));
    if (held_.size() > limit) return std::unexpected(too_long());
    return std::optional<std::string>();
  }
  auto all = finish();
  if (!all) return std::unexpected(all.error());
  return std::optional<std::string>(std::move(*all));
}

std::expected<std::string, Status> SubmittedHeader::finish() {
  auto header = mail::rewrite_submission(held_, facts_);
  // Its end came in the piece that took it over the limit: no other case than when it came in small ones.
  bool long_one = header && header->replaces > limit;
  if ((!header || long_one) && lenient_) return std::move(held_);
  if (long_one) return std::unexpected(too_long());
  if (!header) return std::unexpected(Status(554, 6, 0, header.error().text()));
  if (allowed_) {
    for (const mail::Address& address : header->from) {
      if (!allowed_(address)) return std::unexpected(Status(550, 7, 1, fmt::format("you may not write From: {}", address.text())));
    }
    if (header->sender && !allowed_(*header->sender)) {
      return std::unexpected(Status(550, 7, 1, fmt::format("you may not write Sender: {}", header->sender->text())));
    }
  }
  signature_broken_ = header->signature_broken;
  std::string out = std::move(header->text);
  out += std::string_view(held_).substr(header->replaces);
  held_ = std::string();
  return out;
}

}  // namespace mansio::receive
