#include "setup/answers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/match.hpp"
#include "config/next_hop.hpp"

namespace mansio::setup {
namespace {

constexpr std::array<std::string_view, 4> site_words{"internet", "smarthost", "satellite", "local"};
constexpr std::array<std::string_view, 2> mailbox_words{"mbox", "maildir"};

std::unexpected<Error> wrong(std::string text) { return fail(Fault::invalid, std::move(text)); }

std::vector<std::string> words_of(std::string_view value) {
  std::vector<std::string> out;
  std::string word;
  for (char c : value) {
    bool between = c == ',' || c == ';' || is_blank(c);
    if (!between) word += c;
    else if (!word.empty()) out.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

Result<std::string> read_domain(const std::string& word) {
  if (config::is_look_up(word)) return word;
  bool below = word.starts_with("*.");
  auto domain = config::canonical_domain(below ? word.substr(2) : word);
  if (!domain) return domain;
  return below ? "*." + *domain : *domain;
}

Result<std::string> read_network(const std::string& word) {
  if (config::is_look_up(word)) return word;
  if (auto network = config::Network::parse(word); !network) return std::unexpected(network.error());
  return word;
}

Result<std::string> read_listen(const std::string& word) {
  std::string_view address = word, port;
  if (word.starts_with('[')) {
    auto end = word.find(']');
    address = std::string_view(word).substr(1, end == std::string::npos ? end : end - 1);
    if (end != std::string::npos) port = std::string_view(word).substr(end + 1);
  } else if (auto colon = word.find(':'); colon != std::string::npos && word.find(':', colon + 1) == std::string::npos) {
    address = std::string_view(word).substr(0, colon);
    port = std::string_view(word).substr(colon);
  }
  auto number = port.empty() ? std::optional<std::uint64_t>(25) : port[0] == ':' ? parse_number(port.substr(1)) : std::nullopt;
  if ((address != "*" && !config::Network::parse_address(address)) || !number || *number > 65535) {
    return wrong(fmt::format("\"{}\" is nothing to listen on: write \"*\" for everywhere, or addresses (\"127.0.0.1\", \"::1\", \"[::1]:2525\")", escape(word, 80)));
  }
  bool wide = address.find(':') != std::string_view::npos;
  if (*number == 25) return std::string(address);
  return fmt::format("{}{}{}:{}", wide ? "[" : "", address, wide ? "]" : "", *number);
}

Result<> put_list(std::vector<std::string>& out, std::string_view value, Result<std::string> (*read)(const std::string&)) {
  std::vector<std::string> list;
  for (const std::string& word : words_of(value)) {
    auto entry = read(word);
    if (!entry) return std::unexpected(entry.error());
    if (std::ranges::find(list, *entry) == list.end()) list.push_back(std::move(*entry));
  }
  out = std::move(list);
  return {};
}

template <class E, std::size_t N>
Result<> put_word(E& out, std::string_view value, const std::array<std::string_view, N>& words) {
  std::string word = to_lower(trim(value));
  for (std::size_t i = 0; i < N; ++i) {
    if (word == words[i] || word == std::to_string(i + 1)) {
      out = static_cast<E>(i);
      return {};
    }
  }
  return wrong(fmt::format("\"{}\" is none of these: {}", escape(word, 80), fmt::join(words, ", ")));
}

Result<> put_plain(std::string& out, std::string_view value) {
  if (has_control(value) || !is_utf8(value) || value.size() > 1000) return wrong("control characters can't be in it");
  out = value;
  return {};
}

Result<> put_mail_name(Answers& answers, std::string_view value) {
  auto domain = config::canonical_domain(trim(value));
  if (!domain) return std::unexpected(domain.error());
  answers.mail_name = std::move(*domain);
  return {};
}

Result<> put_smart_host(Answers& answers, std::string_view value) {
  std::string_view text = trim(value);
  if (text.empty()) return wrong("a smart host is needed for this kind of site: \"smtp.example.com:587\"");
  auto hop = config::parse_next_hop(text);
  if (!hop) return std::unexpected(hop.error());
  if (hop->kind == config::NextHopKind::unix_socket) return wrong("a smart host is another machine: \"smtp.example.com:587\"");
  answers.smart_host = hop->text(25);
  return {};
}

std::string joined(const std::vector<std::string>& list) { return fmt::format("{}", fmt::join(list, ", ")); }

}  // namespace

std::string_view word_of(Site site) { return site_words.at(static_cast<std::size_t>(site)); }
std::string_view word_of(Mailboxes mailboxes) { return mailbox_words.at(static_cast<std::size_t>(mailboxes)); }

Result<> put_answer(Answers& answers, std::string_view name, std::string_view value) {
  if (name == "site") return put_word(answers.site, value, site_words);
  if (name == "mail_name") return put_mail_name(answers, value);
  if (name == "listen") return put_list(answers.listen, value, read_listen);
  if (name == "local_domains") return put_list(answers.local_domains, value, read_domain);
  if (name == "relay_domains") return put_list(answers.relay_domains, value, read_domain);
  if (name == "relay_networks") return put_list(answers.relay_networks, value, read_network);
  if (name == "smart_host") return put_smart_host(answers, value);
  if (name == "smart_host_user") return put_plain(answers.user, trim(value));
  if (name == "mailboxes") return put_word(answers.mailboxes, value, mailbox_words);
  if (name != "smart_host_password") return wrong(fmt::format("\"{}\" is no question", escape(name, 80)));
  if (has_control(value) || !is_utf8(value) || value.size() > 1000) return wrong("control characters can't be in a password");
  answers.password = crypto::Secret(value);
  return {};
}

std::string answer_text(const Answers& answers, std::string_view name) {
  if (name == "site") return std::string(word_of(answers.site));
  if (name == "mail_name") return answers.mail_name;
  if (name == "listen") return joined(answers.listen);
  if (name == "local_domains") return joined(answers.local_domains);
  if (name == "relay_domains") return joined(answers.relay_domains);
  if (name == "relay_networks") return joined(answers.relay_networks);
  if (name == "smart_host") return answers.smart_host;
  if (name == "smart_host_user") return answers.user;
  if (name == "mailboxes") return std::string(word_of(answers.mailboxes));
  return {};
}

bool matters(const Answers& answers, std::string_view name) {
  if (name == "smart_host" || name == "smart_host_user") return answers.has_smart_host();
  if (name == "smart_host_password") return answers.has_smart_host() && !answers.user.empty();
  if (name == "local_domains" || name == "mailboxes") return answers.has_mailboxes();
  if (name == "relay_domains" || name == "relay_networks") return answers.site != Site::local;
  return true;
}

}  // namespace mansio::setup
