#include "mail/submission.hpp"

#include "fuzz/targets.hpp"
#include "mail/header.hpp"

void fuzz::submission(std::string_view input) {
  using namespace mansio::mail;
  SubmissionFacts facts(*Domain::parse("example.org"));
  facts.sender = *Address::parse("bob@example.org");
  facts.login = login_address("bob", facts.mail_name);
  facts.message_id = "u@example.org";
  facts.masquerade = {"example.org", "test"};
  facts.add_sender = true;
  auto first = rewrite_submission(input, facts);
  if (!first) return;
  require(first->replaces <= input.size(), "no more is replaced than there is");
  HeaderReader reader(first->text);
  bool from = false, date = false, id = false;
  while (auto field = reader.next()) {
    KnownField known = known_field(field->name);
    require(known != KnownField::return_path, "nothing forged is left");
    for (auto [kind, seen] : {std::pair{KnownField::from, &from}, {KnownField::date, &date}, {KnownField::message_id, &id}}) {
      if (known != kind) continue;
      require(!*seen, "there is one of each");
      *seen = true;
    }
  }
  require(from && date && id, "nothing is missing");
  require(reader.has_separator() && reader.body_offset() == first->text.size(), "the header ends where the body begins");
  auto senders = header_senders(first->text, facts.mail_name);
  require(senders && senders->size() == first->from.size(), "the senders are those of the new header");
  for (std::size_t i = 0; i < senders->size(); ++i) require((*senders)[i].key() == first->from[i].key(), "each sender is as it was told");
  auto second = rewrite_submission(first->text, facts);
  require(second && second->text == first->text && second->done.empty(), "what is in order stays as it is");
}
