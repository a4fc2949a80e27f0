// The difference of two texts as "diff -u" shows it. Pure.
#pragma once
#include <string>
#include <string_view>

namespace mansio::setup {

// "" when they are the same. A file that is not there is an empty text.
std::string unified_difference(std::string_view before, std::string_view after, std::string_view name);

}  // namespace mansio::setup
