// Runs a target over its corpus and over random mutations of it, for compilers without libFuzzer:
//   replay CORPUS ROUNDS SEED TARGET      CORPUS/TARGET/* are the inputs, CORPUS/TARGET.dict are words (docs/fuzzing.md)
//   replay TARGET FILE                    that input alone
// Bounded, and the same for the same seed.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "fuzz/targets.hpp"

namespace {

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t n) { return n == 0 ? 0 : random() % n; }

std::string content_of(const std::string& path) {
  auto text = mansio::read_file(path, 1 << 20);
  if (text) return *text;
  std::fprintf(stderr, "%s\n", text.error().text().c_str());
  std::exit(1);
}

std::vector<std::string> corpus_of(const std::string& directory) {
  std::vector<std::string> paths, out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) paths.push_back(entry.path());
  std::ranges::sort(paths);
  for (const auto& path : paths) out.push_back(content_of(path));
  if (out.empty()) std::exit((std::fprintf(stderr, "%s: no inputs\n", directory.c_str()), 1));
  return out;
}

// The words of libFuzzer's dictionaries: a line is "word", where \xHH is an octet, and \\ and \" themselves.
std::vector<std::string> words_of(const std::string& path) {
  std::vector<std::string> out;
  if (!std::filesystem::exists(path)) return out;
  std::string text = content_of(path);
  for (auto line : mansio::split(text, '\n')) {
    auto begin = line.find('"'), end = line.rfind('"');
    if (line.starts_with('#') || begin == end) continue;
    line = line.substr(begin + 1, end - begin - 1);
    std::string word;
    for (std::size_t i = 0; i < line.size(); ++i) {
      bool escaped = line[i] == '\\' && i + 1 < line.size();
      auto octet = escaped && line[i + 1] == 'x' ? mansio::hex_decode(line.substr(i + 2, 2)) : std::nullopt;
      word += octet ? static_cast<char>(*octet) : line[escaped ? i + 1 : i];
      i += octet ? 3 : escaped ? 1 : 0;
    }
    out.push_back(std::move(word));
  }
  return out;
}

// One small change: an octet flipped, set to something of interest, removed, doubled, a piece moved, a word put in.
void mutate(std::string& text, const std::vector<std::string>& words, Random& random) {
  static constexpr char array[] = "\r\n\t .<>@\"\\:;,()[]=+-\x7f\x80\xc3\xa4\xff";
  static constexpr std::string_view octets(array, sizeof array);   // the NUL at its end too
  std::size_t at = below(random, text.size() + 1);
  bool room = text.size() < 4000;
  switch (random() % 7) {
    case 0: text.insert(at, 1, octets[below(random, octets.size())]); break;
    case 1: if (at < text.size()) text[at] = octets[below(random, octets.size())]; break;
    case 2: text.erase(at, 1 + below(random, 4)); break;
    case 3: if (at < text.size()) text[at] = static_cast<char>(random()); break;
    case 4: if (room) text.insert(at, text.substr(below(random, text.size()), 1 + below(random, 30))); break;
    case 5: if (room && !words.empty()) text.insert(at, words[below(random, words.size())]); break;
    default: if (room) text.insert(at, "\r\n.\r\n", below(random, 6)); break;
  }
}

int replay(const fuzz::Target& target, const std::string& directory, int rounds, unsigned seed) {
  std::string path = directory + "/" + std::string(target.name);
  auto corpus = corpus_of(path);
  auto words = words_of(path + ".dict");
  Random random(seed);
  fuzz::run(target, "");
  for (const auto& input : corpus) fuzz::run(target, input);
  for (int i = 0; i < rounds / target.cost; ++i) {
    std::string input = corpus[below(random, corpus.size())];
    for (std::size_t n = 1 + below(random, 12); n > 0; --n) mutate(input, words, random);
    fuzz::run(target, input);
  }
  std::printf("%zu inputs of the corpus, %d mutations, seed %u: nothing broke\n", corpus.size(), rounds / target.cost, seed);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const fuzz::Target* target = argc == 5 || argc == 3 ? fuzz::find_target(argv[argc == 5 ? 4 : 1]) : nullptr;
  if (target == nullptr) {
    std::fprintf(stderr, "replay CORPUS ROUNDS SEED TARGET, or replay TARGET FILE\n");
    return 64;
  }
  if (argc == 5) return replay(*target, argv[1], std::atoi(argv[2]), static_cast<unsigned>(std::atoi(argv[3])));
  fuzz::run(*target, content_of(argv[2]));
  return 0;
}
