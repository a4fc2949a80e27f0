#include "sendmail_control.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/quantity.hpp"
#include "base/text.hpp"
#include "sendmail_socket.hpp"

namespace mansio::sendmail {
namespace {

using Json = nlohmann::json;

constexpr std::size_t answer_line_limit = 64u << 20;      // a message with very many recipients

std::string text_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
bool flag_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}
std::uint64_t number_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

// Escaped, and without blanks: exiqsumm and exiqgrep take the first word.
std::string listing_word(const std::string& text) {
  std::string out;
  for (char c : escape(text)) {
    if (c == ' ') out += "\\x20";
    else out += c;
  }
  return out;
}

void complain(std::string_view text) { fmt::print(stderr, "sendmail: {}\n", text); }

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// One question and its answer: each line goes to `use`, the last one to `end`.
class Question {
 public:
  explicit Question(const std::string& socket) : socket_(socket) {}

  Exit ask(const Json& question, const std::function<void(const std::string&, const Json&)>& use,
           const std::function<Exit(const Json&)>& end) const {
    auto fd = connect_unix(socket_);
    if (!fd) {
      bool denied = fd.error().fault() == Fault::denied || fd.error().sys() == EACCES;
      complain(denied ? "you may not use the daemon's control socket" : "the daemon doesn't run (" + fd.error().text() + ")");
      return denied ? Exit::no_permission : Exit::temporary;
    }
    LineSocket daemon(std::move(*fd));
    auto done = daemon.send(question.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
    while (done) {
      auto line = daemon.read_line(answer_line_limit);
      if (!line) {
        done = std::unexpected(line.error());
        break;
      }
      Json object = Json::parse(*line, nullptr, false);
      if (!object.is_object()) {
        complain("the daemon's answer is no JSON object");
        return Exit::software;
      }
      if (object.contains("error")) {
        complain(escape(text_of(object, "error")));
        return flag_of(object, "denied") ? Exit::no_permission : Exit::unavailable;
      }
      if (flag_of(object, "end")) {
        if (auto missing = object.find("missing"); missing != object.end()) {
          for (const Json& number : *missing) complain("the answer isn't complete: mail process " + number.dump() + " does not answer");
          object.erase("complete");
        }
        return end(object);
      }
      if (std::uint64_t bytes = number_of(object, "bytes"); bytes > 0) done = daemon.read_bytes(bytes, print);
      else use(*line, object);
    }
    complain(done.error().text());
    return Exit::temporary;
  }

 private:
  const std::string& socket_;
};

std::string listing(const Json& message, bool undelivered_only, bool with_reason) {
  if (!message.is_object() || !message.contains("id")) return {};
  std::string out = fmt::format("{:>3} {:>5} {} <{}>{}\n", short_age(std::chrono::seconds(number_of(message, "age_seconds"))),
                                short_size(number_of(message, "size")), listing_word(text_of(message, "id")),
                                listing_word(text_of(message, "sender")), flag_of(message, "frozen") ? " *** frozen ***" : "");
  if (std::string reason = text_of(message, "reason"); with_reason && !reason.empty()) {
    out += fmt::format("          ({})\n", escape(reason));
  }
  if (auto list = message.find("recipients"); list != message.end() && list->is_array()) {
    for (const Json& recipient : *list) {
      if (!recipient.is_object()) continue;
      bool done = flag_of(recipient, "done");
      if (done && undelivered_only) continue;
      out += fmt::format("        {} {}\n", done ? 'D' : ' ', listing_word(text_of(recipient, "address")));
    }
  }
  return out + '\n';
}

}  // namespace

std::string format_listing(std::string_view json_line, bool undelivered_only, bool with_reason) {
  return listing(Json::parse(json_line, nullptr, false), undelivered_only, with_reason);
}

Exit list_queue(const std::string& socket, const Options& options) {
  auto use = [&](const std::string& line, const Json& message) {
    if (message.contains("id")) print(options.json ? line + '\n' : listing(message, options.undelivered_only, options.verbose));
  };
  auto end = [&](const Json& last) {
    if (last.contains("complete") && !flag_of(last, "complete")) complain("the list isn't complete: the spool is still being read");
    return Exit::ok;
  };
  Json question{{"command", "queue_list"}};
  if (options.unsorted) question["sorted"] = false;
  return Question(socket).ask(question, use, end);
}

Exit count_queue(const std::string& socket) {
  return Question(socket).ask({{"command", "queue_count"}}, [](const std::string&, const Json&) {}, [](const Json& last) {
    fmt::print("{}\n", number_of(last, "count"));
    if (last.contains("complete") && !flag_of(last, "complete")) complain("the count isn't complete: the spool is still being read");
    return Exit::ok;
  });
}

Exit run_queue(const std::string& socket, const Options& options) {
  Json question{{"command", "queue_run"}};
  if (options.force_frozen) question["force_frozen"] = true;
  if (!options.match_recipient.empty()) question["recipient"] = options.match_recipient;
  if (!options.match_sender.empty()) question["sender"] = options.match_sender;
  if (!options.match_id.empty()) question["id"] = options.match_id;
  return Question(socket).ask(question, [](const std::string&, const Json&) {}, [&](const Json& last) {
    if (options.verbose) fmt::print("{} messages are tried now\n", number_of(last, "started"));
    return Exit::ok;
  });
}

// So many ids at once as surely fit a request.
Exit act_on_messages(const std::string& socket, const Options& options) {
  constexpr std::size_t at_once = 500;
  std::vector<std::string> ids = options.arguments, addresses;
  if (options.queue_verb == "add_recipients" || options.queue_verb == "set_sender" || options.queue_verb == "mark_delivered") {
    addresses.assign(ids.begin() + 1, ids.end());
    ids.resize(1);
  }
  Exit worst = Exit::ok;
  auto use = [&](const std::string&, const Json& object) {
    fmt::print("Message {} {}\n", escape(text_of(object, "id"), 40), escape(text_of(object, "text")));
    if (!flag_of(object, "done")) worst = Exit::failure;
  };
  for (std::size_t i = 0; i < ids.size(); i += at_once) {
    std::vector<std::string> some(ids.begin() + static_cast<std::ptrdiff_t>(i),
                                  ids.begin() + static_cast<std::ptrdiff_t>(std::min(i + at_once, ids.size())));
    Json question{{"command", "queue_act"}, {"verb", options.queue_verb}, {"ids", some}};
    if (!addresses.empty()) question["addresses"] = addresses;
    Exit done = Question(socket).ask(question, use, [](const Json&) { return Exit::ok; });
    if (done != Exit::ok) return done == Exit::unavailable ? Exit::failure : done;
  }
  return worst;
}

Exit show_messages(const std::string& socket, const Options& options) {
  for (const std::string& id : options.arguments) {
    Json question{{"command", "queue_show"}, {"part", options.queue_verb}, {"id", id}};
    Exit done = Question(socket).ask(question, [](const std::string&, const Json&) {}, [](const Json&) { return Exit::ok; });
    if (done != Exit::ok) return done == Exit::unavailable ? Exit::failure : done;
  }
  return Exit::ok;
}

Exit reload_aliases(const std::string& socket) {
  bool bad = false;
  auto use = [&](const std::string&, const Json& object) {
    std::string problem = text_of(object, "problem");
    if (problem.empty()) return;
    bad = true;
    complain(escape(problem));
  };
  return Question(socket).ask({{"command", "reload_aliases"}}, use, [&](const Json& last) {
    if (last.contains("aliases")) fmt::print("{} aliases\n", number_of(last, "aliases"));
    return bad ? Exit::data : Exit::ok;
  });
}

// As Exim: 2 when an address is refused, else 1 when one can't be looked up.
Exit show_routes(const std::string& socket, const Options& options) {
  Exit worst = Exit::ok;
  for (const std::string& address : options.arguments) {
    auto use = [](const std::string&, const Json& object) { fmt::print("{}\n", escape(text_of(object, "line"), 100'000)); };
    Json question{{"command", "route"}, {"address", address}};
    if (options.mode == Mode::verify) question["verify"] = true;
    Exit done = Question(socket).ask(question, use, [](const Json& last) {
      std::string verdict = text_of(last, "verdict");
      return verdict == "failed" ? Exit::refused : verdict == "deferred" ? Exit::failure : Exit::ok;
    });
    if (done > Exit::refused) return done;
    worst = std::max(worst, done);
  }
  return worst;
}

}  // namespace mansio::sendmail
