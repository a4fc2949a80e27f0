#include "confinement.hpp"

#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "file_access.hpp"
#include "system_calls.hpp"

namespace mansio::daemon {

void empty_bounding_set() {
  for (cap_value_t cap = 0; ::cap_get_bound(cap) >= 0; ++cap) ::cap_drop_bound(cap);      // as far as CAP_SETPCAP is there
}

void prepare_spool(const config::Config& config) {
  const std::string& spool = config.spool_directory;
  std::string state = spool + "/state";
  ::mkdir(state.c_str(), 0700);
  if (config.mail_processes > 1) {
    ::mkdir((spool + "/pickup").c_str(), 01733);        // its mode is set by the one that uses it
    ::mkdir(config.bounces.badmail.c_str(), 0700);
  }
  for (const char* name : {"/pauses", "/destinations", "/pickup-directories", "/kerberos.replays"}) {
    std::string from = spool + name, to = state + name;
    if (::access(to.c_str(), F_OK) != 0) ::rename(from.c_str(), to.c_str());
  }
}

std::vector<Error> confine_mail(const Confinement& confinement) {
  std::vector<Error> lacking;
  auto note = [&](const Result<>& done) {
    if (!done) lacking.push_back(done.error());
  };
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> none(::cap_init(), ::cap_free);
  if (!none || ::cap_set_proc(none.get()) != 0) note(fail_errno("capabilities of the mail process"));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) note(fail_errno("no_new_privs"));
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (confinement.system_calls == config::SystemCalls::off) return lacking;
  if (confinement.system_calls == config::SystemCalls::enforce) {
    note(restrict_files(confinement.spool_directory, confinement.number, confinement.count));
  }
  note(filter_mail_calls(confinement.system_calls == config::SystemCalls::report, confinement.channel));
  return lacking;
}

void confine_agent(config::SystemCalls system_calls) {
  if (system_calls == config::SystemCalls::enforce) (void)filter_agent_calls();      // the mail process has said why it can't be
}

std::string describe_refused_call(const std::string& text) {
  return "it used the system call " + name_of_call(text) +
         ", for which it has no use (a bug, or an attack; system_calls = \"report\" in mansio.conf lets it go on, and the kernel's log names the calls)";
}

}  // namespace mansio::daemon
