#include "dns/wire.hpp"

#include "base/text.hpp"
#include "fuzz/targets.hpp"

namespace {

void check_name(const std::string& name) {
  fuzz::require(name == mansio::to_lower(name) && !mansio::has_control(name) && mansio::is_ascii(name),
                "a name is plain and in lower case");
}

void check_answer(const mansio::dns::Answer& answer, unsigned code) {
  using mansio::dns::Outcome;
  fuzz::require(answer.found() || answer.proven_absent(), "an answer is found, nxdomain or no_data");
  fuzz::require(code == 0 || answer.outcome == Outcome::nxdomain, "NXDOMAIN has no records");
  fuzz::require(code == 3 || answer.outcome != Outcome::nxdomain, "only NXDOMAIN is nxdomain");
  fuzz::require(code == 0 || code == 3, "no other code is an answer");
  fuzz::require(answer.ttl >= mansio::Duration(0), "time goes forward");
  check_name(answer.name);
  for (const auto& mx : answer.mx) check_name(mx.host);
  for (const auto& name : answer.names) check_name(name);
  for (const auto& tlsa : answer.tlsa) fuzz::require(!tlsa.data.empty(), "a TLSA record has data");
}

}  // namespace

// The question is taken from the message itself, so that what follows it gets read.
void fuzz::dns(std::string_view input) {
  using namespace mansio::dns;
  if (input.size() < 17) return;
  std::size_t end = 12;
  while (end < input.size() && input[end] != '\0') end += 1U + static_cast<unsigned char>(input[end]);
  if (end + 2 >= input.size()) return;
  std::string name = mansio::to_lower(input.substr(12, end + 1 - 12));
  auto text = to_text(name);
  if (!text || text->empty()) return;
  require(to_wire(*text) == name, "wire form and text are the same name");
  auto byte = [&](std::size_t at) { return static_cast<unsigned char>(input[at]); };
  for (Type type : {Type::a, Type::cname, Type::ptr, Type::mx, Type::txt, Type::aaaa, Type::tlsa}) {
    if (byte(end + 1) != 0 || byte(end + 2) != static_cast<unsigned>(type)) continue;
    auto reply = parse_answer(input, static_cast<std::uint16_t>(byte(0) << 8 | byte(1)), Question(name, type));
    require(reply.links <= max_links + 1, "chains are cut");
    if (reply.verdict == Reply::Verdict::answered) check_answer(reply.answer, byte(3) & 15U);
    if (reply.verdict == Reply::Verdict::incomplete)
      require(to_text(reply.next).has_value(), "what comes next can be asked for");
  }
}
