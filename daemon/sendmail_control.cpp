#include "sendmail_control.hpp"

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

// Sends one request and gives each line of the answer to `use`, the last one to `end`.
Exit request(const std::string& socket, const Json& question, const std::function<void(const std::string&, const Json&)>& use,
             const std::function<Exit(const Json&)>& end) {
  auto fd = connect_unix(socket);
  if (!fd) {
    bool denied = fd.error().fault() == Fault::denied || fd.error().sys() == EACCES;
    complain(denied ? "you may not use the daemon's control socket" : "the daemon doesn't run (" + fd.error().text() + ")");
    return denied ? Exit::no_permission : Exit::temporary;
  }
  LineSocket daemon(std::move(*fd));
  auto sent = daemon.send(question.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
  for (;;) {
    auto line = sent ? daemon.read_line(answer_line_limit) : Result<std::string>(std::unexpected(sent.error()));
    if (!line) {
      complain(line.error().text());
      return Exit::temporary;
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
    if (flag_of(object, "end")) return end(object);
    use(*line, object);
  }
}

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
  std::uint64_t count = 0;
  auto use = [&](const std::string& line, const Json& message) {
    if (!message.contains("id")) return;
    ++count;
    if (options.mode == Mode::count) return;
    std::string out = options.json ? line + '\n' : listing(message, options.undelivered_only, options.verbose);
    std::fwrite(out.data(), 1, out.size(), stdout);
  };
  auto end = [&](const Json& last) {
    if (options.mode == Mode::count) fmt::print("{}\n", count);
    if (last.contains("complete") && !flag_of(last, "complete")) complain("the list isn't complete: the spool is still being read");
    return Exit::ok;
  };
  return request(socket, {{"command", "queue_list"}}, use, end);
}

Exit run_queue(const std::string& socket, const Options& options) {
  Json question{{"command", "queue_run"}};
  if (options.force) question["force"] = true;
  if (!options.match_recipient.empty()) question["recipient"] = options.match_recipient;
  if (!options.match_sender.empty()) question["sender"] = options.match_sender;
  if (!options.match_id.empty()) question["id"] = options.match_id;
  return request(socket, question, [](const std::string&, const Json&) {}, [](const Json& last) {
    if (std::string text = text_of(last, "text"); !text.empty()) fmt::print("{}\n", escape(text));
    return Exit::ok;
  });
}

Exit reload_aliases(const std::string& socket) {
  bool bad = false;
  auto use = [&](const std::string&, const Json& object) {
    std::string problem = text_of(object, "problem");
    if (problem.empty()) return;
    bad = true;
    complain(escape(problem));
  };
  return request(socket, {{"command", "reload_aliases"}}, use, [&](const Json& last) {
    if (last.contains("aliases")) fmt::print("{} aliases\n", number_of(last, "aliases"));
    return bad ? Exit::data : Exit::ok;
  });
}

Exit show_routes(const std::string& socket, const Options& options) {
  Exit worst = Exit::ok;
  for (const std::string& address : options.arguments) {
    auto use = [](const std::string&, const Json& object) { fmt::print("{}\n", escape(text_of(object, "line"), 100'000)); };
    Exit done = request(socket, {{"command", "route"}, {"address", address}}, use, [](const Json&) { return Exit::ok; });
    if (done != Exit::ok) worst = done;
  }
  return worst;
}

}  // namespace mansio::sendmail
