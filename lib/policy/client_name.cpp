#include "policy/client_name.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "event/timer.hpp"

namespace mansio::policy {
namespace {

using Bits = config::Network::Bits;

bool is_mapped(const Bits& bits) {
  return std::ranges::all_of(bits.begin(), bits.begin() + 10, [](std::uint8_t byte) { return byte == 0; }) && bits[10] == 0xff && bits[11] == 0xff;
}

std::string reverse_of(const Bits& bits) {
  if (is_mapped(bits)) return fmt::format("{}.{}.{}.{}.in-addr.arpa", bits[15], bits[14], bits[13], bits[12]);
  std::string out;
  for (auto it = bits.rbegin(); it != bits.rend(); ++it) fmt::format_to(std::back_inserter(out), "{:x}.{:x}.", *it & 15, *it >> 4);
  return out + "ip6.arpa";
}

}  // namespace

std::string reverse_name(std::string_view address) {
  auto bits = config::Network::parse_address(address);
  return bits ? reverse_of(*bits) : std::string();
}

struct ClientNames::Search {
  Search(event::Loop& loop, Bits b) : bits(b), timer(loop), found(config::ClientName::State::unsure) {}
  Bits bits;
  event::Timer timer;
  config::ClientName found;      // unsure until all has been asked
  bool over = false;
};

event::Task<> ClientNames::run(std::shared_ptr<Search> search) {
  std::string question = reverse_of(search->bits);
  auto pointers = co_await resolver_.ask(std::move(question), dns::Type::ptr);
  bool sure = pointers->found() || pointers->proven_absent();
  dns::Type type = is_mapped(search->bits) ? dns::Type::a : dns::Type::aaaa;
  std::size_t count = std::min(pointers->names.size(), most_client_names);
  for (std::size_t i = 0; i < count && !search->over; ++i) {
    std::string name = pointers->names[i];
    auto addresses = co_await resolver_.ask(std::move(name), type);
    bool told = addresses->found() || addresses->proven_absent() || addresses->outcome == dns::Outcome::bad_name;
    sure = sure && told;
    auto is_ours = [&](const std::string& address) {
      auto bits = config::Network::parse_address(address);
      return bits && *bits == search->bits;
    };
    if (std::ranges::any_of(addresses->addresses, is_ours)) search->found.names.push_back(pointers->names[i]);
  }
  if (sure && !search->over) search->found.state = config::ClientName::State::known;
  search->over = true;
  search->timer.wake();
}

event::Task<config::ClientName> ClientNames::look_up(std::string address, Duration limit) {
  auto bits = config::Network::parse_address(address);
  if (!bits) co_return config::ClientName(config::ClientName::State::known);     // a unix socket has no name
  auto search = std::make_shared<Search>(loop_, *bits);
  scope_.spawn(run(search));
  if (!search->over) co_await search->timer.sleep(limit);
  search->over = true;
  co_return search->found;
}

}  // namespace mansio::policy
