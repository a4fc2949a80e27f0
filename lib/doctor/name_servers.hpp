// Do the name servers answer, how fast, and is our own name known there?
#pragma once
#include <string>

#include "doctor/finding.hpp"
#include "doctor/names.hpp"
#include "event/loop.hpp"

namespace mansio::doctor {

// "dns_server" of each server, one after the other as the daemon would ask them, at once in time.
// `answered` (may be null): did any of them say anything at all, so that it is worth while to ask on?
event::Task<Findings> check_name_servers(event::Loop& loop, dns::ResolverOptions options, std::string host_name, bool* answered);
// "host_name": fully qualified, and has an address.
event::Task<Findings> check_host_name(Names& names, std::string host_name);

}  // namespace mansio::doctor
