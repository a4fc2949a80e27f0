#include "metrics/exporter.hpp"

#include <unistd.h>

#include "base/text.hpp"
#include "metrics/http.hpp"

namespace mansio::metrics {
namespace {

constexpr std::size_t most_clients = 16;
constexpr Duration request_time{5000}, response_time{10'000};

Result<UniqueFd> open_socket(const std::string& where) {
  if (where.starts_with("unix:")) return event::listen_unix(where.substr(5), 0660);
  auto colon = where.rfind(':');
  auto port = colon == std::string::npos ? std::nullopt : parse_number(std::string_view(where).substr(colon + 1));
  if (!port || *port > 65535) return fail(Fault::invalid, "\"" + where + "\" is no address and port");
  std::string address = where.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  return event::listen_tcp(address, static_cast<std::uint16_t>(*port));
}

}  // namespace

Result<> Exporter::listen(const std::string& where) {
  if (where == where_) return {};
  close();
  if (where.empty()) return {};
  auto fd = open_socket(where);
  if (!fd) return std::unexpected(fd.error());
  auto serve_one = [this](event::Stream stream) {
    if (clients_ < most_clients) scope_.spawn(serve(std::move(stream)));
    else stream.reset_on_close();
  };
  auto listener = event::Listener::adopt(loop_, std::move(*fd), where.starts_with("unix:"), serve_one);
  if (!listener) return std::unexpected(listener.error());
  listener_.emplace(std::move(*listener));
  where_ = where;
  return {};
}

void Exporter::close() {
  listener_.reset();
  if (where_.starts_with("unix:")) ::unlink(where_.c_str() + 5);
  where_.clear();
}

event::Task<> Exporter::serve(event::Stream stream) {
  struct Count {
    explicit Count(std::size_t& n) : clients(n) { ++clients; }
    ~Count() { --clients; }
    std::size_t& clients;
  };
  Count count(clients_);
  std::string request;
  auto deadline = event::Deadline::in(request_time);
  while (!is_whole(request) && request.size() < longest_request) {
    auto piece = co_await stream.read_some(deadline);
    if (!piece) co_return;
    request += piece->substr(0, longest_request - request.size());
  }
  bool wanted = false;
  std::string page, response = response_to(request, [&] {
    wanted = true;
    return std::string();
  });
  if (wanted) {
    page = co_await page_();
    response = response_to(request, [&] { return page; });
  }
  auto patience = event::Deadline::in(response_time);
  auto written = co_await stream.write(response, patience);
  if (!written) co_return;
  // Its close is waited for: ours, with something unread, would be a reset that overtakes the response.
  stream.shutdown();
  auto end = event::Deadline::in(Duration(1000));
  for (int left = 8; left > 0; --left) {
    auto piece = co_await stream.read_some(end);
    if (!piece) break;
  }
}

}  // namespace mansio::metrics
