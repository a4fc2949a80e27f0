#include "metrics/http.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace mansio::metrics {
namespace {

std::string response(std::string_view status, std::string_view more, std::string_view type, std::string_view body) {
  return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{}", status, type, body.size(), more, body);
}

std::string refusal(std::string_view status, std::string_view more, std::string_view text) {
  return response(status, more, "text/plain; charset=utf-8", text);
}

}  // namespace

bool is_whole(std::string_view request) noexcept {
  return request.find("\r\n\r\n") != std::string_view::npos || request.find("\n\n") != std::string_view::npos;
}

std::string response_to(std::string_view request, const std::function<std::string()>& page) {
  if (!is_whole(request)) return refusal("431 Request Header Fields Too Large", "", "the request is too long\n");
  std::string_view line = request.substr(0, request.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  auto words = split(line, ' ');
  bool is_http = words.size() == 3 && !words[0].empty() && words[1].starts_with('/') && words[2].starts_with("HTTP/1.") && !has_control(line);
  if (!is_http) return refusal("400 Bad Request", "", "this is no request of HTTP/1.1\n");
  std::string_view path = words[1].substr(0, words[1].find('?'));
  if (path != "/metrics") return refusal("404 Not Found", "", "the metrics are at /metrics\n");
  if (words[0] != "GET") return refusal("405 Method Not Allowed", "Allow: GET\r\n", "only GET is allowed\n");
  return response("200 OK", "Cache-Control: no-store\r\n", "text/plain; version=0.0.4; charset=utf-8", page());
}

}  // namespace mansio::metrics
