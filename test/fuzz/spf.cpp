#include "doctor/spf.hpp"

#include "fuzz/targets.hpp"

void fuzz::spf(std::string_view input) {
  using namespace mansio::doctor;
  auto record = parse_spf(input);
  require(!record || is_spf_record(input), "a record begins as one");
  if (!record) return;
  SpfQuestion question;
  question.address = "2001:db8::1";
  question.domain = "ex.test";
  question.sender = "a-b.c@ex.test";
  question.helo = "mx.ex.test";
  for (const SpfTerm& term : record->terms) {
    require(term.prefix4 >= 0 && term.prefix4 <= 32 && term.prefix6 >= 0 && term.prefix6 <= 128, "prefixes are bounded");
    bool network = term.mechanism == SpfMechanism::ip4 || term.mechanism == SpfMechanism::ip6;
    require(network == !term.network.empty(), "a network has an address");
    auto name = expand_spf(term.domain, question, question.domain);
    require(!name || term.domain.empty() || name->size() <= 253 || name->find('.') == std::string::npos, "a name is bounded");
  }
}
