// Gives the page to scrapers, over a loopback port or a unix socket. One request a connection; a request and the writing of
// its answer are bounded in size and time, and so is the number of clients at once: slow ones only hinder one another.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "event/listener.hpp"
#include "event/scope.hpp"

namespace mansio::metrics {

class Exporter {
 public:
  using Page = std::function<event::Task<std::string>()>;        // called when it is asked for
  Exporter(event::Loop& loop, event::Scope& scope, Page page) : loop_(loop), scope_(scope), page_(std::move(page)) {}

  // "127.0.0.1:9125", "[::1]:9125", "unix:/path" (for its owner and group alone); "" for nowhere. What was listened on before
  // is closed, unless it is the same. Loopback is the configuration's to check.
  Result<> listen(const std::string& where);
  void close();
  bool listening() const noexcept { return listener_.has_value(); }
  event::Endpoint local() const { return listener_ ? listener_->local() : event::Endpoint(); }

 private:
  event::Task<> serve(event::Stream stream);

  event::Loop& loop_;
  event::Scope& scope_;
  Page page_;
  std::string where_;
  std::optional<event::Listener> listener_;
  std::size_t clients_ = 0;
};

}  // namespace mansio::metrics
