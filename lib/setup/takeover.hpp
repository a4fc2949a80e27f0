// A setting may be given once in all files. What set-up writes into a file of its own is therefore taken out of the main
// file where that still says what the sample says: its lines become comments. Anything else is left for its author. Pure.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mansio::setup {

// A setting at the top of a file: [begin, end) are its octets from the name to the ";" behind its value.
struct TopSetting {
  std::string name;
  std::size_t begin = 0, end = 0;
};

// In the order of the text. Of a text that is no configuration, what can be made out.
std::vector<TopSetting> top_settings(std::string_view text);

// `text` with the settings `names` as comments, wherever they are as in `sample` and stand on lines of their own.
std::string take_over(std::string_view text, std::string_view sample, std::span<const std::string_view> names);

// etc/mansio.conf, as it is installed.
std::string_view sample_text();

}  // namespace mansio::setup
