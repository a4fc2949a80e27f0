// The second look at a configuration, when each setting by itself is right: names that must exist, lists, addresses,
// what does not go together, defaults that depend on other settings. Also brings values to the form that the snapshot promises. Pure.
#pragma once
#include "config/config.hpp"
#include "config/places.hpp"
#include "config/problem.hpp"

namespace mansio::config {

// Problem texts begin with the setting's path.
void check(Config& config, const Places& places, Problems& problems);

}  // namespace mansio::config
