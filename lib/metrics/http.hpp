// The little of HTTP/1.1 (RFC 9110, RFC 9112) that a scraper needs: one GET of /metrics, one answer, then the end. Pure.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace mansio::metrics {

inline constexpr std::size_t longest_request = 8192;

// Is the request's head whole (an empty line has come)?
bool is_whole(std::string_view request) noexcept;
// The response, with "Connection: close". `page` is called for what is asked rightly alone.
std::string response_to(std::string_view request, const std::function<std::string()>& page);

}  // namespace mansio::metrics
