// What the mail processes of one server tell each other, through their parent, which only passes it on: log-ins that failed,
// what logins have sent, and mail that is asked for. Each counts it as if it had happened here. A word is a letter and its
// fields, with NUL between them.
#include "base/text.hpp"
#include "channel.hpp"
#include "mail_program.hpp"

namespace mansio::daemon {
namespace {

constexpr char word_failed = 'f', word_sent = 's', word_asked = 'a';
constexpr std::size_t word_limit = 2000;           // octets

std::string make_word(char kind, std::string_view first, std::string_view second, std::string_view third = {}) {
  std::string out(1, kind);
  for (std::string_view field : {first, second, third}) {
    if (field.find('\0') != std::string_view::npos) return {};
    out += field;
    out += '\0';
  }
  return out.size() <= word_limit ? out : std::string();
}

}  // namespace

void MailProcess::tell_others(const std::string& word) {
  if (!word.empty()) tell_parent(tag_share, word);
}

// From now on the limits hold for all, and what is counted here is counted there.
void MailProcess::join_others() {
  if (options_.count == 1) return;
  if (counts_) {
    receiver_->share(counts_, !options_.drains);
    outbound_->remote().share(counts_);
  }
  receiver_->others.login_failed = [this](std::string_view client, std::string_view name) { tell_others(make_word(word_failed, client, name)); };
  receiver_->others.sent = [this](const std::string& login, std::uint64_t recipients) {
    tell_others(make_word(word_sent, login, std::to_string(recipients)));
  };
  fetch_->tell_others([this](const std::string& domain, bool below, const std::string& by) {
    tell_others(make_word(word_asked, domain, below ? "1" : "0", by));
  });
}

void MailProcess::heard(std::string_view word) {
  if (word.empty() || !receiver_ || !fetch_ || stopping_) return;
  auto fields = split(word.substr(1), '\0');
  if (fields.size() < 3) return;
  auto now = std::chrono::steady_clock::now();
  std::string first(fields[0]), third(fields[2]);
  switch (word[0]) {
    case word_failed: (void)receiver_->throttle.failed(first, fields[1], now); break;
    case word_sent: receiver_->quota.add(first, parse_number(fields[1]).value_or(0), now); break;
    case word_asked: scope_.spawn(fetch_->start_here(std::move(first), fields[1] == "1", std::move(third))); break;
    default: break;
  }
}

// ---- what the parent makes for all

void MailProcess::take_counts(UniqueFd file) {
  auto counts = SharedCounts::map(file.get(), static_cast<unsigned>(options_.number), static_cast<unsigned>(options_.count));
  if (counts) counts_ = std::move(*counts);
  else (void)cannot_start("counts of all mail processes: " + counts.error().text());
}

// "AGE KEY": before there is anything that uses it, and later.
void MailProcess::take_ticket(std::string_view text) {
  auto space = text.find(' ');
  auto age = parse_number(text.substr(0, space));
  if (!age || space == std::string_view::npos) return;
  net::take_ticket_key(*tickets_, text.substr(space + 1), std::chrono::seconds(*age));
}

}  // namespace mansio::daemon
