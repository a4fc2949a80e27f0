// What `sendmail` does to a message before it submits it. Pure: bytes as the caller wrote them in, pieces of content
// out, each line ended by CRLF. A lone dot ends it unless told otherwise; NUL is refused; Bcc and Resent-Bcc fields are
// dropped; Date, Message-ID and From are added where they are missing (RFC 5322 §3.6, for Resent-… §3.6.6).
// Only the header is held in memory, bounded; the body passes through.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/result.hpp"
#include "mail/address.hpp"
#include "mail/line_ends.hpp"

namespace mansio::sendmail {

struct MessageOptions {
  MessageOptions(mail::Domain domain, std::string host) : qualify(std::move(domain)), host_name(std::move(host)) {}
  mail::Domain qualify;         // follows the @ of unqualified addresses
  std::string host_name;        // right side of Message-ID
  bool dot_ends = true;
  bool extract = false;         // -t
  std::string from;             // value of a From field to add: "Name <user@example.org>"
  Time now{};
  std::string unique;           // left side of Message-ID, apart from the time
};

class MessageBuilder {
 public:
  explicit MessageBuilder(MessageOptions options) : options_(std::move(options)), lines_(options_.dot_ends) {}

  // Content that is ready, appended to `out`. Fault::invalid: NUL, or (with -t) an address list that can't be read;
  // Fault::too_long: a header past 16 MiB.
  Result<> feed(std::string_view in, std::string& out);
  Result<> finish(std::string& out);
  bool ended() const noexcept { return lines_.ended(); }

  // With -t, complete after finish(): of To, Cc and Bcc, or of their Resent- forms when any Resent- field is there.
  const std::vector<mail::Address>& recipients() const noexcept { return recipients_; }
  bool has_eight_bit() const noexcept { return eight_bit_; }
  // Of a leading line "From address date" (rmail); "" without one.
  const std::string& mbox_sender() const noexcept { return mbox_sender_; }

 private:
  Result<> take_header(bool complete, std::string& out);
  Result<> extract_recipients(std::string_view header);
  void pass(std::string& out);

  MessageOptions options_;
  mail::LineNormalizer lines_;
  std::string held_;                      // lines not passed on yet
  std::size_t searched_ = 0;              // of held_: no end of the header before it
  bool first_line_known_ = false, in_body_ = false, eight_bit_ = false;
  std::vector<mail::Address> recipients_;
  std::string mbox_sender_;
};

// "Full Name <address>", the name quoted or encoded as it needs (RFC 5322 §3.2.5, RFC 2047 §5); "address" without one.
std::string format_mailbox(std::string_view name, const mail::Address& address);

}  // namespace mansio::sendmail
