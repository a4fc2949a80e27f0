// Resolver: a stub resolver on the loop (RFC 1034 §5.3.1). Asks the configured servers over UDP with EDNS0 (RFC 6891),
// and over TCP when an answer is truncated; retries over the servers; believes only an answer with our id, our question,
// from the address and port that were asked, to the random port that asked (RFC 5452 §9). Answers, also negative ones
// (RFC 2308), are kept for their time to live; equal questions under way are asked once.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "dns/answer.hpp"
#include "event/scope.hpp"
#include "event/stream.hpp"
#include "event/task.hpp"

namespace mansio::dns {

struct ResolverOptions {
  ResolverOptions() = default;
  std::vector<event::Endpoint> servers;      // asked in this order, the silent ones of the last half minute at the end;
                                             // none: every question ends in `failed`
  Duration timeout{5000};                    // of one try
  unsigned attempts = 3;                     // rounds over all servers
  std::size_t cache_entries = 10'000;        // of 1 KiB on average; those not used for longest go first
  std::size_t questions_at_once = 200;       // sockets; more tries wait their turn: descriptors are bounded
};

// resolv.conf(5): nameserver lines (three at most count), options timeout: and attempts:. Search lists are not for mail
// (RFC 5321 §5.1: names are taken as complete). Unknown lines are passed over, as libc does, and without any server it
// is 127.0.0.1. Pure.
ResolverOptions parse_resolv_conf(std::string_view text);
// "127.0.0.1", "127.0.0.1:5353", "[::1]:5353", "2001:db8::1": port 53 unless given.
Result<event::Endpoint> parse_server(std::string_view text);

class Resolver {
 public:
  Resolver(event::Loop& loop, event::Scope& scope, ResolverOptions options);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // New servers count from the next question; the cache is emptied.
  void configure(ResolverOptions options);

  // `name`: a domain name as ASCII (A-labels), any case, with or without the trailing dot. Never null. A CNAME chain is
  // followed to `type` (bounded; a loop is `failed`) unless `type` is cname.
  event::Task<std::shared_ptr<const Answer>> ask(std::string name, Type type);

  // Told of each try at a name server and how long it took: answered, could not be asked or could not answer, was silent.
  enum class Try : std::uint8_t { answered, failed, silent };
  void observe(std::function<void(Try how, std::chrono::nanoseconds took)> observer);

  // Questions under way end with `failed`, and so do later ones; for shutdown. Its tasks in the scope end at once, but
  // one that is just connecting over TCP within the time-out. The Resolver must live until the scope is joined.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mansio::dns
