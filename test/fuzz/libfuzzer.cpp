// Entry for clang's libFuzzer: FUZZ_TARGET names the target; without it the names of all are printed. Built by ./dev fuzz, not by
// default.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/targets.hpp"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {
const fuzz::Target* chosen = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("FUZZ_TARGET");
  chosen = name != nullptr ? fuzz::find_target(name) : nullptr;
  if (chosen != nullptr) return 0;
  for (const auto& target : fuzz::targets()) std::printf("%.*s\n", static_cast<int>(target.name.size()), target.name.data());
  std::fflush(stdout);
  std::_Exit(0);      // libFuzzer takes exit() for a finding
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::run(*chosen, {reinterpret_cast<const char*>(data), size});
  return 0;
}
