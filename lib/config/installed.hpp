// Where the configuration is when nobody says otherwise; installed.cpp is made by meson.
#pragma once
#include <string_view>

namespace mansio::config {

extern const std::string_view installed_directory;     // "/etc/mansio"

}  // namespace mansio::config
