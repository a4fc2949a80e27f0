#include "mail/recipient_fields.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/list.hpp"

namespace mansio::mail {
namespace {

constexpr std::string_view resent = "Resent-";

bool any_resent(std::string_view header) {
  HeaderReader reader(header);
  while (auto field = reader.next()) {
    if (istarts_with(field->name, resent)) return true;
  }
  return false;
}

Result<std::vector<Address>> addresses_of(const HeaderField& field, const Domain& qualify) {
  auto list = parse_address_list(field.value, qualify);
  if (!list) return fail(Fault::invalid, fmt::format("{}: {}", escape(field.name, 60), list.error().text()));
  return list;
}

bool is_to(std::string_view name) { return iequals(name, "To") || iequals(name, "Cc") || iequals(name, "Bcc"); }

}  // namespace

bool is_bcc(std::string_view name) { return iequals(name, "Bcc") || iequals(name, "Resent-Bcc"); }

Result<std::vector<Address>> header_recipients(std::string_view header, const Domain& qualify) {
  std::vector<Address> found;
  std::string_view prefix = any_resent(header) ? resent : std::string_view();
  HeaderReader reader(header);
  while (auto field = reader.next()) {
    if (!istarts_with(field->name, prefix) || !is_to(field->name.substr(prefix.size()))) continue;
    auto list = addresses_of(*field, qualify);
    if (!list) return list;
    found.insert(found.end(), list->begin(), list->end());
  }
  return found;
}

Result<std::optional<Address>> header_sender(std::string_view header, const Domain& qualify) {
  std::string_view prefix = any_resent(header) ? resent : std::string_view();
  std::optional<Address> found;
  HeaderReader reader(header);
  while (auto field = reader.next()) {
    if (!istarts_with(field->name, prefix)) continue;
    std::string_view name = field->name.substr(prefix.size());
    bool sender = iequals(name, "Sender");
    if (!sender && (!iequals(name, "From") || found)) continue;
    auto list = addresses_of(*field, qualify);
    if (!list) return std::unexpected(list.error());
    if (list->empty()) continue;
    found = std::move(list->front());
    if (sender) return found;
  }
  return found;
}

}  // namespace mansio::mail
