#include "ldap/search.hpp"

#include "base/text.hpp"

namespace mansio::ldap {

std::string Search::key() const {
  std::string out = std::to_string(static_cast<int>(scope));
  auto add = [&](const std::string& text) {
    out += '\0';
    out += text;
  };
  add(base);
  add(filter);
  for (const std::string& attribute : attributes) add(attribute);
  return out;
}

const std::vector<std::string>* Entry::find(std::string_view attribute) const {
  for (const auto& [each, values] : attributes) {
    if (iequals(each, attribute)) return &values;
  }
  return nullptr;
}

std::size_t Entry::size() const {
  std::size_t out = sizeof(Entry) + name.size();
  for (const auto& [attribute, values] : attributes) {
    out += 64 + attribute.size();
    for (const std::string& value : values) out += sizeof(std::string) + value.size();
  }
  return out;
}

}  // namespace mansio::ldap
