#include "config/match.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <idn2.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/text.hpp"

namespace mansio::config {
namespace {

Result<std::string> to_a_labels(std::string_view text) {
  if (is_ascii(text)) return to_lower(text);
  if (!is_utf8(text)) return fail(Fault::invalid, "it is not UTF-8");
  char* out = nullptr;
  int rc = idn2_to_ascii_8z(std::string(text).c_str(), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  std::unique_ptr<char, void (*)(void*)> owner(out, idn2_free);
  if (rc != IDN2_OK) return fail(Fault::invalid, idn2_strerror(rc));
  return std::string(out);
}

// RFC 5321 §4.1.3, as mail::Domain's key has it.
std::optional<std::string> canonical_literal(std::string_view text) {
  if (!text.ends_with(']') || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::string inner(text.substr(1, text.size() - 2));
  bool v6 = istarts_with(inner, "IPv6:");
  if (v6) inner.erase(0, 5);
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  int family = v6 ? AF_INET6 : AF_INET;
  if (inet_pton(family, inner.c_str(), bytes.data()) != 1 || inet_ntop(family, bytes.data(), out.data(), out.size()) == nullptr) return std::nullopt;
  return fmt::format("[{}{}]", v6 ? "IPv6:" : "", out.data());
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}

void mask_bits(Network::Bits& bits, int prefix) {
  for (int i = 0; i < 16; ++i) {
    int keep = std::clamp(prefix - i * 8, 0, 8);
    bits[static_cast<std::size_t>(i)] &= static_cast<std::uint8_t>(0xff00u >> keep);
  }
}

}  // namespace

Result<std::string> canonical_domain(std::string_view text) {
  auto bad = [&](std::string_view why) { return fail(Fault::invalid, fmt::format("\"{}\" is no domain: {}", escape(text, 80), why)); };
  if (text.starts_with('[')) {
    auto literal = canonical_literal(text);
    return literal ? Result<std::string>(*literal) : bad("write an address literal as \"[192.0.2.1]\" or \"[IPv6:2001:db8::1]\"");
  }
  if (has_control(text)) return bad("it holds a control character");       // a C string would end at a NUL
  auto name = to_a_labels(text.ends_with('.') ? text.substr(0, text.size() - 1) : text);
  if (!name) return bad(name.error().text());
  if (name->empty()) return bad("it is empty");
  if (name->size() > 253) return bad("it is longer than 253 bytes");     // RFC 1035 §2.3.4, without the root
  for (std::string_view label : split(*name, '.')) {
    if (!is_label(label)) return bad(fmt::format("\"{}\" is no label", escape(label, 63)));
  }
  return name;
}

bool is_look_up(std::string_view name) { return name.starts_with("file:"); }

DomainList::DomainList(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    if (pattern == "*") all_ = true;
    else if (is_look_up(pattern)) look_ups_.push_back(pattern);
    else if (pattern.starts_with("*.")) suffixes_.push_back(to_lower(pattern.substr(1)));
    else exact_.push_back(to_lower(pattern));
  }
  std::ranges::sort(exact_);
  std::ranges::sort(suffixes_);
}

bool DomainList::matches(std::string_view domain) const {
  if (all_) return true;
  std::string key = to_lower(domain.ends_with('.') ? domain.substr(0, domain.size() - 1) : domain);
  if (std::ranges::binary_search(exact_, key)) return true;
  if (suffixes_.empty()) return false;
  for (auto dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
    if (dot > 0 && std::binary_search(suffixes_.begin(), suffixes_.end(), std::string_view(key).substr(dot), std::less<>())) return true;
  }
  return false;
}

Result<std::string> canonical_sender(std::string_view text) {
  if (text == "<>" || text == "*") return std::string(text);
  bool below = text.starts_with("*.");
  auto at = text.rfind('@');
  std::string_view head = below ? "*." : at == std::string_view::npos ? "" : text.substr(0, at + 1);
  if (head == "@") return fail(Fault::invalid, fmt::format("\"{}\" is no sender: write \"user@domain\", \"domain\", \"*.domain\" or \"<>\"", escape(text, 80)));
  auto domain = canonical_domain(text.substr(head.size()));
  if (!domain) return std::unexpected(domain.error());
  return to_lower(head) + *domain;
}

SenderList::SenderList(const std::vector<std::string>& patterns) {
  std::vector<std::string> domains;
  for (const std::string& pattern : patterns) {
    if (pattern == "<>") null_ = true;
    else if (pattern.find('@') != std::string::npos) addresses_.push_back(to_lower(pattern));      // "IPv6:" of a literal, too
    else domains.push_back(pattern);
  }
  std::ranges::sort(addresses_);
  domains_ = DomainList(domains);
}

bool SenderList::matches(std::string_view local, std::string_view domain) const {
  if (local.empty() && domain.empty()) return null_;
  return domains_.matches(domain) || std::ranges::binary_search(addresses_, to_lower(local) + "@" + to_lower(domain));
}

Result<Network::Bits> Network::parse_address(std::string_view text) {
  Bits bits{};
  std::string address(text);
  in_addr v4{};
  bool whole = text.find('\0') == std::string_view::npos;     // a C string would end there
  if (whole && inet_pton(AF_INET6, address.c_str(), bits.data()) == 1) return bits;
  if (!whole || inet_pton(AF_INET, address.c_str(), &v4) != 1) {
    return fail(Fault::invalid, fmt::format("\"{}\" is no IPv4 or IPv6 address", escape(text, 60)));
  }
  bits[10] = bits[11] = 0xff;
  std::memcpy(bits.data() + 12, &v4, 4);
  return bits;
}

Result<Network> Network::parse(std::string_view text) {
  auto slash = text.find('/');
  std::string_view address = text.substr(0, slash);
  auto bits = parse_address(address);
  if (!bits) return std::unexpected(bits.error());
  Network network;
  network.bits_ = *bits;
  if (slash == std::string_view::npos) return network;
  bool v4 = address.find(':') == std::string_view::npos;
  auto prefix = parse_number(text.substr(slash + 1));
  if (!prefix || *prefix > (v4 ? 32u : 128u)) {
    return fail(Fault::invalid, fmt::format("\"{}\": the part after the / must be a number from 0 to {}", escape(text, 60), v4 ? 32 : 128));
  }
  network.prefix_ = static_cast<int>(*prefix) + (v4 ? 96 : 0);
  mask_bits(network.bits_, network.prefix_);
  if (network.bits_ != *bits) {
    char first[INET6_ADDRSTRLEN] = "";
    inet_ntop(v4 ? AF_INET : AF_INET6, network.bits_.data() + (v4 ? 12 : 0), first, sizeof first);
    return fail(Fault::invalid, fmt::format("\"{}\" has bits after its prefix: did you mean \"{}/{}\"?", escape(text, 60), first, *prefix));
  }
  return network;
}

bool Network::contains(const Bits& address) const noexcept {
  Bits bits = address;
  mask_bits(bits, prefix_);
  return bits == bits_;
}

NetworkList::NetworkList(const std::vector<std::string>& entries) {
  for (const std::string& entry : entries) {
    auto network = Network::parse(entry);
    if (network) networks_.push_back(*network);
    else if (is_look_up(entry)) look_ups_.push_back(entry);
  }
}

bool NetworkList::matches(std::string_view address) const {
  auto bits = Network::parse_address(address);
  return bits && std::ranges::any_of(networks_, [&](const Network& network) { return network.contains(*bits); });
}

}  // namespace mansio::config
