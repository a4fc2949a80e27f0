// SASLprep (RFC 4013): user names and passwords in the one form in which they are compared. Printable ASCII is as it
// is, without a call; the rest goes through GNU libidn's stringprep (NFKC, prohibited output, bidi).
// libidn2 can't do this: it has IDNA 2008 only.
#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::crypto {

// Code points that Unicode 3.2 did not know are let through (a "query", RFC 3454 §7), so that passwords with new
// characters work; client and server both take them unchanged. Fault::invalid: control characters (NUL too), not
// UTF-8, prohibited characters, mixed directions, empty once prepared; the text of the error never holds the input.
Result<std::string> saslprep(std::string_view text);

}  // namespace mansio::crypto
