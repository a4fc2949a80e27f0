// One attempt at a message: route each waiting recipient anew, deliver to each place once, keep what happened durably,
// then finish, defer or expire it, with the reports that are due.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "event/scope.hpp"
#include "queue/queue.hpp"
#include "queue/report.hpp"

namespace mansio::queue {

// How far the spool being in trouble puts off the next try.
inline constexpr std::chrono::seconds after_trouble{60};

class Attempt {
 public:
  Attempt(Queue& queue, std::shared_ptr<spool::Message> message);

  // nullopt: the message is finished. Else when it is to be tried again; it then lies in deferred/ (or, when the disk
  // refused even that, where it was).
  event::Task<std::optional<Time>> run();

 private:
  // A place a recipient leads to. Two recipients (or aliases) that lead to the same place share one delivery.
  struct Place {
    explicit Place(route::Destination d) : destination(std::move(d)) {}
    route::Destination destination;
    std::vector<std::size_t> recipients;
    bool done = false;
    Status status{451, 4, 0, "not tried"};
  };

  event::Task<> resolve(std::size_t recipient);
  void add_place(std::size_t recipient, route::Destination destination);
  event::Task<> deliver(Place* place);
  event::Task<> keep_progress();
  deliver::Job make_job(const route::Destination& destination) const;
  void conclude_recipients();
  event::Task<std::optional<Time>> conclude();
  event::Task<Result<>> report(std::vector<std::size_t> recipients, mail::DsnAction kind, std::optional<Time> expires);
  std::optional<Time> next_time() const;
  Time expiry() const;

  void log_outcome(const Place& place);
  void log_refusal(std::size_t recipient, const Status& status);

  Queue& queue_;
  std::shared_ptr<spool::Message> message_;
  config::ConfigPtr config_;
  std::shared_ptr<route::Router> router_;
  Time started_;
  std::map<std::string, std::unique_ptr<Place>> places_;
  std::vector<std::vector<Place*>> places_of_;                 // by recipient
  std::vector<std::optional<Status>> refused_;                 // by recipient: what routing said
  event::Scope scope_;
  bool keeping_ = false, dirty_ = false, first_logged_ = false;
};

}  // namespace mansio::queue
