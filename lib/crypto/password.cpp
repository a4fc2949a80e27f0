#include "crypto/password.hpp"

#include <crypt.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <memory>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "crypto/saslprep.hpp"
#include "crypto/secret.hpp"

namespace mansio::crypto {
namespace {

struct Scheme {
  std::string_view name;
  enum class Kind : std::uint8_t { plain, crypt, salted, scram } kind;
  Hash hash = Hash::sha256;      // of salted ones
  std::string_view prefix = {};  // of crypt(3)'s: what the hash begins with; empty: any that begins with '$'
  std::string_view make = {};    // what crypt_gensalt is asked for; empty: new entries are not made
  unsigned long cost = 0;  // of new entries, in the method's own measure: about a tenth of a second; 0: its default
};

constexpr Scheme schemes[] = {
    {.name = "PLAIN", .kind = Scheme::Kind::plain},
    {.name = "CLEAR", .kind = Scheme::Kind::plain},
    {.name = "CLEARTEXT", .kind = Scheme::Kind::plain},
    {.name = "CRYPT", .kind = Scheme::Kind::crypt, .make = "$y$"},
    {.name = "SHA256-CRYPT", .kind = Scheme::Kind::crypt, .prefix = "$5$"},
    {.name = "SHA512-CRYPT", .kind = Scheme::Kind::crypt, .prefix = "$6$", .make = "$6$", .cost = 100'000},
    {.name = "BLF-CRYPT", .kind = Scheme::Kind::crypt, .prefix = "$2", .make = "$2b$", .cost = 10},
    {.name = "SSHA256", .kind = Scheme::Kind::salted, .hash = Hash::sha256},
    {.name = "SSHA512", .kind = Scheme::Kind::salted, .hash = Hash::sha512},
    {.name = "SCRAM-SHA-256", .kind = Scheme::Kind::scram},
};

struct ParsedEntry {
  const Scheme* scheme = nullptr;
  std::string value;  // bytes for salted ones, text else
  bool locked = false;
};

const Scheme* find_scheme(std::string_view name) {
  auto it = std::ranges::find_if(schemes, [&](const Scheme& scheme) { return iequals(scheme.name, name); });
  return it == std::end(schemes) ? nullptr : &*it;
}

Result<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) return fail(Fault::invalid, "not hex");
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    auto octet = hex_decode(text.substr(i, 2));
    if (!octet) return fail(Fault::invalid, "not hex");
    out += static_cast<char>(*octet);
  }
  return out;
}

Result<> check_crypt(const Scheme& scheme, std::string_view hash) {
  if (!hash.starts_with('$')) return fail(Fault::invalid, "the hash is not one of crypt(3)'s that begin with $");
  if (!hash.starts_with(scheme.prefix)) return fail(Fault::invalid, "the hash is not of its scheme");
  // Asks whether libcrypt knows the method; legacy ones are taken, they are what the file has.
  int known = crypt_checksalt(std::string(hash).c_str());
  if (known == CRYPT_SALT_INVALID || known == CRYPT_SALT_METHOD_DISABLED) {
    return fail(Fault::invalid, "libcrypt does not know the hash");
  }
  return {};
}

Result<ParsedEntry> parse_entry(std::string_view entry) {
  if (entry.size() > 2048 || has_control(entry)) return fail(Fault::invalid, "too long, or a control character");
  std::string_view name = "CRYPT", encoding, value = entry;
  if (entry.starts_with('{')) {
    std::size_t end = entry.find('}');
    if (end == std::string_view::npos) return fail(Fault::invalid, "{ without }");
    name = entry.substr(1, end - 1);
    value = entry.substr(end + 1);
    std::size_t dot = name.find('.');
    encoding = dot == std::string_view::npos ? "" : name.substr(dot + 1);
    name = name.substr(0, dot);
  }
  ParsedEntry parsed;
  parsed.scheme = find_scheme(name);
  if (parsed.scheme == nullptr) return fail(Fault::invalid, "unknown password scheme {" + escape(name, 40) + "}");
  bool salted = parsed.scheme->kind == Scheme::Kind::salted;
  bool hex = iequals(encoding, "HEX");
  if (!encoding.empty() && (!salted || (!hex && !iequals(encoding, "B64")))) {
    return fail(Fault::invalid, "unknown encoding of a password scheme: " + escape(encoding, 40));
  }
  // Empty counts as locked: an account without a password lets nobody in.
  parsed.locked = value.empty() || (parsed.scheme->kind != Scheme::Kind::plain && (value[0] == '!' || value[0] == '*'));
  parsed.value = value;
  if (parsed.locked) return parsed;
  if (salted) {
    auto bytes = hex ? decode_hex(value) : base64_decode(value);
    if (!bytes) return fail(Fault::invalid, hex ? "the hash is not hex" : "the hash is not base64");
    if (bytes->size() <= digest_size(parsed.scheme->hash)) return fail(Fault::invalid, "the hash is short of a salt");
    parsed.value = std::move(*bytes);
  } else if (parsed.scheme->kind == Scheme::Kind::crypt) {
    if (auto good = check_crypt(*parsed.scheme, value); !good) return std::unexpected(good.error());
  } else if (parsed.scheme->kind == Scheme::Kind::scram) {
    if (auto keys = parse_scram_keys(value); !keys) return std::unexpected(keys.error());
  }
  return parsed;
}

