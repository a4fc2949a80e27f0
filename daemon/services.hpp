// How each listener is spoken to: its protocol, its TLS with the certificates of the moment, whether clients log in.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "receive/receiver.hpp"
#include "secrets.hpp"

namespace mansio::daemon {

// By Listener::setting ("listeners[0]").
using ServiceMap = std::map<std::string, receive::ServicePtr>;

struct MadeServices {
  ServiceMap services;
  std::vector<net::TlsServer::Certificate> certificates;      // in use, each once
  std::vector<std::string> problems;
};

// May read authorities from the disk: for a thread, or before anything is served. Where a certificate is of no use the
// listener goes on with what `before` has for it; where there is nothing, the listener is missing from the answer: TLS
// that was asked for is never left out.
MadeServices make_services(const config::Config& config, const Secrets& secrets, const std::shared_ptr<net::TlsTickets>& tickets,
                           const ServiceMap& before);

// "certificate FILE (mail.example.org): 62 days left", and whether that is few.
struct Expiry {
  std::string text;
  bool soon = false;
};
Expiry describe_expiry(const net::TlsServer::Certificate& certificate, Time now);

}  // namespace mansio::daemon
