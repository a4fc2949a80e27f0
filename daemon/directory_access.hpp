// How we log in to a directory and whom we trust there, from the secret files of the moment.
#pragma once
#include "ldap/search.hpp"
#include "secrets.hpp"

namespace mansio::daemon {

ldap::Access directory_access(const config::Ldap& settings, const Secrets& secrets);

}  // namespace mansio::daemon
