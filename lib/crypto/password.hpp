// Passwords as a users file keeps them: "{SCHEME}hash", the schemes by Dovecot's names. No scheme means CRYPT, as in
// Dovecot's passwd-file. An unknown scheme is an error, never a password in the clear. Pure, but slow by intent: a
// check takes from a millisecond to a second, so it runs off the loop.
//   PLAIN CLEAR CLEARTEXT    the password itself
//   CRYPT SHA256-CRYPT SHA512-CRYPT BLF-CRYPT    crypt(3); CRYPT is all that libcrypt knows (yescrypt, bcrypt, ...)
//                            but the old DES one, which looks at eight characters only
//   SSHA256 SSHA512          digest of password and salt, then the salt; base64, or hex as SSHA256.HEX
//   SCRAM-SHA-256            see scram_keys.hpp
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "crypto/scram_keys.hpp"

namespace mansio::crypto {

inline constexpr std::size_t password_max = 1024;  // octets

// Is `entry` one that check_password can use? For config checks; the error's text never holds the entry.
Result<> check_password_entry(std::string_view entry);

// Does `password` open `entry`? False too for passwords that are empty, too long, or hold control bytes, and for locked
// entries ("!", "*"). Fault::invalid: the entry itself is broken. Bytes are compared as they are, without SASLprep,
// as Dovecot and PAM do it; only SCRAM's keys are made from the prepared password.
// To hide which users exist, check the password against the entry of another user and forget the result
// (sasl/decoy.hpp chooses it).
Result<bool> check_password(std::string_view entry, std::string_view password);

// Empty, or "!" or "*": nobody gets in. check_password says so at once, which tells that the user exists: treat such
// a user as one who is unknown.
bool is_locked(std::string_view entry);

// The keys for SCRAM in an entry; nullopt: its scheme has none. PLAIN has none either, since making them takes time
// that would tell of the user: make the keys once, when the file is read.
Result<std::optional<ScramKeys>> scram_keys_of(std::string_view entry);

// A new entry with a fresh salt, for the command that writes the users file: schemes SHA512-CRYPT, BLF-CRYPT, CRYPT
// (yescrypt), SSHA256, SSHA512, SCRAM-SHA-256. The password is as SASLprep leaves it.
Result<std::string> make_password_entry(std::string_view scheme, std::string_view password);

}  // namespace mansio::crypto
