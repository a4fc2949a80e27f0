#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "setup/answers.hpp"
#include "setup/questions.hpp"

namespace mansio::setup {
namespace {

constexpr std::string_view loopback_networks[] = {"127.0.0.0/8", "::1"};

bool is_password(std::string_view name) { return name == "smart_host_password"; }

// A text, or a list of texts. nullopt: something else.
std::optional<std::string> value_of(const config::Node& node) {
  if (node.kind == config::NodeKind::string) return node.text;
  if (node.kind != config::NodeKind::list) return std::nullopt;
  std::string out;
  for (const auto& [name, child] : node.children) {
    if (child.kind != config::NodeKind::string) return std::nullopt;
    out += (out.empty() ? "" : ", ") + child.text;
  }
  return out;
}

void take_answer(Answers& answers, const std::string& name, const config::Node& node, config::Problems& problems) {
  auto problem = [&](std::string text) { problems.push_back({node.place.file, node.place.line, std::move(text)}); };
  std::vector<std::string> known;
  for (const Question& question : questions()) known.emplace_back(question.name);
  if (std::ranges::find(known, name) == known.end()) {
    auto near = nearest(name, known);
    return problem(fmt::format("\"{}\" is no question{}", escape(name, 80), near ? fmt::format(": did you mean \"{}\"?", *near) : ""));
  }
  auto value = value_of(node);
  if (!value) return problem(name + ": expected a text in quotes");
  auto put = put_answer(answers, name, *value);
  if (!put) problem(fmt::format("{}: {}", name, put.error().text()));
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool goes_out(const config::Config& config, const config::Transport** smart) {
  bool out = false;
  for (const config::Route& route : config.routes) {
    const config::Transport* transport = config.transport(route.transport);
    bool all = std::ranges::find(route.domains, "*") != route.domains.end();
    if (transport == nullptr || transport->kind != config::TransportKind::smtp || !all) continue;
    out = true;
    if (!transport->hosts.empty()) *smart = transport;
  }
  return out;
}

}  // namespace

std::expected<Answers, config::Problems> parse_answers(const config::Source& source, const Answers& defaults) {
  config::Problems problems;
  config::Node root = config::parse_tree(source, problems);
  Answers answers = defaults;
  for (const auto& [name, node] : root.children) take_answer(answers, name, node, problems);
  if (problems.empty()) {
    for (const Question& question : questions()) {
      bool needed = question.needed && matters(answers, question.name);
      if (needed && answer_text(answers, question.name).empty()) problems.push_back({source.file, 0, fmt::format("{} is missing", question.name)});
    }
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return answers;
}

std::string answers_file(const Answers& answers) {
  std::string out = "# Answers for \"mansioctl setup --answers FILE\". What is left out stays as it is.\n";
  for (const Question& question : questions()) {
    out += fmt::format("\n# {}\n", question.explanation);
    bool hidden = is_password(question.name) || !matters(answers, question.name);
    out += fmt::format("{}{} = {};\n", hidden ? "#" : "", question.name, is_password(question.name) ? "\"...\"" : in_quotes(answer_text(answers, question.name)));
  }
  return out;
}

Answers answers_of(const config::Config& config) {
  Answers out;
  const config::Transport* smart = nullptr;
  bool sends = goes_out(config, &smart);
  bool delivers = std::ranges::any_of(config.routes, [&](const config::Route& route) {
    const config::Transport* transport = config.transport(route.transport);
    return transport != nullptr && transport->kind != config::TransportKind::smtp;
  });
  out.site = smart != nullptr ? (delivers ? Site::smart_host : Site::satellite) : sends ? Site::internet : Site::local;
  out.mail_name = config.mail_name;
  for (const config::Listener& listener : config.listeners) {
    if (listener.role != config::Role::relay || listener.address.starts_with("unix:")) continue;
    bool wide = listener.address.find(':') != std::string::npos;
    if (listener.port == 25) out.listen.push_back(listener.address);
    else out.listen.push_back(fmt::format("{}{}{}:{}", wide ? "[" : "", listener.address, wide ? "]" : "", listener.port));
  }
  out.local_domains = config.domains.local;
  if (out.local_domains.empty()) out.local_domains = {config.mail_name, "localhost"};      // a satellite's, should it become something else
  out.relay_domains = config.domains.relay_to;
  for (const std::string& network : config.relay_from) {
    if (std::ranges::find(loopback_networks, network) == std::end(loopback_networks)) out.relay_networks.push_back(network);
  }
  if (smart != nullptr) out.smart_host = smart->hosts.front();
  const config::Transport* mailbox = config.transport("mailbox");
  if (mailbox != nullptr && mailbox->kind == config::TransportKind::maildir) out.mailboxes = Mailboxes::maildir;
  return out;
}

}  // namespace mansio::setup
