// What an admin does with one message of the queue (sendmail -M…): the message is held, so that no attempt has it
// meanwhile; the change is durable and told in the log before the answer is given (design: durability). The words of the
// answers and of the log are those that Exim's users and tools know.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/queue.hpp"

namespace mansio::queue {

struct Order {
  Order() = default;
  std::string verb;                        // see verbs() of admin.cpp: "freeze", "remove", …
  std::string by;                          // who asks: a user's name
  std::vector<mail::Address> addresses;    // add_recipients, mark_delivered
  std::optional<mail::Address> sender;     // set_sender; nullopt is <>
  std::string transport;                   // reroute: one of the configuration that leads to other hosts; "": as the routes say
};

// What a verb makes of a message in memory, and what is to be done then. Pure, for the tests' sake.
struct Change {
  enum class Keep : std::uint8_t {
    nothing,       // refused, or nothing to change
    progress,
    envelope,
    removed,
    given_up,      // waiting recipients fail now, with bounces
  };
  enum class Then : std::uint8_t { as_planned, try_soon, try_forced };

  Change() = default;
  bool done = false;
  Keep keep = Keep::nothing;
  Then then = Then::as_planned;
  std::string text;                        // follows "Message ID "
  std::vector<std::string> log;            // follow the id
};

bool is_verb(std::string_view verb);
// `order.verb` is one.
Change change_message(spool::Message& message, const Order& order);

struct Outcome {
  Outcome(bool d, std::string t) : done(d), text(std::move(t)) {}
  bool done;
  std::string text;                        // follows "Message ID "
};
// The same for many, some at once: of each id its outcome, in order. What is to be tried then is tried together.
event::Task<std::vector<Outcome>> carry_out_all(Queue* queue, std::vector<spool::QueueId> ids, Order order);
// `queue` outlives it.
event::Task<Outcome> carry_out(Queue* queue, spool::QueueId id, Order order);

}  // namespace mansio::queue
