// May this address send mail for this domain? Sender Policy Framework (RFC 7208), as a receiver would evaluate our own
// domains. The parser is pure; the evaluator asks Names and keeps to the limits of §4.6.4.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "doctor/names.hpp"

namespace mansio::doctor {

enum class SpfResult : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };      // §2.6
std::string_view word_of(SpfResult result);

enum class SpfMechanism : std::uint8_t { all, include, a, mx, ptr, ip4, ip6, exists };

struct SpfTerm {
  SpfTerm() = default;
  SpfResult qualifier = SpfResult::pass;         // what a match means: pass, fail, softfail, neutral
  SpfMechanism mechanism = SpfMechanism::all;
  std::string domain;                            // with its macros; "": the domain itself
  std::string network;                           // ip4, ip6: the address
  int prefix4 = 32, prefix6 = 128;
};

struct SpfRecord {
  SpfRecord() = default;
  std::vector<SpfTerm> terms;
  std::string redirect;                          // "": none
};

bool is_spf_record(std::string_view text);       // "v=spf1" alone or with terms (§4.5)
// Fault::invalid names the term that can't be understood.
Result<SpfRecord> parse_spf(std::string_view text);

struct SpfQuestion {
  SpfQuestion() = default;
  std::string address;                           // numeric
  std::string domain, sender, helo;              // sender: "local@domain"
};

// §7: fills a domain-spec; `domain` is the one whose record holds it. Fault::invalid: a macro that is none.
Result<std::string> expand_spf(std::string_view spec, const SpfQuestion& question, const std::string& domain);

struct SpfAnswer {
  SpfAnswer() = default;
  SpfResult result = SpfResult::none;
  std::string record;                            // of the domain itself
  std::string why;                               // the term that matched, or what is wrong
  unsigned look_ups = 0;                         // of ten that are allowed
};

event::Task<SpfAnswer> evaluate_spf(Names& names, SpfQuestion question);

}  // namespace mansio::doctor