// crypt(3) with its 32 KiB of state on the heap, and wiped.
Result<std::string> crypt_hash(std::string_view password, const std::string& setting) {
  auto wiped = [](crypt_data* data) {
    OPENSSL_cleanse(data, sizeof *data);
    delete data;
  };
  std::unique_ptr<crypt_data, decltype(wiped)> data(new crypt_data{}, wiped);
  std::string text(password);
  const char* hash = crypt_rn(text.c_str(), setting.c_str(), data.get(), sizeof *data);
  wipe(text);
  if (hash == nullptr || *hash == '*') return fail(Fault::invalid, "crypt(3) refused the hash");
  return std::string(hash);
}

Result<bool> check_crypt_password(const ParsedEntry& entry, std::string_view password) {
  // libcrypt refuses longer ones; such a password can't have made the hash.
  if (password.size() >= CRYPT_MAX_PASSPHRASE_SIZE) return false;
  auto hash = crypt_hash(password, entry.value);
  if (!hash) return std::unexpected(hash.error());
  return equal_in_constant_time(*hash, entry.value);
}

bool check_salted(const ParsedEntry& entry, std::string_view password) {
  std::size_t size = digest_size(entry.scheme->hash);
  Secret salted(std::string(password) + entry.value.substr(size));
  return equal_in_constant_time(digest(entry.scheme->hash, salted.view()),
                                std::string_view(entry.value).substr(0, size));
}

Result<bool> check_scram(const ParsedEntry& entry, std::string_view password) {
  auto keys = parse_scram_keys(entry.value);
  if (!keys) return std::unexpected(keys.error());
  auto prepared = saslprep(password);
  Secret text(prepared ? std::string_view(*prepared) : password);  // as much work for one that can't match
  auto made = derive_scram_keys(keys->hash, text.view(), keys->salt, keys->iterations);
  return prepared && equal_in_constant_time(made.stored_key, keys->stored_key);
}

}  // namespace

Result<> check_password_entry(std::string_view entry) {
  auto parsed = parse_entry(entry);
  if (!parsed) return std::unexpected(parsed.error());
  return {};
}

Result<bool> check_password(std::string_view entry, std::string_view password) {
  auto parsed = parse_entry(entry);
  if (!parsed) return std::unexpected(parsed.error());
  if (parsed->locked || password.empty() || password.size() > password_max || has_control(password)) return false;
  switch (parsed->scheme->kind) {
    case Scheme::Kind::plain:
      // Over digests, so that not even the length tells.
      return equal_in_constant_time(digest(Hash::sha256, password), digest(Hash::sha256, parsed->value));
    case Scheme::Kind::crypt: return check_crypt_password(*parsed, password);
    case Scheme::Kind::salted: return check_salted(*parsed, password);
    case Scheme::Kind::scram: return check_scram(*parsed, password);
  }
  return false;
}

bool is_locked(std::string_view entry) {
  auto parsed = parse_entry(entry);
  return parsed && parsed->locked;
}

Result<std::optional<ScramKeys>> scram_keys_of(std::string_view entry) {
  auto parsed = parse_entry(entry);
  if (!parsed) return std::unexpected(parsed.error());
  if (parsed->locked || parsed->scheme->kind != Scheme::Kind::scram) return std::nullopt;
  auto keys = parse_scram_keys(parsed->value);
  if (!keys) return std::unexpected(keys.error());
  return std::optional(std::move(*keys));
}

Result<std::string> make_password_entry(std::string_view name, std::string_view password) {
  const Scheme* scheme = find_scheme(name);
  if (scheme == nullptr) return fail(Fault::invalid, "unknown password scheme {" + escape(name, 40) + "}");
  auto prepared = saslprep(password);
  if (!prepared) return fail(Fault::invalid, "the password is unusable: " + prepared.error().text());
  Secret text(*prepared);
  wipe(*prepared);
  if (text.view().size() > password_max) return fail(Fault::too_long, "the password is too long");
  std::string entry = "{" + std::string(scheme->name) + "}";
  if (scheme->kind == Scheme::Kind::salted) {
    std::string salt = random_bytes(16);
    Secret salted(std::string(text.view()) + salt);
    return entry + base64_encode(digest(scheme->hash, salted.view()) + salt);
  }
  if (scheme->kind == Scheme::Kind::scram) {
    return entry +
           format_scram_keys(derive_scram_keys(Hash::sha256, text.view(), random_bytes(16), scram_iterations_new));
  }
  if (scheme->make.empty())
    return fail(Fault::invalid, "new passwords are not written as {" + std::string(scheme->name) + "}");
  // crypt(3) knows no more than 511 octets, bcrypt looks at 72: one that is cut would be weaker than it looks.
  if (text.view().size() >= CRYPT_MAX_PASSPHRASE_SIZE || (scheme->prefix == "$2" && text.view().size() > 72)) {
    return fail(Fault::too_long, "the password is too long for its scheme");
  }
  std::string random = random_bytes(32);
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  // `make` is a literal, so data() ends with a NUL.
  if (crypt_gensalt_rn(scheme->make.data(), scheme->cost, random.data(), static_cast<int>(random.size()), setting,
                       sizeof setting) == nullptr) {
    return fail(Fault::system, "libcrypt makes no salt");
  }
  auto hash = crypt_hash(text.view(), setting);
  if (!hash) return std::unexpected(hash.error());
  return entry + *hash;
}

}  // namespace mansio::crypto
