// What a group of domain_settings makes of a transport: the same with the group's settings put over it, under the same name and
// with a key of its own. Hosts, port and hello are who takes the mail, and so of transports of kind smtp alone. Pure.
#pragma once
#include <optional>
#include <vector>

#include "config/config.hpp"

namespace mansio::config {

// `transport` as the files have it, so that what follows from its settings can be made to follow from the group's.
// nullopt: the group changes nothing of it. A group with times of its own (retry, delay_warning) changes every one: mail
// that waits by other rules waits in another lane.
std::optional<Transport> variant_of(const Transport& transport, const std::vector<DomainSettings>& groups, std::size_t group);

}  // namespace mansio::config
