// The effective configuration as text that the reader takes again: every setting that is stored, none left to a default.
// For `mansiod check --print`. Names files of secrets, never what is in them. Pure.
#pragma once
#include <string>

#include "config/config.hpp"

namespace mansio::config {

std::string describe(const Config& config);

}  // namespace mansio::config
