#include "sources.hpp"

#include "memory_file.hpp"

namespace mansio::daemon {

Result<UniqueFd> to_memory_file(const Sources& sources) {
  std::vector<std::string_view> texts{sources.facts.host_name, sources.facts.mail_name, sources.facts.aliases, sources.facts.instance};
  for (const auto& file : sources.files) {
    texts.push_back(file.file);
    texts.push_back(file.text);
  }
  return write_memory_file("mansio-config", texts);
}

Result<Sources> from_memory_file(int fd) {
  auto texts = read_memory_file(fd, "configuration from the parent");
  if (!texts) return std::unexpected(texts.error());
  constexpr std::size_t facts = 4;
  if (texts->size() < facts || texts->size() % 2 != 0) return fail(Fault::invalid, "configuration from the parent: broken");
  Sources out;
  out.facts.host_name = (*texts)[0];
  out.facts.mail_name = (*texts)[1];
  out.facts.aliases = (*texts)[2];
  out.facts.instance = (*texts)[3];
  for (std::size_t i = facts; i + 1 < texts->size(); i += 2) out.files.push_back(config::Source{(*texts)[i], (*texts)[i + 1]});
  return out;
}

}  // namespace mansio::daemon
