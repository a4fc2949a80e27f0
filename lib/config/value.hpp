// One setting's value: from a node of the file to the type that the table says. Pure.
#pragma once
#include <string>

#include "base/result.hpp"
#include "config/settings.hpp"
#include "config/tree.hpp"

namespace mansio::config {

// Fault::invalid says what was expected and what is there. Relative paths (also in "file:", "passwd-file:") are
// taken from `directory`.
Result<Value> read_value(const Setting& setting, const Node& node, const std::string& directory);

// "a whole number from 1 to 1000": for errors and for the manual.
std::string describe_type(const Setting& setting);

// An absolute path for `path`; empty and template beginnings ("~/", "{home}") are left as they are.
std::string resolve_path(const std::string& path, const std::string& directory);

}  // namespace mansio::config
