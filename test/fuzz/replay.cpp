// Runs every target over random mutations of its samples: replay [ROUNDS [SEED]]. Bounded, and the same for the same seed.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "fuzz/targets.hpp"

namespace {

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t n) { return n == 0 ? 0 : random() % n; }

// One small change: a byte flipped, set to something of interest, removed, doubled, or a piece moved.
void mutate(std::string& text, Random& random) {
  static constexpr char array[] = "\r\n\t .<>@\"\\:;,()[]=+-\x7f\x80\xc3\xa4\xff";
  static constexpr std::string_view bytes(array, sizeof array);   // the NUL at its end too
  std::size_t at = below(random, text.size() + 1);
  switch (random() % 6) {
    case 0: text.insert(at, 1, bytes[below(random, bytes.size())]); break;
    case 1: if (at < text.size()) text[at] = bytes[below(random, bytes.size())]; break;
    case 2: text.erase(at, 1 + below(random, 4)); break;
    case 3: if (at < text.size()) text[at] = static_cast<char>(random()); break;
    case 4: if (text.size() < 4000) text.insert(at, text.substr(below(random, text.size()), 1 + below(random, 30))); break;
    default: if (text.size() < 4000) text.insert(at, "\r\n.\r\n", below(random, 6)); break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = argc > 1 ? std::atoi(argv[1]) : 20000;
  unsigned seed = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 1;
  std::printf("%d rounds, seed %u\n", rounds, seed);
  for (const auto& target : fuzz::targets()) {
    Random random(seed);
    target.run("");
    for (int i = 0; i < rounds; ++i) {
      std::string input(target.samples[below(random, target.samples.size())]);
      for (std::size_t n = 1 + below(random, 12); n > 0; --n) mutate(input, random);
      target.run(input);
    }
    std::printf("%s ok\n", std::string(target.name).c_str());
  }
  return 0;
}
