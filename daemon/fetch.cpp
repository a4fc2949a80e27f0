#include "fetch.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace mansio::daemon {
namespace {

std::vector<queue::Node> nodes_of(const std::vector<std::string>& domains) {
  std::vector<queue::Node> out;
  for (const std::string& domain : domains) out.emplace_back(domain, false);
  return out;
}

}  // namespace

event::Task<std::optional<std::size_t>> QueueFetch::start(std::string domain, bool below, std::string by) {
  if (tell_) tell_(domain, below, by);
  queue::Node node(std::move(domain), below);
  auto count = co_await queue_.start_node(std::move(node), std::move(by));
  co_return count;
}

event::Task<> QueueFetch::start_here(std::string domain, bool below, std::string by) {
  queue::Node node(std::move(domain), below);
  co_await queue_.start_node(std::move(node), std::move(by));
}

event::Task<std::optional<std::size_t>> QueueFetch::waiting(std::vector<std::string> domains) {
  std::vector<queue::Node> nodes = nodes_of(domains);
  auto found = co_await queue_.find_waiting(std::move(nodes));
  if (!found) co_return std::nullopt;
  co_return found->size();
}

event::Task<> QueueFetch::give(net::Connection connection, std::string user, std::vector<std::string> domains) {
  std::string who = fmt::format("{} [{}]", escape(user, 200), connection.peer().address);
  std::string helo_name = queue_.config()->host_name;
  auto turned = co_await remote_.turn(std::move(connection), std::move(helo_name), std::move(user));
  if (!turned) {
    queue_.log.notice(fmt::format("ATRN by {}: nothing was given: {}", who, turned.error().text()));
    co_return;
  }
  std::vector<queue::Node> nodes = nodes_of(domains), again = nodes;
  auto found = co_await queue_.find_waiting(std::move(nodes));
  if (found) {
    queue_.log.notice(fmt::format("ATRN by {}: {} messages for {} go there now", who, found->size(), fmt::join(domains, ", ")));
    co_await queue_.give_over(turned->get(), std::move(*found), std::move(again));
  }
  co_await remote_.end_turn(std::move(*turned));
}

}  // namespace mansio::daemon
