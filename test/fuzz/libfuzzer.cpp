// Entry for clang's libFuzzer: FUZZ_TARGET names the parser. Built by the fuzzing script, not by default.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "fuzz/targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

static const fuzz::Target& chosen() {
  const char* name = std::getenv("FUZZ_TARGET");
  for (const auto& target : fuzz::targets()) {
    if (name != nullptr && target.name == name) return target;
  }
  std::fputs("set FUZZ_TARGET to one of:", stderr);
  for (const auto& target : fuzz::targets()) std::fprintf(stderr, " %s", std::string(target.name).c_str());
  std::fputc('\n', stderr);
  std::exit(64);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Target& target = chosen();
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
