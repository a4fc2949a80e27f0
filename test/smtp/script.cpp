#include "script.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace mansio::smtp {

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    char c = text[++i];
    if (c == 'b' && i + 1 < text.size() && text[i + 1] == '(') {
      auto end = text.find(')', i);
      out += base64_encode(unescape(text.substr(i + 2, end - i - 2)));
      i = end;
    } else if (c == 'x') {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c;
    }
  }
  return out;
}

namespace {

void set_limit(SessionOptions& options, std::string_view name, std::uint64_t value) {
  auto ms = Duration(static_cast<long>(value));
  if (name == "recipients") options.recipients = value;
  else if (name == "errors") options.errors = value;
  else if (name == "message_size") options.message_size = value;
  else if (name == "session_size") options.session_size = value;
  else if (name == "messages") options.messages_per_connection = value;
  else if (name == "chunks") options.chunks = value;
  else if (name == "command_line") options.command_line = value;
  else if (name == "command_timeout") options.command_timeout = ms;
  else if (name == "data_timeout") options.data_timeout = ms;
  else if (name == "write_timeout") options.write_timeout = ms;
  else if (name == "handshake_timeout") options.handshake_timeout = ms;
  else if (name == "auth_tries") options.auth_tries = value;
  else if (name == "rate") options.data_minimum_rate = value;
  else if (name == "rate_window") options.rate_window = ms;
  else throw std::runtime_error("no such limit: " + std::string(name));
}

TlsUse tls_use(std::string_view word) {
  if (word == "offered") return TlsUse::offered;
  if (word == "required") return TlsUse::required;
  if (word == "implicit") return TlsUse::implicit;
  throw std::runtime_error("no such use of TLS: " + std::string(word));
}

void read_precondition(Script& script, std::string_view line) {
  auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string_view key = trim(line.substr(0, colon)), value = trim(line.substr(colon + 1));
  if (key == "protocol") script.options.protocol = value == "lmtp" ? Protocol::lmtp : Protocol::smtp;
  if (key == "local") script.options.local = true;
  if (key == "tls") script.options.tls = tls_use(value);
  if (key == "certificate") (value == "client" ? script.client_certificate : script.certificate) = value == "client";
  if (key == "auth_required") script.options.auth_required = true;
  if (key == "etrn") script.options.etrn = true;
  if (key == "odmr") script.options.odmr = true;
  if (key == "auth_in_clear") script.options.auth_in_clear = true;
  if (key == "auth") {
    for (auto each : split(value, ' ')) script.options.mechanisms.emplace_back(each);
  }
  if (key == "cut") script.only_whole = true;
  if (key == "bare_newline") script.options.bare_newline = BareNewline::normalize;
  if (key == "greeting") script.greeting = Status(std::stoi(std::string(value)), std::string(value.substr(4)));
  if (key != "limits") return;
  for (auto each : split(value, ' ')) {
    auto equals = each.find('=');
    if (equals != std::string_view::npos) set_limit(script.options, each.substr(0, equals), std::stoull(std::string(each.substr(equals + 1))));
  }
}

// The beginnings that most scripts share.
std::vector<std::string> shared_lines(std::string_view line, Protocol protocol) {
  std::vector<std::string> lines;
  if (line != "greet" && line != "transaction") return lines;
  lines = {"S: 220 ", protocol == Protocol::lmtp ? "C: LHLO client.test" : "C: EHLO client.test", "S= 250"};
  if (line == "greet") return lines;
  lines.insert(lines.end(), {"C: MAIL FROM:<a@evil.test>", "S: 250 2.1.0", "C: RCPT TO:<alice@ex.test>", "S: 250 2.1.5"});
  return lines;
}

Step read_step(std::string_view line, std::size_t number) {
  using Kind = Step::Kind;
  struct Form {
    std::string_view start;
    Kind kind;
  };
  constexpr Form forms[] = {
      {"B: ", Kind::before}, {"C|", Kind::turn}, {"S: ", Kind::line}, {"S~ ", Kind::matches}, {"S= ", Kind::reply},
      {"S-", Kind::silence}, {"EOF", Kind::end}, {"close", Kind::close}, {"wait ", Kind::wait}, {"finish", Kind::finish},
      {"interrupt", Kind::interrupt}, {"M: ", Kind::count}, {"M~ ", Kind::envelope}, {"M= ", Kind::content},
      {"T: ", Kind::trouble}, {"T- none", Kind::no_trouble}, {"tls", Kind::tls}, {"login ", Kind::login},
      {"GONE", Kind::gone}, {"H~ ", Kind::event}, {"H- ", Kind::no_event},
  };
  Step step{Kind::say, {}, 1, number};
  if (line.starts_with("C*") || line.starts_with("S*")) {
    auto blank = line.find(' ');
    step.kind = line[0] == 'C' ? Kind::say : Kind::line;
    step.times = std::stoul(std::string(line.substr(2, blank - 2)));
    step.text = unescape(line.substr(blank + 1));
    return step;
  }
  if (line.starts_with("C: ") || line == "C:") {
    step.text = unescape(line.size() > 3 ? line.substr(3) : "") + "\r\n";
    return step;
  }
  if (line.starts_with("C< ")) {
    step.text = unescape(line.substr(3));
    return step;
  }
  for (const Form& form : forms) {
    if (!line.starts_with(form.start)) continue;
    step.kind = form.kind;
    std::string_view rest = line.substr(form.start.size());
    bool raw = form.kind == Kind::matches || form.kind == Kind::envelope || form.kind == Kind::event ||
               form.kind == Kind::no_event;
    step.text = raw ? std::string(rest) : unescape(rest);
    return step;
  }
  throw std::runtime_error(fmt::format("line {}: not understood: {}", number, line));
}

}  // namespace

Script read_script(const std::string& path) {
  std::ifstream file(path);
  Script script;
  script.name = std::filesystem::path(path).stem().string();
  script.options.host_name = "mx.test";
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    auto shared = shared_lines(line, script.options.protocol);
    for (const auto& each : shared) script.steps.push_back(read_step(each, number));
    if (!shared.empty()) continue;
    if (line.starts_with('#')) read_precondition(script, std::string_view(line).substr(1));
    else script.steps.push_back(read_step(line, number));
  }
  if (script.steps.empty()) throw std::runtime_error(path + ": empty");
  return script;
}

}  // namespace mansio::smtp
