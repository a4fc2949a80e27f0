// Header fields that we write out of what others said.
#include <algorithm>

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "mail/date.hpp"
#include "mail/header.hpp"
#include "mail/mime_parts.hpp"
#include "mail/received.hpp"
#include "mail/templates.hpp"
#include "receive/local_sender.hpp"
#include "receive/submitted_header.hpp"

namespace fuzz {

using namespace mansio;

void received(std::string_view input) {
  mail::Envelope envelope;
  auto parts = split(input, '\n');
  parts.resize(6);
  envelope.helo = parts[0];
  envelope.client_name = parts[1];
  envelope.client_address = parts[2];
  envelope.protocol = "ESMTPSA";
  envelope.user = parts[3];
  if (auto address = mail::Address::parse(parts[4])) envelope.recipients.emplace_back(*address);
  if (auto seconds = parse_number(parts[5])) envelope.received = Time(std::chrono::seconds(*seconds % 7'000'000'000));
  for (auto from : {mail::ReceivedFrom::shown, mail::ReceivedFrom::hidden}) {
    std::string field = mail::format_received(envelope, "mx.ex.test", "1tBx6K-000001-AA", 1000, from);
    mail::HeaderReader reader(field);
    auto first = reader.next();
    require(first && first->name == "Received" && first->raw == field && !reader.next(), "it is one field and nothing else");
    for (auto line : split(field, '\n')) require(line.size() <= 999, "a line has at most 998 octets");
    require(std::ranges::none_of(field, [](char c) { return is_control(c) && c != '\r' && c != '\n' && c != '\t'; }), "it holds no control octet");
  }
  envelope.recipients.clear();
  envelope.user.clear();
  envelope.helo = envelope.client_name = "secret-host.test";
  envelope.client_address = "203.0.113.99";
  std::string hidden = mail::format_received(envelope, "mx.ex.test", "1tBx6K-000001-AA", 1000, mail::ReceivedFrom::hidden);
  require(hidden.find("secret-host") == std::string::npos && hidden.find("203.0.113.99") == std::string::npos, "what is hidden is not there");
}

void sender_field(std::string_view input) {
  static const mail::Address own = *mail::Address::parse("bob@ex.test");
  std::string field = receive::sender_field(input, own);
  require(field.empty() || field == "Sender: bob@ex.test\r\n" || field.find("bob@ex.test") != std::string::npos, "the sender is who he is");
  require(std::ranges::count(field, '\n') <= 1, "it is one field");
  auto address = receive::address_of_user(std::string(input), "ex.test");
  if (address) require(mail::Address::parse(address->text()).has_value() && address->domain().key() == "ex.test", "a user has an address here");
}

// Cut anywhere, a header that is put in order is the same.
void submitted_header(std::string_view input) {
  auto run = [&](std::size_t piece) {
    mail::SubmissionFacts facts(*mail::Domain::parse("ex.test"));
    facts.sender = *mail::Address::parse("bob@ex.test");
    facts.message_id = "u@ex.test";
    receive::SubmittedHeader header(std::move(facts), [](const mail::Address& address) { return address.key() != "eve@ex.test"; }, input.ends_with('l'));
    std::string out;
    bool done = false;
    for (std::size_t at = 0; at < input.size(); at += piece) {
      auto bytes = input.substr(at, piece);
      if (done) {
        out += bytes;
        continue;
      }
      auto taken = header.take(bytes);
      if (!taken) return "refused: " + taken.error().line();
      if (*taken) out += **taken;
      done = taken->has_value();
    }
    if (!done) {
      auto rest = header.finish();
      if (!rest) return "refused: " + rest.error().line();
      out += *rest;
    }
    return out;
  };
  std::string whole = run(input.size() + 1);
  require(whole == run(1) && whole == run(7), "cuts change nothing");
}

void report_template(std::string_view input) {
  auto parsed = mail::parse_template(input, "failed.txt");
  if (!parsed) return require(parsed.error().text().find("failed.txt") != std::string::npos && !has_control(parsed.error().text()), "a problem names the file");
  mail::PlaceValues values{{"recipient", "{host}\r\nx: y"}, {"host", "mx"}, {"answer", "550 no\nsecond"}};
  for (const auto& [name, text] : parsed->sections) {
    std::string filled = mail::fill_places(text, values);
    require(filled.find('\0') == std::string::npos, "a report holds no NUL");
  }
  require(!has_control(parsed->subject), "a subject is one line");
}

void media_type(std::string_view input) {
  auto type = mail::parse_media_type(input);
  if (!type) return;
  require(type->type == to_lower(type->type) && type->subtype == to_lower(type->subtype), "types are in lower case");
  require(!type->type.empty() && !type->subtype.empty(), "a type has two words");
}

void date(std::string_view input) {
  auto seconds = parse_number(input);
  if (!seconds) return;
  std::string text = mail::format_date(Time(std::chrono::seconds(*seconds % 253'000'000'000 % 9'000'000'000)));
  require(text.size() >= 30 && text.size() <= 32 && !has_control(text), "a date has its length");
}

}  // namespace fuzz
