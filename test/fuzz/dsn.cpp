#include "mail/dsn.hpp"

#include <algorithm>

#include "fuzz/targets.hpp"
#include "mail/header.hpp"

void fuzz::dsn(std::string_view input) {
  using namespace mansio;
  mail::Dsn report("mail.test", *mail::Address::parse("a@b.test"));
  report.message_id = "1@mail.test";
  mail::DsnRecipient recipient(*mail::Address::parse("c@d.test"), mail::DsnAction::failed, Status(550, 1, 1, std::string(input)));
  recipient.orcpt = recipient.remote_host = recipient.remote_reply = report.envid = report.original = input;
  report.recipients.push_back(std::move(recipient));
  for (int variant = 0; variant < 4; ++variant) {
    report.full = (variant & 1) != 0;
    report.utf8 = (variant & 2) != 0;
    std::string text = mail::format_dsn(report);
    std::size_t start = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      require(text[i] != '\0', "no NUL comes out");
      require(text[i] != '\r' || (i + 1 < text.size() && text[i + 1] == '\n'), "no bare CR comes out");
      if (text[i] != '\n') continue;
      require(i > 0 && text[i - 1] == '\r' && i - start <= 999, "lines end with CRLF within 998 octets");
      start = i + 1;
    }
    require(start == text.size(), "the last line is whole");
    auto key = text.find("boundary=\"") + 10;
    std::string boundary = "--" + text.substr(key, text.find('"', key) - key);
    std::size_t count = 0;
    for (auto at = text.find(boundary); at != text.npos; at = text.find(boundary, at + 1)) ++count;
    require(count == 4, "the boundary separates three parts and no more");
    mail::HeaderReader reader(text);
    std::size_t fields = 0;
    while (reader.next()) ++fields;
    require((fields == 8 || fields == 9) && reader.has_separator(), "the header is ours");
  }
}
