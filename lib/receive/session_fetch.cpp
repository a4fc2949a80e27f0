// ETRN and ATRN: who may ask for which mail, and what is answered.
#include <fmt/format.h>

#include <algorithm>

#include "receive/fetch.hpp"
#include "receive/session_handler.hpp"

namespace mansio::receive {
namespace {

Status unable(const std::string& node, std::string_view why) {
  return Status(458, 3, 0, fmt::format("Unable to queue messages for node {}: {}", node, why));
}

Status not_allowed(const std::string& node, std::string_view why) { return Status(459, 7, 1, fmt::format("Node {} not allowed: {}", node, why)); }

}  // namespace

bool FetchPace::may_ask(std::string_view client, MonotonicTime now) {
  if (asked_.size() >= clients_kept) std::erase_if(asked_, [now](const auto& entry) { return entry.second.back() + span <= now; });
  if (asked_.size() >= clients_kept) return false;
  auto& times = asked_[std::string(client)];
  while (!times.empty() && times.front() + span <= now) times.pop_front();
  if (times.size() >= most) return false;
  times.push_back(now);
  return true;
}

// RFC 1985 §5.3. The mail goes to the domain's hosts, whoever asks: nobody can get another's mail by this.
event::Task<Status> SessionHandler::start_queue(smtp::EtrnArguments arguments) {
  const std::string& node = arguments.text;
  const config::ClientList& list = router_->tables().etrn_from;
  const std::string& address = client_.peer.address;
  if (list.needs_name(address)) co_await learn_name();
  config::Match listed = client_.credentials ? config::Match::yes : router_->tables().etrn_from.match(address, client_name_);
  Status refused;
  if (listed == config::Match::unsure) refused = unable(node, "whether you may ask can't be told now");
  if (listed == config::Match::no) refused = not_allowed(node, "you are not in domains.etrn_from");
  bool below = arguments.node == smtp::EtrnArguments::Node::below;
  if (refused.ok() && arguments.node == smtp::EtrnArguments::Node::queue) refused = unable(node, "there is no queue of that name");
  if (refused.ok() && !receiver_.fetch->is_held(arguments.name, below)) refused = not_allowed(node, "its mail is not held here");
  std::string client = auth::network_of(address);
  if (refused.ok() && !receiver_.fetch_pace.may_ask(client, std::chrono::steady_clock::now())) refused = unable(node, "you ask too often");
  if (refused.ok() && receiver_.fetch->paused()) refused = unable(node, "no mail leaves at the moment");
  if (!refused.ok()) {
    log_rejection(log::Rejection::Stage::other, "ETRN " + node, refused, refused.text());
    co_return refused;
  }
  std::string by = address.empty() ? std::string("a local client") : fmt::format("{} [{}]", helo_, address);
  auto count = co_await receiver_.fetch->start(arguments.name, below, std::move(by));
  if (!count) co_return unable(node, "others ask just now");
  // Other mail processes have been asked, too; how much they have isn't known here.
  if (receiver_.fetch->has_others()) co_return Status(250, 0, 0, fmt::format("OK, queuing for node {} started", node));
  if (*count == 0) co_return Status(251, 0, 0, fmt::format("OK, no messages waiting for node {}", node));
  co_return Status(253, 0, 0, fmt::format("OK, {} pending messages for node {} started", *count, node));
}

// RFC 2645 §5.2.1: all that are named have to be the user's; none named means all of his.
event::Task<Status> SessionHandler::turn_round(std::vector<std::string> domains) {
  std::vector<std::string> own;
  for (const config::Odmr& one : receiver_.config()->odmr) {
    if (one.user == login_) own.insert(own.end(), one.domains.begin(), one.domains.end());
  }
  auto is_own = [&](const std::string& domain) { return std::ranges::find(own, domain) != own.end(); };
  std::string asked = fmt::format("{}", fmt::join(domains, ","));
  Status refused;
  if (own.empty() || !std::ranges::all_of(domains, is_own)) refused = Status(450, 7, 1, "ATRN request refused: that mail is not for " + login_);
  else if (!receiver_.fetch_pace.may_ask("user " + login_, std::chrono::steady_clock::now())) refused = Status(451, 7, 1, "Unable to process ATRN request now: you ask too often");
  else if (receiver_.fetch->paused()) refused = Status(451, 3, 2, "Unable to process ATRN request now: no mail leaves at the moment");
  if (!refused.ok()) {
    log_rejection(log::Rejection::Stage::other, "ATRN " + asked, refused, refused.text());
    co_return refused;
  }
  if (domains.empty()) domains = std::move(own);
  std::vector<std::string> wanted = domains;
  auto count = co_await receiver_.fetch->waiting(std::move(wanted));
  if (!count) co_return Status(451, 3, 0, "Unable to process ATRN request now: others ask just now");
  if (*count == 0 && receiver_.fetch->has_others()) co_return Status(451, 2, 0, "Unable to process ATRN request now: another connection may find your mail");
  if (*count == 0) co_return Status(453, 2, 0, "You have no mail");
  turn_ = std::make_unique<Turn>(login_, std::move(domains));
  co_return Status(250, 0, 0, "OK now reversing the connection");
}

}  // namespace mansio::receive
