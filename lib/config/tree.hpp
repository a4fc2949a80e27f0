// A configuration file as a tree of values, each with its line. The only place that knows libconfig, and that makes
// good what libconfig does silently: numbers past 32 bits are kept whole, a key given twice is named with both lines
// and does not hide other mistakes, NUL does not end the file, and @include is refused (conf.d/ serves that end, and
// the process that parses opens no files). Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/problem.hpp"

namespace mansio::config {

struct Source {
  std::string file;                              // as errors shall name it
  std::string text;
};

enum class NodeKind : std::uint8_t { boolean, integer, real, string, list, group };   // list: [ ] or ( )

struct NamedNode;                                // a type of its own, for a std::pair must have whole parts
struct Node {
  NodeKind kind = NodeKind::group;
  Place place;
  std::string text;                              // string
  std::int64_t number = 0;                       // integer
  bool flag = false;                             // boolean
  std::vector<NamedNode> children;               // group: by name; list: names are empty
};
struct NamedNode {
  std::string first;
  Node second;
};

// The group that the file is. Mistakes are added to `problems`; after a mistake of syntax the group is empty.
Node parse_tree(const Source& source, Problems& problems);

// "a list", "the number 5", "\"text\"": for "expected ..., not ...".
std::string describe_node(const Node& node);

}  // namespace mansio::config
