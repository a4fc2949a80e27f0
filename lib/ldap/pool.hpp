// The connections to one directory. Questions wait for one, in order; servers are tried in theirs. A server that can't be
// reached, refuses the bind or leaves a question unanswered is left alone for 1 s, then 2 s … 30 s. When that is true of all
// of them the directory is down: questions fail at once until the time is over. A question whose connection breaks is asked
// once more. While a later server is in use the better ones are tried again, and taken when they answer.
#pragma once
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/scope.hpp"
#include "event/threads.hpp"
#include "event/timer.hpp"
#include "event/watch.hpp"
#include "ldap/client.hpp"

namespace mansio::ldap {

// For the log: `trouble`, which somebody has to look at, or its end.
using Report = std::function<void(const std::string& text, bool trouble)>;

class Pool final : public Searcher, public std::enable_shared_from_this<Pool> {
 public:
  // The loop and the scope outlive it.
  Pool(event::Loop& loop, event::Scope& scope, config::Ldap settings, Access access, Report report);
  ~Pool();
  event::Task<Result<Found>> ask(Search search) override;

 private:
  struct Question;
  struct Link;
  struct Server;
  using QuestionPtr = std::shared_ptr<Question>;
  static constexpr std::size_t most_waiting = 100'000, most_asked = 64, many_asked = 8;

  void pump();
  Link* best_link();
  bool hand(Link& link, const QuestionPtr& question);
  void consider_opening();
  event::Task<> open(std::size_t servers);
  void add_link(Client client, std::size_t server);
  void arrived(Link& link);
  void lose(Link& link, const Error& why, bool blame);
  void failed(Server& server, const std::string& why);
  void answered(std::size_t server);
  bool is_down(MonotonicTime now) const;
  void tell_if_down();
  void fail_waiting();
  bool is_idle() const;
  void tick_while_needed();
  event::Task<> tick();
  void expire();
  void finish(const QuestionPtr& question, Result<Found> found);
  void settle();
  Duration patience() const;
  std::string name() const { return "directory " + settings_.name; }

  event::Loop& loop_;
  event::Scope& scope_;
  config::Ldap settings_;
  Access access_;
  Report report_;
  event::Threads threads_;
  event::Timer timer_;
  std::vector<Server> servers_;
  std::list<Link> links_;
  std::deque<QuestionPtr> waiting_;
  std::vector<QuestionPtr> finished_;        // whose askers have not been told yet
  std::size_t used_ = 0;                     // the server that answered last
  std::shared_ptr<Lifeline> lifeline_;       // of the connection that is being made
  bool opening_ = false, ticking_ = false, down_ = false;
};

}  // namespace mansio::ldap
