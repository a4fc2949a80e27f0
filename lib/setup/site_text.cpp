#include "setup/site_text.hpp"

#include <fmt/format.h>

namespace mansio::setup {
namespace {

std::string text_literal(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string list_literal(const std::vector<std::string>& list) {
  if (list.empty()) return "[ ]";
  std::string out = "[";
  for (const std::string& entry : list) out += (out.size() > 1 ? ", " : " ") + text_literal(entry);
  return out + " ]";
}

// put_answer() let nothing else through than "*", an address, or one of them with a port.
std::pair<std::string, std::string> address_and_port(std::string_view listen) {
  auto colon = listen.rfind(':');
  if (listen.starts_with('[')) {
    auto end = listen.find(']');
    std::string port = colon > end && colon != std::string_view::npos ? std::string(listen.substr(colon + 1)) : "25";
    return {std::string(listen.substr(1, end - 1)), port};
  }
  bool one = colon != std::string_view::npos && listen.find(':') == colon;
  if (one) return {std::string(listen.substr(0, colon)), std::string(listen.substr(colon + 1))};
  return {std::string(listen), "25"};
}

std::string listeners_text(const Answers& answers) {
  std::string out = "listeners = (";
  for (const std::string& listen : answers.listen) {
    auto [address, port] = address_and_port(listen);
    out += fmt::format("{}\n  {{ address = {}; port = {}; role = \"relay\"; }}", out.ends_with('(') ? "" : ",", text_literal(address), port);
  }
  return out + "\n);\n";
}

std::string transports_text(const Answers& answers, const std::string& credentials) {
  std::string out = "transports = {\n";
  if (answers.has_mailboxes()) {
    bool maildir = answers.mailboxes == Mailboxes::maildir;
    out += fmt::format("  mailbox = {{ kind = \"{}\"; path = \"{}\"; }};\n", word_of(answers.mailboxes), maildir ? "~/Maildir" : "/var/mail/{local}");
  }
  if (answers.site == Site::internet) out += "  internet = { kind = \"smtp\"; };\n";
  if (answers.has_smart_host()) {
    std::string login = answers.user.empty() ? "" : fmt::format(" credentials = {};", text_literal(credentials));
    out += fmt::format("  smart_host = {{ kind = \"smtp\"; hosts = [ {} ];{} }};\n", text_literal(answers.smart_host), login);
  }
  return out + "};\n";
}

std::string routes_text(const Answers& answers) {
  std::string out = "routes = (";
  if (answers.has_mailboxes()) out += "\n  { name = \"local\"; domains = [ \"@local\" ]; users = \"system\"; transport = \"mailbox\"; }";
  if (answers.site != Site::local) {
    const char* transport = answers.site == Site::internet ? "internet" : "smart_host";
    out += fmt::format("{}\n  {{ name = \"everywhere\"; domains = [ \"*\" ]; transport = \"{}\"; }}", answers.has_mailboxes() ? "," : "", transport);
  }
  return out + "\n);\n";
}

}  // namespace

std::string site_text(const Answers& answers, const std::string& credentials, bool listeners) {
  std::string out = fmt::format("{}\n# Kind of site: {}\n\n", site_mark, word_of(answers.site));
  out += fmt::format("mail_name = {};\n", text_literal(answers.mail_name));
  if (listeners) out += listeners_text(answers);
  std::vector<std::string> none;
  out += fmt::format("domains = {{\n  local = {};\n  relay_to = {};\n}};\n", list_literal(answers.has_mailboxes() ? answers.local_domains : none),
                     list_literal(answers.site == Site::local ? none : answers.relay_domains));
  std::vector<std::string> clients{"127.0.0.0/8", "::1"};
  if (answers.site != Site::local) clients.insert(clients.end(), answers.relay_networks.begin(), answers.relay_networks.end());
  out += fmt::format("relay_from = {};\n", list_literal(clients));
  return out + transports_text(answers, credentials) + routes_text(answers);
}

std::string credentials_text(const Answers& answers) {
  return fmt::format("{}\nuser = {};\npassword = {};\n", site_mark, text_literal(answers.user), text_literal(answers.password.view()));
}

}  // namespace mansio::setup
