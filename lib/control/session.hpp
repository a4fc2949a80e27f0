// One client of the control socket. A request is a JSON object on a line of at most 64 KiB, with "command"; an
// answer is any number of objects, one a line, the last with "end": true. {"error":"…"} refuses and ends the answer;
// with "denied": true because of who asks. The commands are the rows of session.cpp:
//
//   queue_list  "sorted":false     {"id","sender","age_seconds","size","frozen","recipients":[{"address","done",
//                                  "status"}],"reason","next_attempt","attempts"} …   {"end":true,"complete":true}
//   queue_count                    {"end":true,"count":12}
//   queue_run   "recipient","sender","id": parts of one; "force_frozen":true
//                                  {"looked_at":20000} …   {"end":true,"started":3}
//   queue_act   "verb","ids":[…],"addresses":[…],"transport"    {"id","done":true,"text":"is now frozen"} …  {"end":true}
//               the verbs are those of queue/admin.cpp; set_sender takes the new sender as its only address, "" for <>; reroute
//               the name of a transport to other hosts, "" for as the routes say; retry: in turn, nothing frozen or closed is forced
//   queue_select  "filter":{…},"limit":N,"detail":true,"progress":true,"in_full":N: so many, then only {"ids":[…]} …
//               all conditions must hold, of a list one entry: "ids","senders","recipients","domains","destinations","transports":
//               [globs]; "older","newer": seconds; "larger","smaller": octets; "frozen","tried": true or false
//               as queue_list, and "state": waiting, due, trying, frozen, closed or paused, "destination","transport",
//               "closed_until","closed_why"; {"looked_at":N} …   {"end":true,"matched":3,"complete":true}
//               with detail: "received","expires" (seconds since 1970),"delay_warned","smtputf8","protocol","client_address",
//               "client_name","client_port","helo","user","reply_to_id","envid","body"; recipients also "state","host","orcpt","notify",
//               and of waiting ones "warned","route" (where it is not what their domain alone tells) and "retry": describe.hpp
//   queue_summary "filter","by": destination, recipient-domain or sender-domain
//               {"name","messages","bytes","ages":[…],"waiting","due","trying","frozen","closed","paused","closed_until","closed_why"} …
//               {"total":true,…}   {"end":true,"messages":12,"minutes":[5,…],"complete":true}; ages below each of minutes, and above
//   queue_show  "id","part": envelope, headers, body or copy    {"bytes":N}, a line end, N octets, …         {"end":true}
//   route       "address","verify":true  {"line":"…"} …          {"end":true,"verdict":"ok"}, "failed" or "deferred"
//   reload_aliases                       {"problem":"file:line: text"} …        {"end":true,"aliases":12}
//   reload                               {"refused":"file:line: text"} … or {"problem":…} …  {"end":true,"done":true,"aliases":12}
//   metrics                              {"end":true,"text":"the page that scrapers get, docs/metrics.md"}
//   why         "address","from","client","user": all but the first may be ""; or "id"
//               one object with "end": the plan for an address, or what the queue knows of a message; explanation.hpp has its keys
//   status                               one object with "end": status.cpp has its keys, and man/mansioctl.8 tells of them
//   sessions    "side": in or out, "id"; each may be left out
//                                  {"session":"i27","side":"in","address","port","name","local_address","local_port","service",
//                                  "site" (out),"since","age_seconds","idle_seconds","state","in_data","content_octets","messages",
//                                  "recipients","octets","user","tls"} …               {"end":true,"count":12}
//   session_kill  "id", or "client": an address or a network     the sessions that were ended, as above   {"end":true,"count":1}
//   trace       "target": a session's id, an address, a network or a destination; "conversations":N, "seconds":N: bounds
//                                  {"following":"i27","now":1}, then as it happens {"time":1700000000.123,"session","what",
//                                  "text"} and {"skipped":12} …                        {"end":true,"conversations":1}
//               what: opened, closed, client, server, content, note
//   badmail_list                         {"id","kind": undeliverable or pickup,"kept","size","why","sender","recipients":[…],
//                                  "recipient_count","file","owner"} …   {"end":true,"count":2}; "kept" in seconds since 1970
//   badmail_show  "id"                   one object with "end": as above, and "header"
//   badmail_retry, badmail_remove  "ids":[…]    {"id","done":true,"text":"is queued as …","new_id"} …  {"end":true}
//   pause       nothing: lists; else "what": accepting, listener, outbound or destination, "name" of a listener or destination,
//               "seconds":N, "reason", "local":true
//                                  {"what","name","local","title","since","until","by","reason"} …   {"end":true,"count":1}
//   resume      "what" and "name" as above, or "all":true        those that were there, as above     {"end":true,"count":1}
//   ping                                 {"end":true}
// With several mail processes the first answers for all (spread.cpp). When one doesn't answer, the last object has
// "complete":false and "missing":[1]; status then has "processes", as status_sum.hpp says. Among themselves also
//   pauses      "text": of SPOOL/pauses, "stamp": newer is larger                                    {"end":true}
#pragma once
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "control/selection.hpp"
#include "control/server.hpp"
#include "queue/admin.hpp"

