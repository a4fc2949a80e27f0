#include "packet.hpp"

#include <arpa/inet.h>

#include "base/text.hpp"

namespace mansio::dns {

std::string record::number16(unsigned n) {
  std::string out;
  out += static_cast<char>(n >> 8);
  out += static_cast<char>(n);
  return out;
}
std::string record::number32(std::uint32_t n) { return number16(n >> 16) + number16(n & 0xffff); }

std::string record::name(std::string_view text) {
  std::string out;
  if (!text.empty()) {
    for (std::string_view label : split(text, '.')) {
      out += static_cast<char>(label.size());
      out += label;
    }
  }
  return out + '\0';
}

std::string record::mx_data(unsigned preference, std::string_view host) { return number16(preference) + name(host); }

std::string record::address(std::string_view text) {
  char octets[16];
  std::string zero(text);
  if (inet_pton(AF_INET, zero.c_str(), octets) == 1) return std::string(octets, 4);
  inet_pton(AF_INET6, zero.c_str(), octets);
  return std::string(octets, 16);
}

std::string record::strings(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (std::string_view part : parts) {
    out += static_cast<char>(part.size());
    out += part;
  }
  return out;
}

std::string record::soa_data(std::uint32_t minimum) {
  return name("ns.test") + name("hostmaster.test") + number32(1) + number32(3600) + number32(600) + number32(86400) +
         number32(minimum);
}

std::string PacketBuilder::record_of(std::string_view name, unsigned type, unsigned record_class, std::uint32_t ttl,
                                     std::string_view data) {
  return record::name(name) + record::number16(type) + record::number16(record_class) + record::number32(ttl) +
         record::number16(static_cast<unsigned>(data.size())) + std::string(data);
}

PacketBuilder& PacketBuilder::question(std::string_view name, unsigned type) {
  body_ += record::name(name) + record::number16(type) + record::number16(1);
  ++questions_;
  return *this;
}
PacketBuilder& PacketBuilder::answer(std::string_view name, unsigned type, std::uint32_t ttl, std::string_view data) {
  body_ += record_of(name, type, 1, ttl, data);
  ++answers_;
  return *this;
}
PacketBuilder& PacketBuilder::authority(std::string_view name, unsigned type, std::uint32_t ttl,
                                        std::string_view data) {
  body_ += record_of(name, type, 1, ttl, data);
  ++authorities_;
  return *this;
}
PacketBuilder& PacketBuilder::extended_code(unsigned upper_bits) {
  body_ += record_of("", record::opt, 1232, upper_bits << 24, "");
  ++additional_;
  return *this;
}

std::string PacketBuilder::octets() const {
  using record::number16;
  return number16(id_) + number16(flags_) + number16(questions_) + number16(answers_) + number16(authorities_) +
         number16(additional_) + body_;
}

}  // namespace mansio::dns
