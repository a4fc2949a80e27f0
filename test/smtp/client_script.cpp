#include "client_script.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/text.hpp"
#include "script.hpp"

namespace mansio::smtp {
namespace {

std::string repeated(std::size_t n, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += text;
  return out;
}

class ClientScriptReader {
 public:
  explicit ClientScriptReader(ClientScript& script) : script_(script) {
    options().helo_name = "client.test";
    ClientTimeouts& t = options().timeouts;
    for (Duration* each : {&t.greeting, &t.hello, &t.mail, &t.rcpt, &t.data_init, &t.data_block, &t.data_end, &t.quit}) *each = Duration(5000);
  }

  void line(std::string_view text, std::size_t number) {
    number_ = number;
    auto blank = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, blank), rest = blank < text.size() ? text.substr(blank + 1) : std::string_view();
    if (word.empty()) return;
    if (word == "#") return note(rest);
    if (said(word, rest) || of_transaction(word, rest)) return;
    if (word == "offers:") offers(rest);
    else if (word == "again:") hello(rest);
    else if (word == "start=") script_.start = rest;
    else if (word == "after=") script_.after = rest;
    else if (word == "quit") script_.quits = true;
    else if (word == "transaction") script_.transactions.emplace_back();
    else throw std::runtime_error("not understood");
  }

 private:
  ClientOptions& options() { return script_.options; }
  void step(ClientStep::Kind kind, std::string text) {
    // Lines in a row are one.
    bool joins = !script_.steps.empty() && script_.steps.back().kind == kind && (kind == ClientStep::Kind::say || kind == ClientStep::Kind::hear);
    if (joins) script_.steps.back().text += text;
    else script_.steps.push_back({kind, std::move(text), number_});
  }

  void note(std::string_view text) {
    if (text.starts_with("lmtp")) options().lmtp = true;
    if (text.starts_with("helo")) options().plain_helo = true;
    if (text.starts_with("cut: whole")) script_.only_whole = true;
    if (text.starts_with("name: ")) options().helo_name = unescape(text.substr(6));
    if (text.starts_with("user: ")) script_.credentials.user = unescape(text.substr(6));
    if (text.starts_with("password: ")) script_.credentials.password = crypto::Secret(unescape(text.substr(10)));
    if (text.starts_with("token: ")) script_.credentials.token = crypto::Secret(unescape(text.substr(7)));
    if (text.starts_with("token*")) script_.credentials.token = crypto::Secret(std::string(std::stoul(std::string(text.substr(6))), 't'));
    if (text.starts_with("unverified")) options().auth_unverified = true;
    if (text.starts_with("mechanisms: ")) {
      for (std::string_view word : split(text.substr(12), ' ')) options().mechanisms.emplace_back(word);
    }
    if (text.starts_with("tls: ")) tls(text.substr(5));
    if (text.starts_with("verify: ")) {
      options().tls_request.verify = true;
      options().tls_request.names.emplace_back(text.substr(8));
    }
    if (!text.starts_with("timeouts: ")) return;
    ClientTimeouts& t = options().timeouts;
    std::map<std::string_view, Duration*> names{{"greeting", &t.greeting}, {"hello", &t.hello}, {"mail", &t.mail}, {"rcpt", &t.rcpt},
        {"data_init", &t.data_init}, {"data_block", &t.data_block}, {"data_end", &t.data_end}, {"quit", &t.quit}};
    for (std::string_view pair : split(text.substr(10), ' ')) {
      auto equals = pair.find('=');
      *names.at(pair.substr(0, equals)) = Duration(std::stol(std::string(pair.substr(equals + 1))));
    }
  }

  void tls(std::string_view word) {
    script_.wants_tls = true;
    options().tls = word == "offered" ? ClientTls::offered : word == "required" ? ClientTls::required : ClientTls::implicit;
  }

