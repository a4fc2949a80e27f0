// What `mansioctl status` tells of the mail process itself.
#pragma once
#include "config/config.hpp"
#include "control/facts.hpp"
#include "listening.hpp"

namespace mansio::daemon {

// `started`: the mail process.
control::Facts make_facts(const config::Config& config, const Listening& listening, Time started);

}  // namespace mansio::daemon
