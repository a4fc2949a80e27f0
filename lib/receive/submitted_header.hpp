// The header of a submitted message on its way to the spool: held until it is whole, then put in order
// (mail/submission.hpp) and held against what the login may claim (RFC 6409 §6.1). Holds at most `limit` octets.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "mail/header.hpp"
#include "mail/submission.hpp"

namespace mansio::receive {

class SubmittedHeader {
 public:
  static constexpr std::size_t limit = 256 << 10;
  // May the login write From, or Sender, this address?
  using Allowed = std::function<bool(const mail::Address& address)>;
  // `lenient`: mail of this machine's programs, of which a header that can't be put in order goes as it is.
  SubmittedHeader(mail::SubmissionFacts facts, Allowed allowed, bool lenient)
      : facts_(std::move(facts)), allowed_(std::move(allowed)), lenient_(lenient) {}

  // The next piece of the content. What take() gives is to be stored: nothing while the header isn't whole, then all that
  // was held, from then on nobody needs this object. finish() when the content ends before.
  //   554 5.6.0  the header is not one that can be sent, or too long    550 5.7.1  it claims another's address
  std::expected<std::optional<std::string>, Status> take(std::string_view piece);
  std::expected<std::string, Status> finish();
  // A change touched what a DKIM signature covers; after take() or finish() gave something.
  bool signature_broken() const noexcept { return signature_broken_; }

 private:
  mail::SubmissionFacts facts_;
  Allowed allowed_;
  mail::HeaderScanner scanner_;
  std::string held_;
  bool lenient_, signature_broken_ = false;
};

}  // namespace mansio::receive