  // The wire, and what happens on it.
  bool said(std::string_view word, std::string_view rest) {
    using Kind = ClientStep::Kind;
    if (word == "S:") step(Kind::say, unescape(rest) + "\r\n");
    else if (word == "S<") step(Kind::say, unescape(rest));
    else if (word.starts_with("S*")) step(Kind::say, repeated(std::stoul(std::string(word.substr(2))), unescape(rest)));
    else if (word == "C?") step(Kind::ignore, "");
    else if (word == "C:") step(Kind::hear, unescape(rest) + "\r\n");
    else if (word == "C<") step(Kind::hear, unescape(rest));
    else if (word.starts_with("C*")) step(Kind::hear, repeated(std::stoul(std::string(word.substr(2))), unescape(rest)));
    else if (word == "close") step(Kind::close, "");
    else if (word == "wait") step(Kind::wait, std::string(rest));
    else if (word == "interrupt") step(Kind::interrupt, "");
    else if (word == "tls") step(Kind::tls, std::string(rest));
    else return false;
    return true;
  }

  void offers(std::string_view keywords) {
    step(ClientStep::Kind::say, "220 server.test ready\r\n");
    hello(keywords);
  }

  void hello(std::string_view keywords) {
    step(ClientStep::Kind::hear, (options().lmtp ? "LHLO " : "EHLO ") + options().helo_name + "\r\n");
    std::string reply = "250-server.test\r\n";
    for (std::string_view keyword : split(keywords, ',')) {
      if (!trim(keyword).empty()) reply += fmt::format("250-{}\r\n", trim(keyword));
    }
    step(ClientStep::Kind::say, reply + "250 HELP\r\n");
  }

  bool of_transaction(std::string_view word, std::string_view rest) {
    if (script_.transactions.empty()) return false;
    ScriptedTransaction& scripted = script_.transactions.back();
    Transaction& t = scripted.transaction;
    if (word == "from:") t.sender = unescape(rest);
    else if (word == "to:") recipient(t, rest);
    else if (word == "size:") scripted.size = std::stoull(std::string(rest));
    else if (word == "piece:") scripted.pieces.push_back(unescape(rest));
    else if (word.starts_with("piece*")) scripted.pieces.push_back(repeated(std::stoul(std::string(word.substr(6))), unescape(rest)));
    else if (word == "fails") scripted.fails = true;
    else if (word == "body:") t.body = rest == "binary" ? mail::Body::binary : mail::Body::eight_bit;
    else if (word == "smtputf8") t.smtputf8 = true;
    else if (word == "ret:") t.ret = rest == "full" ? mail::Return::full : mail::Return::headers;
    else if (word == "envid:") t.envid = unescape(rest);
    else if (word == "auth:") t.auth = unescape(rest);
    else if (word == "=") scripted.expected.push_back(unescape(rest));
    else if (word == "flags:") scripted.flags = rest;
    else return false;
    return true;
  }

  void recipient(Transaction& t, std::string_view text) {
    auto words = split(text, ' ');
    std::uint8_t notify = 0;
    std::string orcpt;
    for (std::string_view word : words) {
      if (word.starts_with("NOTIFY=")) notify = static_cast<std::uint8_t>(std::stoi(std::string(word.substr(7))));
      if (word.starts_with("ORCPT=")) orcpt = unescape(word.substr(6));
    }
    t.recipients.emplace_back(unescape(words[0]), std::move(orcpt), notify);
  }

  ClientScript& script_;
  std::size_t number_ = 0;
};

}  // namespace

ClientScript read_client_script(const std::string& path) {
  ClientScript script;
  script.name = std::filesystem::path(path).stem().string();
  std::ifstream file(path);
  ClientScriptReader reader(script);
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    try {
      auto begin = line.find_first_not_of(' ');
      if (begin != std::string::npos) reader.line(std::string_view(line).substr(begin), number);
    } catch (const std::exception& e) {
      throw std::runtime_error(fmt::format("{}:{}: {}: {}", path, number, e.what(), line));
    }
  }
  for (ScriptedTransaction& scripted : script.transactions) {
    std::uint64_t octets = 0;
    for (const std::string& piece : scripted.pieces) octets += piece.size();
    scripted.transaction.size = scripted.size.value_or(octets);
  }
  return script;
}

std::string_view stage_name(Stage stage) {
  constexpr std::string_view names[] = {"connect", "greeting", "hello", "tls", "auth", "mail", "rcpt", "data", "end_of_data"};
  return names[static_cast<std::size_t>(stage)];
}

}  // namespace mansio::smtp
