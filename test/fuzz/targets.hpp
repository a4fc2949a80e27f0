// The parsers under fuzzing, by name. A target takes any bytes, and ends the program when an invariant breaks.
// libfuzzer.cpp runs one of them under clang's libFuzzer (the name in the environment variable FUZZ_TARGET);
// replay.cpp runs them all over mutated samples.
#pragma once
#include <span>
#include <string_view>
#include <vector>

namespace fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::string_view input);
  std::vector<std::string_view> samples;   // well-formed inputs to begin from
};
std::span<const Target> targets();

// Says what broke, then aborts.
void require(bool holds, const char* invariant);

void address(std::string_view input);
void command(std::string_view input);
void convert(std::string_view input);
void data(std::string_view input);
void dns(std::string_view input);
void dsn(std::string_view input);
void envelope(std::string_view input);
void header(std::string_view input);
void history(std::string_view input);
void list(std::string_view input);
void reply(std::string_view input);
void sasl_external(std::string_view input);
void sasl_login(std::string_view input);
void sasl_oauthbearer(std::string_view input);
void sasl_plain(std::string_view input);
void sasl_scram(std::string_view input);
void sasl_scram_plus(std::string_view input);
void sasl_xoauth2(std::string_view input);
void server_reply(std::string_view input);
void spf(std::string_view input);
void stuffing(std::string_view input);
void submission(std::string_view input);

}  // namespace fuzz
