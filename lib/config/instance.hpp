// Further mail servers of one machine ("virtual servers"): the one of NAME has its configuration in
// /etc/mansio/NAME/mansio.conf, and directories of its own where its configuration names none: /var/spool/mansio-NAME,
// /var/log/mansio-NAME, /run/mansio-NAME. systemd starts it as mansio@NAME.service.
#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::config {

// Letters, digits, "_" and "-", at most 64.
bool is_instance_name(std::string_view name);

// Whose file it is, by its path alone; "": that of the machine's mail server, or one that lies elsewhere.
std::string instance_of(std::string_view config_file);

// "": the machine's mail server.
std::string config_file_of(std::string_view instance);

// What the command line says, for the whole life of the process: machine_facts() tells it. Set before anything is read.
void use_instance(std::string name);
const std::string& used_instance();

// For main(): what --instance and --config (each may be "") mean together. Sets the file's path where it isn't given, and uses
// the instance that either names. Fault::invalid: no name, or two of them.
Result<> choose_instance(const std::string& name, std::string& config_file);

// The unit that systemd starts it by.
std::string unit_of(std::string_view instance);

// The directory that holds those of the instances.
std::string_view instances_directory();

}  // namespace mansio::config