namespace mansio::control {

enum class Right : std::uint8_t;

class Session {
 public:
  using Json = nlohmann::json;

  // Both outlive it. `from_peer`: the first process asks, for somebody whom it names.
  Session(Services& services, event::Stream& stream, Caller caller, bool from_peer = false)
      : services_(services), queue_(services.queue), stream_(stream), caller_(std::move(caller)), from_peer_(from_peer) {}

  event::Task<> run();

 private:
  friend struct CommandRow;
  event::Task<> answer(std::string line);

  // queue_commands.cpp
  event::Task<> queue_list();
  event::Task<> queue_count();
  event::Task<> queue_run();
  event::Task<> queue_act();
  Result<queue::Order> order() const;
  event::Task<> write_log();
  event::Task<std::vector<spool::QueueId>> sorted_ids();
  std::vector<queue::Outcome> retry(const std::vector<spool::QueueId>& ids);
  bool may_see(const spool::Message& message) const;
  // content_commands.cpp
  event::Task<> queue_show();
  event::Task<> send_content(std::shared_ptr<spool::Message> message, std::uint64_t from);
  // address_commands.cpp
  event::Task<> route();
  event::Task<> show_hosts(std::shared_ptr<const config::Transport> transport, mail::Address address, Status* status);
  event::Task<> reload_aliases();
  event::Task<> reload();
  // queue_selection.cpp
  event::Task<> queue_select();
  Result<Selection> selection() const;
  event::Task<> queue_summary();
  // status_commands.cpp
  event::Task<> status();
  event::Task<> metrics();
  // session_commands.cpp
  event::Task<> sessions();
  event::Task<> session_kill();
  // trace_commands.cpp
  event::Task<> trace();
  // pause_commands.cpp
  event::Task<> pause();
  event::Task<> resume();
  Result<queue::Pause> asked_pause() const;
  // badmail_commands.cpp
  event::Task<> badmail_list();
  event::Task<> badmail_show();
  event::Task<> badmail_retry();
  event::Task<> badmail_remove();
  std::string badmail_directory() const;
  event::Task<> for_each_badmail(event::Task<Json> (Session::*act)(spool::QueueId id));
  event::Task<Json> drop_badmail(spool::QueueId id);
  event::Task<Json> retry_badmail(spool::QueueId id);
  event::Task<Result<std::shared_ptr<spool::Message>>> store_badmail(spool::QueueId id, std::string directory, int fd);
  // why_commands.cpp
  event::Task<> why();

  // With several mail processes (peers.hpp). spread.cpp
  event::Task<> chained();
  event::Task<> status_of_all();
  event::Task<> metrics_together();
  event::Task<> pause_all();
  event::Task<> take_pauses();
  event::Task<> reload_all();
  event::Task<> reload_tables_of_all();
  event::Task<> ping();
  event::Task<Json> own_answer();
  event::Task<std::vector<unsigned>> others_with_another_configuration();
  Json question() const;
  Caller named_caller() const;
  void end_refused(const Json& refusal);
  void pass_line(const std::string& line, std::uint64_t* looked_at, std::uint64_t looked_before);
  // spread_queue.cpp
  event::Task<> ordered();
  event::Task<> listed_together();
  event::Task<> summary_of_all();
  event::Task<> owned();
  event::Task<> why_of_all();
  event::Task<> acted_together();
  void say_outcomes(const std::vector<std::string>& texts, const std::vector<std::vector<std::string>>& outcomes);
  std::string no_such_process(unsigned number) const;
  // spread_trace.cpp
  event::Task<> traced_together();
  std::vector<unsigned> processes_of(const std::string& target) const;

  // Of the request: "" or false when it isn't there or is something else.
  std::string text_of(const char* key) const;
  bool flag_of(const char* key) const;
  std::vector<std::string> list_of(const char* key) const;
  std::optional<std::size_t> number_of(const char* key) const;

  // Answers gather until there is enough for a write; answer() sends what is left. False: the client is gone.
  void say(const Json& object);
  event::Task<bool> send_gathered(std::size_t at_least);
  void end(Json object);
  void refuse(const std::string& text);
  bool may(Right right) const;
  void deny(const std::string& setting);      // which one names who may
  bool gone() const noexcept { return gone_; }

  Services& services_;
  queue::Queue& queue_;
  event::Stream& stream_;
  Caller caller_;
  Json request_;
  std::string out_;
  bool gone_ = false, from_peer_;
};

}  // namespace mansio::control
