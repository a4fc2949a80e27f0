#include "net/openssl.hpp"

#include <openssl/err.h>

#include <cstring>
#include <new>

#include "base/text.hpp"

namespace mansio::net {

std::string take_reason() {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "ended without a reason";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

Owned<BIO> memory_bio(std::string_view bytes) {
  Owned<BIO> bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

bool is_host_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > 255) return false;
  for (char c : text) {
    if (!is_alnum(c) && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

}  // namespace mansio::net
