// The settings of a drop directory that are more than a text: whose the files are, and their mode. Pure.
#pragma once
#include <string_view>

#include "base/result.hpp"

namespace mansio::config {

// "user" or "user:group", by name. Not root: nothing is delivered as root. Whether there is such a user is seen at delivery.
Result<> check_owner(std::string_view owner);

// Three or four octal digits; the owner may read, not everybody may write, and there are no bits besides permissions.
Result<> check_file_mode(std::string_view mode);

}  // namespace mansio::config
