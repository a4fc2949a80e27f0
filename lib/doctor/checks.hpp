// Each check of `mansioctl doctor`: what is seen, and what to do. All are bounded in time, and what could not be found
// out is skipped, never bad.
#pragma once
#include <string>

#include "doctor/finding.hpp"
#include "doctor/names.hpp"
#include "doctor/subject.hpp"
#include "event/loop.hpp"

namespace mansio::doctor {

// check_names.cpp: "reverse_dns" of each public address, "helo_name", "blocklist".
event::Task<Findings> check_reverse(Names& names, const Subject& subject);
event::Task<Findings> check_helo(Names& names, const Subject& subject);
event::Task<Findings> check_blocklists(Names& names, const Subject& subject);

// check_domain.cpp: of one local domain "mx", "spf", "dmarc", "mta_sts".
event::Task<Findings> check_mx(Names& names, const Subject& subject, std::string domain);
event::Task<Findings> check_spf(Names& names, const Subject& subject, std::string domain);
event::Task<Findings> check_dmarc(Names& names, std::string domain);
event::Task<Findings> check_mta_sts(Names& names, std::string domain);

// check_access.cpp: "open_relay" and "access", as the configuration says.
Findings check_access(const config::Config& config);

// check_service.cpp: "listener", "banner", "starttls", "open_relay", "postmaster", at our own listeners.
event::Task<Findings> check_listener(event::Loop& loop, const Subject& subject, config::Listener listener);

// check_outward.cpp: "port_25_out", or "smart_host" of each.
event::Task<Findings> check_outward(event::Loop& loop, Names& names, const Subject& subject);

// check_machine.cpp: "certificate" of each, against host_name and our MX hosts; "clock"; "disk_sync". The latter two block.
event::Task<Findings> check_certificates(Names& names, const Subject& subject, Time now);
Findings check_clock();
Findings check_disk_sync(const std::string& directory);

// Is it one of the machine's own?
bool is_ours(const Subject& subject, const std::string& address);

}  // namespace mansio::doctor
