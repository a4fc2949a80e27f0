// DNS messages for tests, built octet by octet, so that wrong ones can be built as well.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace mansio::dns {

namespace flag {
constexpr unsigned response = 0x8000, authoritative = 0x400, truncated = 0x200, desired = 0x100, available = 0x80,
                   authentic = 0x20;
constexpr unsigned answer = response | desired | available;  // of a recursive server
}  // namespace flag

namespace record {
constexpr unsigned a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, mx = 15, txt = 16, aaaa = 28, opt = 41, tlsa = 52;

std::string number16(unsigned n);
std::string number32(std::uint32_t n);
std::string name(std::string_view text);  // "" is the root; letters as they are
std::string mx_data(unsigned preference, std::string_view host);
std::string address(std::string_view text);  // A or AAAA
std::string strings(std::initializer_list<std::string_view> parts);
std::string soa_data(std::uint32_t minimum);
}  // namespace record

class PacketBuilder {
 public:
  PacketBuilder(unsigned id, unsigned flags) : id_(id), flags_(flags) {}
  PacketBuilder& question(std::string_view name, unsigned type);
  PacketBuilder& answer(std::string_view name, unsigned type, std::uint32_t ttl, std::string_view data);
  PacketBuilder& authority(std::string_view name, unsigned type, std::uint32_t ttl, std::string_view data);
  PacketBuilder& extended_code(unsigned upper_bits);  // an OPT record
  std::string octets() const;

 private:
  static std::string record_of(std::string_view name, unsigned type, unsigned record_class, std::uint32_t ttl,
                               std::string_view data);
  unsigned id_, flags_, questions_ = 0, answers_ = 0, authorities_ = 0, additional_ = 0;
  std::string body_;  // sections must be added in their order
};

}  // namespace mansio::dns
