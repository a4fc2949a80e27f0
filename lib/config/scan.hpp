// A first look at a configuration file's text, for what libconfig would swallow (tree.hpp says what and why).
// Knows only tokens: strings, comments, names, numbers and brackets. Pure.
#pragma once
#include <string>

#include "config/tree.hpp"

namespace mansio::config {

struct Scanned {
  std::string text;          // for libconfig: wide numbers have their L, the later of two equal keys has another name
  bool usable = true;        // false: libconfig must not see it (a NUL, an @include)
};

// The name that a second key got ends in this; the tree leaves such keys out.
inline constexpr const char* twice_mark = "*twice";

Scanned scan(const Source& source, Problems& problems);

}  // namespace mansio::config
