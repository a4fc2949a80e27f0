#include "event/interfaces.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

namespace mansio::event {

std::vector<std::string> interface_addresses() {
  std::vector<std::string> out;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    char text[INET6_ADDRSTRLEN];
    const void* at = nullptr;
    if (one->ifa_addr->sa_family == AF_INET) at = &reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr;
    if (one->ifa_addr->sa_family == AF_INET6) at = &reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr;
    if (at != nullptr && ::inet_ntop(one->ifa_addr->sa_family, at, text, sizeof text) != nullptr) out.emplace_back(text);
  }
  ::freeifaddrs(list);
  return out;
}

}  // namespace mansio::event
