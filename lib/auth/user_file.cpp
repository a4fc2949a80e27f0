#include "auth/user_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "crypto/password.hpp"
#include "crypto/saslprep.hpp"
#include "table/passwd_file.hpp"

namespace mansio::auth {
namespace {

constexpr std::size_t new_salt_size = 16;   // of make_password_entry's keys

// An entry for a file that has none that is usable, so that a check costs what it costs elsewhere. Made once: it takes
// time, and its password is known to nobody.
const crypto::Secret& entry_of_nobody() {
  static const crypto::Secret made = [] {
    auto entry = crypto::make_password_entry("SCRAM-SHA-256", base64_encode(crypto::random_bytes(32)));
    return entry ? crypto::Secret(*entry) : crypto::Secret();
  }();
  return made;
}

bool has_scheme(std::string_view entry, std::string_view scheme) {
  return istarts_with(entry, "{" + std::string(scheme) + "}");
}

// The password itself, of an entry that holds it.
std::optional<std::string_view> plain_password(std::string_view entry) {
  for (auto scheme : {"PLAIN", "CLEAR", "CLEARTEXT"}) {
    if (has_scheme(entry, scheme)) return entry.substr(entry.find('}') + 1);
  }
  return std::nullopt;
}

// Extra fields that say who may log in. Gives what is wrong, or "".
std::string read_extra_fields(const std::vector<std::string>& fields, UserEntry& out) {
  std::string wrong;
  for (std::string_view field : fields) {
    auto name = field.substr(0, field.find('='));
    if (iequals(name, "nologin")) out.usable = false;   // with any value, also with none
    if (!iequals(name, "allow_nets")) continue;
    out.nets_limited = true;
    std::vector<std::string> nets;
    for (auto net : split(field.size() > name.size() ? field.substr(name.size() + 1) : "", ',')) {
      if (trim(net).empty()) continue;
      if (trim(net) == "local") out.local_allowed = true;
      else if (config::Network::parse(trim(net))) nets.emplace_back(trim(net));
      else wrong = fmt::format("allow_nets: \"{}\" is no network", escape(net, 60));
    }
    out.nets = config::NetworkList(nets);
  }
  return wrong;
}

// The shape of most stored keys, or that of new ones: what a decoy shows, and what keys made of passwords get.
sasl::Decoy with_shape(const std::vector<UserEntry>& entries, const sasl::Decoy& decoy) {
  std::map<std::pair<std::uint32_t, std::size_t>, std::size_t> shapes;
  for (const auto& entry : entries) {
    if (entry.keys) ++shapes[{entry.keys->iterations, entry.keys->salt.size()}];
  }
  auto most = std::ranges::max_element(shapes, {}, [](const auto& shape) { return shape.second; });
  sasl::Decoy out(decoy);
  if (most != shapes.end()) out.shape(most->first.first, most->first.second);
  else out.shape(crypto::scram_iterations_new, new_salt_size);
  return out;
}

void derive_keys(UserEntry& out, const sasl::Decoy& decoy) {
  if (auto password = plain_password(out.entry.view())) {
    auto prepared = crypto::saslprep(*password);
    if (!prepared) return;   // no client can send it in SCRAM
    crypto::Secret text(*prepared);
    crypto::wipe(*prepared);
    auto shown = decoy.keys(out.name, crypto::Hash::sha256);
    out.keys = crypto::derive_scram_keys(crypto::Hash::sha256, text.view(), shown.salt, shown.iterations);
  }
}

// How a log-in's name is looked up: SASLprep has had it, and has the file's name too.
std::string prepared_name(const std::string& name) {
  auto prepared = crypto::saslprep(name);
  return prepared ? table::canonical_user_name(*prepared) : std::string();
}

}  // namespace

bool UserEntry::admits(std::string_view client_address) const {
  if (!usable) return false;
  if (!nets_limited) return true;
  return client_address.empty() ? local_allowed : nets.matches(client_address);
}

UserFile::Loaded UserFile::load(std::string_view text, const std::string& default_domain, const sasl::Decoy& decoy) {
  auto parsed = table::parse_passwd_file(text);
  auto file = std::make_shared<UserFile>();
  Loaded out;
  file->default_domain_ = default_domain;
  auto problem = [&](std::size_t line, const std::string& what) { out.problems.push_back(fmt::format("line {}: {}", line, what)); };
  for (const auto& each : parsed.problems) problem(each.line, each.text);
  for (const auto& user : parsed.users.all()) {
    UserEntry entry;
    entry.name = user.name;
    entry.entry = crypto::Secret(user.password);
    auto good = crypto::check_password_entry(user.password);
    if (!good) problem(user.line, fmt::format("\"{}\": the password: {}", user.name, good.error().text()));
    entry.usable = good && !crypto::is_locked(user.password);
    auto wrong = read_extra_fields(user.extra, entry);
    if (!wrong.empty()) problem(user.line, fmt::format("\"{}\": {}", user.name, wrong));
    if (entry.usable) entry.keys = crypto::scram_keys_of(user.password).value_or(std::nullopt);
    file->add(std::move(entry));
  }
  file->finish(decoy);
  out.users = std::move(file);
  return out;
}

void UserFile::add(UserEntry entry) {
  std::string key = prepared_name(entry.name);
  if (key.empty() || !by_name_.try_emplace(key, entries_.size()).second) return;
  entries_.push_back(std::move(entry));
}

// The entries stay where they are from now on.
void UserFile::finish(const sasl::Decoy& decoy) {
  auto shaped = with_shape(entries_, decoy);
  for (auto& entry : entries_) {
    if (!entry.usable) continue;
    if (!entry.keys) derive_keys(entry, shaped);
    if (entry.keys) ++with_keys_;
    ++usable_;
    stand_ins_.push_back(entry.entry.view());
  }
  if (stand_ins_.empty()) {
    nobody_ = entry_of_nobody();
    stand_ins_.push_back(nobody_.view());
  }
  if (with_keys_ == 0) return;
  auto shown = shaped.keys("", crypto::Hash::sha256);
  iterations_ = shown.iterations;
  salt_size_ = shown.salt.size();
}

const UserEntry* UserFile::find(std::string_view name) const {
  auto key = table::canonical_user_name(name);
  if (key.empty()) return nullptr;
  auto it = by_name_.find(key);
  if (it == by_name_.end() && !default_domain_.empty()) {
    auto at = key.rfind('@');
    if (at == std::string::npos) it = by_name_.find(key + "@" + default_domain_);
    else if (key.substr(at + 1) == default_domain_) it = by_name_.find(key.substr(0, at));
  }
  return it == by_name_.end() ? nullptr : &entries_[it->second];
}

}  // namespace mansio::auth
