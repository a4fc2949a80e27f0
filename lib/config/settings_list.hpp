// Every setting that a configuration has, with its value, its default and where it was given: what `mansioctl settings`
// shows. Made from the settings table and describe(), so that nothing is listed by hand. Names files of secrets, never
// what is in them. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/settings.hpp"

namespace mansio::config {

struct SettingState {
  std::string path;              // "listeners[0].port", "transports.mailbox.kind", "limits.hops"
  const Setting* row = nullptr;  // its row of the table; never null
  std::string value;             // as it may be written in a file; "" when there is none
  std::string fallback;          // the default as it may be written, else the note that tells it, else ""
  std::string place;             // "file:line", or "default"
  bool differs = false;          // it was given, and with another value than the default
};

// In the order of the table; elements of lists and named groups one after the other. Settings of a transport that its
// kind does not have are left out.
std::vector<SettingState> list_settings(const Config& config);

// Those of `all` that `word` names: just this path, else those below it ("limits", "listeners[0]", "transports.*.kind"),
// else those with `word` in their path. Empty: none; `unknown_path` has the words for it.
std::vector<const SettingState*> find_settings(const std::vector<SettingState>& all, std::string_view word);
std::string unknown_path(const std::vector<SettingState>& all, std::string_view word);

}  // namespace mansio::config
