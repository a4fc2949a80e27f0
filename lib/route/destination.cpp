#include "route/destination.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mansio::route {

std::string Destination::key() const {
  switch (kind) {
    case DestinationKind::mailbox: return fmt::format("mailbox {} {}", uid, path);
    case DestinationKind::file: return fmt::format("file {} {}", uid, path);
    case DestinationKind::program: {
      std::string words = fmt::format("program {}", uid);
      for (const auto& word : command) words += fmt::format(" {}:{}", word.size(), word);
      return words;
    }
    // A file of the directory names its receivers: each of them is to be there.
    case DestinationKind::drop: return fmt::format("drop {} for {}", path, address.text());
    // RFC 5321 §2.4: only the host of the mailbox knows whether case matters in a local part.
    case DestinationKind::remote: return fmt::format("remote {} {}@{}", route, address.local().value(), address.domain().key());
    case DestinationKind::discard: return "discard";
  }
  return {};
}

Status Resolution::status() const {
  auto temporary = std::ranges::find_if(refusals, [](const Refusal& refusal) { return refusal.status.temporary(); });
  if (temporary != refusals.end()) return temporary->status;
  if (destinations.empty() && !refusals.empty()) return refusals.front().status;
  return Status();
}

}  // namespace mansio::route
