#include "mail/badmail.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/date.hpp"

namespace mansio::mail {
namespace {

constexpr std::string_view undeliverable = "it could be neither delivered nor returned.", not_taken = "it was put into a pickup directory and could not be sent.";
constexpr std::string_view envelope_begins = "\nIts envelope:\n", file_begins = "\nIts file: ", owner_begins = "\nIts owner: ";

// The line after the last `begins`.
std::string last_line(std::string_view text, std::string_view begins) {
  auto at = text.rfind(begins);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + begins.size());
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

std::string format_badmail(const BadmailReason& reason, Time kept) {
  std::string out = fmt::format("{} was kept on {}: {}\n\n{}{}", reason.id, format_date(kept), reason.envelope ? undeliverable : not_taken, reason.why,
                                reason.why.ends_with('\n') ? "" : "\n");
  if (reason.envelope) return out + std::string(envelope_begins) + format_envelope(*reason.envelope);
  return out + std::string(file_begins) + escape(reason.file, 5000) + std::string(owner_begins) + escape(reason.owner, 200) + "\n";
}

Result<BadmailReason> parse_badmail(std::string_view text) {
  BadmailReason out;
  auto head = text.find("\n\n");
  auto first = text.find(" was kept on ");
  if (head == std::string_view::npos || first == std::string_view::npos || first > head) return fail(Fault::invalid, "not a file that says why a message was kept");
  out.id = std::string(text.substr(0, first));
  std::string_view rest = text.substr(head + 1);
  if (text.substr(0, head).ends_with(not_taken)) {
    out.why = std::string(trim(rest.substr(0, rest.rfind(file_begins))));
    out.file = last_line(rest, file_begins);
    out.owner = last_line(rest, owner_begins);
    return out;
  }
  auto at = rest.find(envelope_begins);
  if (at == std::string_view::npos) return fail(Fault::invalid, "it has no envelope");
  auto envelope = parse_envelope(rest.substr(at + envelope_begins.size()));
  if (!envelope) return std::unexpected(envelope.error());
  out.why = std::string(trim(rest.substr(0, at)));
  out.envelope = std::move(*envelope);
  return out;
}

}  // namespace mansio::mail
