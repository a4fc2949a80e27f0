// What `mansioctl check` looks at on this machine besides the configuration's text: directories, mailboxes, files of
// secrets, addresses. Each gives its findings; all block.
#pragma once
#include "doctor/finding.hpp"
#include "identity.hpp"
#include "route/tables.hpp"
#include "secrets.hpp"

namespace mansio::ctl {

// spool_directory, log_directory, run_directory: there, or can be made; whose, and who else may look in or write.
doctor::Findings check_directories(const config::Config& config, const daemon::ServiceUser& user);
// The directories that mailboxes and files of messages are made in.
doctor::Findings check_mailboxes(const config::Config& config, const daemon::ServiceUser& user);
// Does each name in the aliases lead to somebody, and does postmaster's mail reach a person? check_addresses.cpp.
doctor::Findings check_addresses(const route::TablesPtr& tables, const daemon::ServiceUser& user);

}  // namespace mansio::ctl
