// Messages in files: what sendmail leaves in the pickup directory, and badmail with its reason.
#include <fmt/format.h>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "mail/badmail.hpp"
#include "mail/pickup.hpp"

namespace fuzz {

using namespace mansio;

void pickup(std::string_view input) {
  auto raw = mail::parse_pickup(input);
  (void)mail::parse_pickup_line(input.substr(0, mail::pickup_line_size));
  if (input.size() >= mail::pickup_trailer_size) (void)mail::parse_pickup_trailer(input.substr(input.size() - mail::pickup_trailer_size));
  if (raw) require(raw->content.data() >= input.data() && raw->content.size() < input.size(), "content is within the file");
  mail::Envelope envelope;
  envelope.helo = input;
  envelope.recipients.emplace_back(*mail::Address::parse("a@b.test"));
  std::string file = mail::format_pickup_head(envelope) + std::string(input);
  file += mail::format_pickup_trailer(file.size(), checksum(file));
  auto parsed = mail::parse_pickup(file);
  require(parsed && parsed->content == input && parsed->envelope.helo == input, "a whole file is read");
  require(!mail::parse_pickup(std::string_view(file).substr(0, file.size() - 1)), "a cut one is not");
  file[file.size() / 2] = static_cast<char>(file[file.size() / 2] ^ 1);
  require(!mail::parse_pickup(file), "nor one that was changed");
}

void badmail(std::string_view input) {
  if (auto parsed = mail::parse_badmail(input)) {
    std::string text = mail::format_badmail(*parsed, Time(std::chrono::seconds(1'700'000'000)));
    auto again = mail::parse_badmail(text);
    require(again && again->envelope.has_value() == parsed->envelope.has_value(), "what was read can be written");
    if (parsed->envelope) require(mail::format_envelope(*again->envelope) == mail::format_envelope(*parsed->envelope), "and its envelope survives");
  }
  mail::BadmailReason reason;
  reason.id = "1tBx6K-000001-AA";
  reason.why = escape(input, 4000);
  reason.envelope.emplace();
  reason.envelope->helo = input;
  reason.envelope->recipients.emplace_back(*mail::Address::parse("a@b.test"));
  auto back = mail::parse_badmail(mail::format_badmail(reason, Time{}));
  require(back && back->id == reason.id && back->envelope && back->envelope->helo == input, "a reason survives what is in it");
}

}  // namespace fuzz
