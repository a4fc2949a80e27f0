// The sendmail command: its options, the message it reads, the listing it prints.
#include <algorithm>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "mail/header.hpp"
#include "mail/line_ends.hpp"
#include "mail/recipient_fields.hpp"
#include "sendmail_control.hpp"
#include "sendmail_message.hpp"
#include "sendmail_options.hpp"

namespace fuzz {
namespace {

using namespace mansio;

// Lines end in CRLF, and there is no other CR or LF.
bool has_good_lines(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return false;
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return false;
  }
  return text.empty() || text.ends_with("\r\n");
}

struct Built {
  bool good = false, ended = false;
  std::string text;
  std::vector<std::string> recipients;
};

Built build(std::string_view input, std::size_t piece, bool extract) {
  sendmail::MessageOptions options(*mail::Domain::parse("ex.test"), "host.ex.test");
  options.extract = extract;
  options.dot_ends = !input.ends_with('i');
  options.from = "Bob <bob@ex.test>";
  options.unique = "u";
  sendmail::MessageBuilder builder(options);
  Built out;
  Result<> done;
  for (std::size_t at = 0; at < input.size() && done; at += piece) done = builder.feed(input.substr(at, piece), out.text);
  if (done) done = builder.finish(out.text);
  out.good = done.has_value();
  out.ended = builder.ended();
  for (const auto& one : builder.recipients()) out.recipients.push_back(one.text());
  return out;
}

}  // namespace

void sendmail_options(std::string_view input) {
  auto argv = split(input, '\n');
  if (argv.size() > 50) return;
  auto parsed = sendmail::parse_options(argv);
  if (!parsed) {
    require(!has_control(parsed.error().text()), "a refusal is one line");
    return;
  }
  require(parsed->notify <= 14 || parsed->notify == mail::Notify::never, "NEVER stands alone");
  require((parsed->notify & mail::Notify::never) == 0 || parsed->notify == mail::Notify::never, "NEVER stands alone");
  require(parsed->envid.empty() || xtext_decode(parsed->envid).has_value(), "an envelope id is xtext");
  require(parsed->arguments.size() < argv.size() + 1, "arguments are those that were given");
}

void sendmail_message(std::string_view input) {
  for (bool extract : {false, true}) {
    Built whole = build(input, input.size() + 1, extract), cut = build(input, 1, extract);
    require(whole.good == cut.good, "cuts change nothing");
    if (!whole.good) continue;
    require(whole.ended == cut.ended && whole.recipients == cut.recipients, "cuts change nobody");
    require(whole.text == cut.text, "cuts change no octet");
    require(has_good_lines(whole.text), "lines end in CRLF");
    mail::HeaderReader reader(whole.text);
    bool from = false, date = false, id = false;
    while (auto field = reader.next()) {
      require(!mail::is_bcc(field->name), "Bcc is not sent");
      from = from || iequals(field->name, "From") || iequals(field->name, "Resent-From");
      date = date || mail::known_field(field->name) == mail::KnownField::date || iequals(field->name, "Resent-Date");
      id = id || mail::known_field(field->name) == mail::KnownField::message_id || iequals(field->name, "Resent-Message-ID");
    }
    require(from && date && id, "nothing is missing");
    if (!extract) require(whole.recipients.empty(), "nobody is taken from the header unasked");
  }
}

void line_ends(std::string_view input) {
  for (bool dot_ends : {false, true}) {
    mail::LineNormalizer whole(dot_ends), cut(dot_ends);
    std::string text, same;
    bool good = whole.feed(input, text).has_value(), good_cut = true;
    for (char c : input) good_cut = good_cut && cut.feed(std::string_view(&c, 1), same).has_value();
    require(good == good_cut, "cuts change nothing");
    if (!good) continue;
    whole.finish(text);
    cut.finish(same);
    require(text == same && whole.ended() == cut.ended(), "cuts change no octet");
    require(has_good_lines(text), "lines end in CRLF");
    if (!dot_ends) require(!whole.ended(), "a dot is text");
  }
}

void listing(std::string_view input) {
  std::string text = sendmail::format_listing(input, input.size() % 2 == 0, input.size() % 3 == 0);
  require(std::ranges::none_of(text, [](char c) { return is_control(c) && c != '\n'; }), "a listing holds no control octet");
}

}  // namespace fuzz
