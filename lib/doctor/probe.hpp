// A conversation with an SMTP server as a stranger has it, for looking only: it may name senders and recipients, and never
// sends a message.
#pragma once
#include <memory>
#include <string>

#include "config/config.hpp"
#include "event/loop.hpp"
#include "event/stream.hpp"
#include "smtp/capabilities.hpp"
#include "smtp/client_channel.hpp"

namespace mansio::doctor {

struct ProbeTarget {
  ProbeTarget() = default;
  event::Endpoint endpoint;
  std::string source;              // numeric, or ""
  std::string helo = "doctor.invalid";
  std::string tls_name;            // the name that the certificate should have
  bool implicit = false;           // TLS from the first byte
  bool starttls = false;           // TLS as soon as it is offered
  Duration patience{5000};         // for each answer
};

class Probe {
 public:
  // Connected, greeted, said EHLO, and TLS where the target says so. An Error says what went wrong.
  static event::Task<Result<std::unique_ptr<Probe>>> open(event::Loop& loop, ProbeTarget target);

  const std::string& greeting() const noexcept { return greeting_; }       // its first line, without the code
  bool offers_starttls() const noexcept { return offers_starttls_; }
  const net::TlsInfo* tls() const noexcept { return channel_.tls(); }
  const std::string& tls_problem() const noexcept { return tls_problem_; } // STARTTLS was offered, and did not come about

  event::Task<Result<smtp::ServerReply>> say(std::string command);
  event::Task<> quit();

  explicit Probe(net::Connection connection, ProbeTarget target) : channel_(std::move(connection)), target_(std::move(target)) {}

 private:
  event::Task<Result<>> begin();
  event::Task<Result<>> start_tls();
  event::Task<Result<>> hello();

  smtp::ClientChannel channel_;
  ProbeTarget target_;
  std::string greeting_, tls_problem_;
  bool offers_starttls_ = false;
};

}  // namespace mansio::doctor
