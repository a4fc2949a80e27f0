#include "crypto/saslprep.hpp"

#include <stringprep.h>

#include <cstdlib>
#include <memory>

#include "base/text.hpp"

namespace mansio::crypto {

Result<std::string> saslprep(std::string_view text) {
  if (text.empty()) return fail(Fault::invalid, "empty");
  if (has_control(text)) return fail(Fault::invalid, "a control character");  // RFC 4013 §2.3
  if (is_ascii(text)) return std::string(text);
  if (!is_utf8(text)) return fail(Fault::invalid, "not UTF-8");
  char* prepared = nullptr;
  int rc = stringprep_profile(std::string(text).c_str(), &prepared, "SASLprep", Stringprep_profile_flags(0));
  std::unique_ptr<char, decltype(&std::free)> owner(prepared, &std::free);
  if (rc != STRINGPREP_OK) return fail(Fault::invalid, stringprep_strerror(static_cast<Stringprep_rc>(rc)));
  std::string out(prepared);
  if (out.empty()) return fail(Fault::invalid, "empty");  // of characters that are mapped to nothing
  return out;
}

}  // namespace mansio::crypto
