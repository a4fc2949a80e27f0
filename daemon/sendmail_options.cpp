#include "sendmail_options.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/encoding.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"

namespace mansio::sendmail {
namespace {

enum class Value : std::uint8_t { none, required, attached };   // attached: the rest of the word, may be empty

using Apply = Result<> (*)(Options&, std::string_view value);

struct Row {
  char letter;
  Value value;
  Apply apply;
};

Result<> ignore(Options&, std::string_view) { return {}; }

Result<> set_mode(Options& o, std::string_view value) {
  struct Name {
    std::string_view text;
    Mode mode;
  };
  static constexpr std::array<Name, 16> names{{
      {"m", Mode::submit}, {"s", Mode::smtp}, {"d", Mode::daemon}, {"D", Mode::daemon}, {"i", Mode::aliases},
      {"t", Mode::route}, {"v", Mode::verify}, {"V", Mode::version}, {"P", Mode::settings}, {"p", Mode::list},
      {"pc", Mode::count}, {"pr", Mode::list}, {"pu", Mode::list}, {"pa", Mode::list}, {"pru", Mode::list}, {"pra", Mode::list},
  }};
  auto found = std::ranges::find(names, value, &Name::text);
  if (found == names.end()) return fail(Fault::invalid, fmt::format("unknown mode -b{}", escape(value, 40)));
  o.mode = found->mode;
  o.undelivered_only = value.starts_with('p') && value.ends_with('u');
  o.unsorted = value.starts_with("pr");
  return {};
}

Result<> set_errors(Options& o, std::string_view value) {
  if (value == "m") o.errors = Errors::mail;
  else if (value == "e") o.errors = Errors::exit;
  else if (value == "q") o.errors = Errors::quiet;
  else o.errors = Errors::print;        // p, w and what others invented
  return {};
}

// -o…: -oi and -oe… mean something here; delivery modes and the rest don't.
Result<> set_old_option(Options& o, std::string_view value) {
  if (value == "i" || value == "itrue") o.dot_ends = false;
  else if (value.starts_with('e')) return set_errors(o, value.substr(1));
  return {};
}

Result<> set_sender(Options& o, std::string_view value) {
  if (has_control(value)) return fail(Fault::invalid, "-f: control characters in the address");
  o.sender = std::string(value);
  return {};
}

Result<> set_full_name(Options& o, std::string_view value) {
  if (has_control(value)) return fail(Fault::invalid, "-F: control characters in the name");
  if (value.size() > 500) return fail(Fault::invalid, "-F: the name is too long");
  o.full_name = std::string(value);
  return {};
}

Result<> set_config(Options& o, std::string_view value) {
  o.config_file = std::string(value);
  return {};
}

// RFC 3461 §4.1
Result<> set_notify(Options& o, std::string_view value) {
  o.notify = 0;
  for (std::string_view word : split(value, ',')) {
    if (iequals(word, "never")) o.notify |= mail::Notify::never;
    else if (iequals(word, "success")) o.notify |= mail::Notify::success;
    else if (iequals(word, "failure")) o.notify |= mail::Notify::failure;
    else if (iequals(word, "delay")) o.notify |= mail::Notify::delay;
    else return fail(Fault::invalid, "-N: say never, or any of success,failure,delay");
  }
  if ((o.notify & mail::Notify::never) && o.notify != mail::Notify::never) {
    return fail(Fault::invalid, "-N: never stands alone");
  }
  return {};
}

Result<> set_return(Options& o, std::string_view value) {
  if (iequals(value, "full")) o.ret = mail::Return::full;
  else if (iequals(value, "hdrs")) o.ret = mail::Return::headers;
  else return fail(Fault::invalid, "-R: say full or hdrs; to run the queue for a recipient, -qRtext");
  return {};
}

Result<> set_envid(Options& o, std::string_view value) {
  o.envid = xtext_decode(value) ? std::string(value) : xtext_encode(value);
  if (o.envid.size() > 100) return fail(Fault::invalid, "-V: longer than 100 characters");   // RFC 3461 §4.4
  return {};
}

Result<> set_body(Options& o, std::string_view value) {
  if (iequals(value, "8BITMIME")) o.body = mail::Body::eight_bit;
  else if (iequals(value, "7BIT")) o.body = mail::Body::seven_bit;
  else return fail(Fault::invalid, "-B: say 7BIT or 8BITMIME");
  return {};
}

Result<> set_extract(Options& o, std::string_view) {
  o.extract = true;
  return {};
}
Result<> set_no_dot(Options& o, std::string_view) {
  o.dot_ends = false;
  return {};
}
Result<> set_verbose(Options& o, std::string_view) {
  o.verbose = true;
  return {};
}
Result<> set_aliases(Options& o, std::string_view) {
  o.mode = Mode::aliases;
  return {};
}

Result<> set_match(std::string& match, char option, std::string_view value) {
  if (value.empty()) return fail(Fault::invalid, fmt::format("-{}: say a part of it", option));
  if (has_control(value) || value.size() > 1000) {
    return fail(Fault::invalid, fmt::format("-{}: control characters, or too long", option));
  }
  match = std::string(value);
  return {};
}

// -q, -qf, -qff, -qq, -qRstr, -qSstr, -qIid run the queue; -q15m would make a daemon.
Result<> set_queue(Options& o, std::string_view value) {
  if (o.mode == Mode::daemon) return {};
  o.mode = Mode::run_queue;
  bool forced = false;
  for (; !value.empty() && std::string_view("qfil").find(value[0]) != std::string_view::npos; value.remove_prefix(1)) {
    o.force_frozen |= forced && value[0] == 'f';
    forced = forced || value[0] == 'f';
  }
  if (value.empty()) return {};
  Result<> done;
  if (value[0] == 'R') done = set_match(o.match_recipient, 'q', value.substr(1));
  else if (value[0] == 'S') done = set_match(o.match_sender, 'q', value.substr(1));
  else if (value[0] == 'I') done = set_match(o.match_id, 'q', value.substr(1));
  else if (parse_duration(value)) o.mode = Mode::daemon;
  else done = fail(Fault::invalid, "-q: say -q, -qff, -qRtext, -qStext or -qIid");
  auto is_id_char = [](char c) { return is_alnum(c) || c == '-'; };
  if (!std::ranges::all_of(o.match_id, is_id_char)) return fail(Fault::invalid, "-qI: not a queue id");   // S-171
  return done;
}

// Exim's -S. Its -R means something else to sendmail: use -qR.
Result<> set_sender_match(Options& o, std::string_view value) {
  o.mode = Mode::run_queue;
  return set_match(o.match_sender, 'S', value);
}

Result<> set_queue_verb(Options& o, std::string_view value) {
  struct Name {
    std::string_view text;
    Mode mode;
    const char* word;
  };
  static constexpr std::array<Name, 13> names{{
      {"", Mode::queue_verb, "run"}, {"f", Mode::queue_verb, "freeze"}, {"t", Mode::queue_verb, "thaw"},
      {"rm", Mode::queue_verb, "remove"}, {"g", Mode::queue_verb, "give_up"}, {"ar", Mode::queue_verb, "add_recipients"},
      {"es", Mode::queue_verb, "set_sender"}, {"md", Mode::queue_verb, "mark_delivered"},
      {"mad", Mode::queue_verb, "mark_all_delivered"}, {"vh", Mode::show, "envelope"}, {"vb", Mode::show, "body"},
      {"vc", Mode::show, "copy"}, {"vl", Mode::show_log, "log"},
  }};
  auto found = std::ranges::find(names, value, &Name::text);
  if (found == names.end()) return fail(Fault::invalid, fmt::format("unknown option -M{}", escape(value, 20)));
  o.mode = found->mode;
  o.queue_verb = found->word;
  return {};
}

// The words after a queue verb: ids, or one id and addresses.
Result<> check_verb_arguments(const Options& o) {
  bool with_addresses = o.queue_verb == "add_recipients" || o.queue_verb == "set_sender" || o.queue_verb == "mark_delivered";
  bool is_verb = o.mode == Mode::queue_verb || o.mode == Mode::show || o.mode == Mode::show_log;
  if (!is_verb) return {};
  if (o.arguments.empty()) return fail(Fault::invalid, "say which message: its id, as mailq shows it");
  if (with_addresses && o.arguments.size() < 2) return fail(Fault::invalid, "say an id, and then the address");
  if (o.queue_verb == "set_sender" && o.arguments.size() != 2) {
    return fail(Fault::invalid, "-Mes: say an id and one address, or <>");
  }
  auto is_id_char = [](char c) { return is_alnum(c) || c == '-'; };
  for (std::size_t i = 0; i < (with_addresses ? 1 : o.arguments.size()); ++i) {
    const std::string& id = o.arguments[i];      // S-171
    bool good = !id.empty() && id.size() <= 40 && std::ranges::all_of(id, is_id_char);
    if (!good) return fail(Fault::invalid, escape(id, 40) + ": not a queue id");
  }
  return {};
}

constexpr std::array<Row, 31> rows{{
    {'A', Value::attached, ignore},      {'B', Value::required, set_body},    {'C', Value::required, set_config},
    {'E', Value::none, ignore},          {'F', Value::required, set_full_name}, {'G', Value::none, ignore},
    {'I', Value::none, set_aliases},     {'L', Value::required, ignore},      {'M', Value::attached, set_queue_verb},
    {'N', Value::required, set_notify},  {'O', Value::required, ignore},      {'R', Value::required, set_return},
    {'S', Value::required, set_sender_match},
    {'U', Value::none, ignore},          {'V', Value::required, set_envid},
    {'X', Value::required, ignore},      // a traffic log: PHP's mail() lets strangers write it (S-155)
    {'b', Value::required, set_mode},    {'d', Value::attached, ignore},      {'e', Value::required, set_errors},
    {'f', Value::required, set_sender},  {'h', Value::required, ignore},      {'i', Value::none, set_no_dot},
    {'m', Value::none, ignore},          {'n', Value::none, ignore},          {'o', Value::required, set_old_option},
    {'p', Value::attached, ignore},      {'q', Value::attached, set_queue},   {'r', Value::required, set_sender},
    {'t', Value::none, set_extract},     {'v', Value::none, set_verbose},     {'x', Value::none, ignore},
}};

// The forms of Exim whose value is a word of its own: -oMr protocol.
bool takes_next_word(std::string_view word) { return word.size() <= 5 && word.starts_with("-oM") && word.size() > 3; }

void set_personality(Options& o, std::string_view argv0) {
  if (auto slash = argv0.rfind('/'); slash != std::string_view::npos) argv0.remove_prefix(slash + 1);
  if (argv0 == "mailq") o.mode = Mode::list;
  else if (argv0 == "newaliases") o.mode = Mode::aliases;
  else if (argv0 == "runq") o.mode = Mode::run_queue;
  else if (argv0 == "rsmtp") o.mode = Mode::smtp;
  else if (argv0 == "rmail") o.rmail = true;
}

// One word of options, "-ti" or "-fann@x" or "-f"; `next` is the word that follows, if there is one. True when it was used.
Result<bool> parse_word(Options& o, std::string_view word, std::optional<std::string_view> next) {
  for (std::size_t i = 1; i < word.size(); ++i) {
    auto row = std::ranges::find(rows, word[i], &Row::letter);
    if (row == rows.end()) return fail(Fault::invalid, fmt::format("unknown option -{}", escape(word.substr(i, 1))));
    std::string_view rest = word.substr(i + 1);
    if (row->value == Value::none) {
      auto done = row->apply(o, {});
      if (!done) return std::unexpected(done.error());
      continue;
    }
    bool use_next = row->value == Value::required && rest.empty();
    if (use_next && !next) return fail(Fault::invalid, fmt::format("option -{} needs a value", word[i]));
    auto done = row->apply(o, use_next ? *next : rest);
    if (!done) return std::unexpected(done.error());
    return use_next;
  }
  return false;
}

}  // namespace

Result<Options> parse_options(const std::vector<std::string_view>& argv) {
  Options o;
  set_personality(o, argv.empty() ? std::string_view() : argv[0]);
  std::size_t i = 1;
  for (; i < argv.size(); ++i) {
    std::string_view word = argv[i];
    if (word == "--") {
      ++i;
      break;
    }
    if (word == "--json") {
      o.json = true;
      continue;
    }
    if (word == "--version") {
      o.mode = Mode::version;
      continue;
    }
    if (word.size() < 2 || word[0] != '-') break;
    if (word.starts_with("--")) return fail(Fault::invalid, fmt::format("unknown option {}", escape(word, 60)));
    if (takes_next_word(word)) {
      ++i;
      continue;
    }
    std::optional<std::string_view> next;
    if (i + 1 < argv.size()) next = argv[i + 1];
    auto used_next = parse_word(o, word, next);
    if (!used_next) return std::unexpected(used_next.error());
    if (*used_next) ++i;
  }
  for (; i < argv.size(); ++i) o.arguments.emplace_back(argv[i]);
  auto checked = check_verb_arguments(o);
  if (!checked) return std::unexpected(checked.error());
  return o;
}

}  // namespace mansio::sendmail
