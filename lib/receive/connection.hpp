// One connection of a Receiver, while it lasts. Private to Receiver.
#pragma once
#include "net/connection.hpp"
#include "receive/session_handler.hpp"

namespace mansio::receive {

struct Receiver::Connection {
  Connection(Receiver& receiver, event::Stream s, smtp::Client client, ServicePtr service)
      : conversation(smtp::Conversation::Side::incoming, ++receiver.numbers_), connection(std::move(s)),
        handler(receiver, std::move(client), std::move(service)) {}
  smtp::Conversation conversation;
  net::Connection connection;
  SessionHandler handler;
};

}  // namespace mansio::receive
