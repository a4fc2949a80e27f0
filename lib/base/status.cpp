#include "base/status.hpp"

#include <fmt/format.h>

#include <cstring>

namespace mansio {

Error Error::from_errno(int sys, std::string doing) {
  Fault fault = Fault::system;
  switch (sys) {
    case ENOENT: fault = Fault::not_found; break;
    case EEXIST: fault = Fault::exists; break;
    case EACCES: case EPERM: case ELOOP: fault = Fault::denied; break;
    case ENOSPC: case EDQUOT: case EFBIG: case EMFILE: case ENFILE: case ENOMEM: case ENOBUFS: fault = Fault::full; break;
    case EAGAIN: case EBUSY: case ETXTBSY: fault = Fault::busy; break;
    case ETIMEDOUT: fault = Fault::timed_out; break;
    case ECANCELED: fault = Fault::cancelled; break;
    case ECONNRESET: case EPIPE: case ECONNABORTED: fault = Fault::closed; break;
    default: break;
  }
  // GNU strerror_r: thread-safe, and needs no locale.
  char buffer[128];
  std::string text = std::move(doing);
  text += ": ";
  text += strerror_r(sys, buffer, sizeof buffer);
  return Error(fault, std::move(text), sys);
}

Status::Status(int code, std::uint16_t subject, std::uint16_t detail, std::string text)
    : code_(code), enhanced_{static_cast<std::uint8_t>(code / 100), subject, detail}, text_(std::move(text)) {}

Status::Status(int code, std::string text) : code_(code), text_(std::move(text)) {}

Status Status::from_error(const Error& error) {
  switch (error.fault()) {
    case Fault::full: return Status(452, 3, 1, "Insufficient system storage, try again later");
    default: return Status(451, 3, 0, "Local error in processing, try again later");
  }
}

std::string Status::enhanced_text() const {
  if (enhanced_.klass == 0) return {};
  return fmt::format("{}.{}.{}", enhanced_.klass, enhanced_.subject, enhanced_.detail);
}

std::string Status::line() const {
  std::string flat = text_;
  for (char& c : flat) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  std::string enhanced = enhanced_text();
  return enhanced.empty() ? fmt::format("{} {}", code_, flat) : fmt::format("{} {} {}", code_, enhanced, flat);
}

}  // namespace mansio
