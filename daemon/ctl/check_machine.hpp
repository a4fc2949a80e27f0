// What `mansioctl check` looks at on this machine besides the configuration's text: directories, mailboxes, files of
// secrets, addresses. Each gives its findings; all block.
#pragma once
#include "doctor/finding.hpp"
#include "identity.hpp"
#include "route/tables.hpp"
#include "secrets.hpp"

namespace mansio::ctl {

// control.admins and control.readers: are there such users and groups?
doctor::Findings check_operators(const config::Config& config);
// spool_directory, log_directory, run_directory: there, or can be made; whose, and who else may look in or write.
doctor::Findings check_directories(const config::Config& config, const daemon::ServiceUser& user);
// The directories that mailboxes and files of messages are made in.
doctor::Findings check_mailboxes(const config::Config& config, const daemon::ServiceUser& user);
// The directories that programs put messages into: as the daemon judges them (receive/pickup_folder.cpp) before it uses one.
doctor::Findings check_pickups(const config::Config& config, const daemon::ServiceUser& user);
// Does each name in the aliases lead to somebody, and does postmaster's mail reach a person? check_addresses.cpp.
doctor::Findings check_addresses(const route::TablesPtr& tables, const daemon::ServiceUser& user);

}  // namespace mansio::ctl
