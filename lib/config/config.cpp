#include "config/config.hpp"

#include <algorithm>

namespace mansio::config {

const Transport* Config::transport(std::string_view name) const noexcept {
  auto it = std::ranges::find(transports, name, &Transport::name);
  return it == transports.end() ? nullptr : &*it;
}

const Transport* DomainSettings::transport(std::string_view name) const noexcept {
  auto it = std::ranges::find(variants, name, &Transport::name);
  return it == variants.end() ? nullptr : &*it;
}

const Ldap* Config::directory(std::string_view name) const noexcept {
  auto it = std::ranges::find(ldap, name, &Ldap::name);
  return it == ldap.end() ? nullptr : &*it;
}

}  // namespace mansio::config
