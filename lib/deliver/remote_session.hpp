// What a Remote has under way: a connection, and where a delivery stands in its list of hosts. Private to Remote.
#pragma once
#include <deque>
#include <string>

#include "deliver/remote.hpp"

namespace mansio::deliver {

struct Remote::Session {
  Session(Remote& o, net::Connection connection, smtp::ClientOptions options)
      : owner(o), conversation(smtp::Conversation::Side::outgoing, ++o.numbers_), peer(connection.peer()), local(connection.local()),
        client(std::move(connection), std::move(options), &conversation) {
    ++owner.open_;
    owner.sessions_.insert(this);
  }
  ~Session() {
    --owner.open_;
    owner.sessions_.erase(this);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Remote& owner;
  smtp::Conversation conversation;
  event::Endpoint peer, local;
  Seats::Seat seat;                    // before the client, so that it is free only once the connection has been closed
  smtp::ClientSession client;
  std::shared_ptr<const config::Transport> transport;
  std::string host_key;                // for Logins::find()
  log::Host host;
  std::string endpoint, site;          // site: its key
  LoginPtr login;                      // it is logged in with; null: not at all
  MonotonicTime opened = std::chrono::steady_clock::now(), idle_since{};
};

// Where one delivery stands in the list of hosts and addresses.
struct Remote::Try {
  Try() = default;
  struct Place {
    Place(SiteHost h, event::Endpoint e) : host(std::move(h)), endpoint(std::move(e)) {}
    SiteHost host;
    event::Endpoint endpoint;
  };
  std::size_t next_host = 0;
  unsigned cut_at = 65535;            // hosts of this preference and worse are behind ourselves; 65535 are fallback hosts
  std::deque<Place> now, later;       // later: those that failed lately
  Status last{451, 4, 4, "no host of the destination could be tried"};
  log::Host last_host;
  bool own_trouble = false;           // descriptors, memory or settings: says nothing about the site
  bool soft = false;                  // something that may pass has happened
  bool served = false;                // some host was there and took commands
};

// One address, and how it is to be spoken to.
struct Remote::Approach {
  Approach(SiteHost h, event::Endpoint e) : host(std::move(h)), endpoint(std::move(e)) {}
  SiteHost host;
  event::Endpoint endpoint;
  log::Host where;
  std::string text;                   // "[192.0.2.1]:25", or a path
  smtp::ClientOptions options;
  LoginPtr login;
  bool renewed = false;               // the token, after a refusal
  bool again = false;                 // it is worth another connection at once, as `options` say now
};

// A refusal that a host said before it knew of any mail: 451 with its words.
Status soften(const Status& said, const char* at);

}  // namespace mansio::deliver
