#include "mail/header.hpp"

#include "fuzz/targets.hpp"

void fuzz::header(std::string_view input) {
  using namespace mansio::mail;
  HeaderReader reader(input);
  std::size_t at = 0, received = 0;
  while (auto field = reader.next()) {
    require(field->offset == at && !field->name.empty() && !field->raw.empty(), "fields follow each other");
    at += field->raw.size();
    if (known_field(field->name) == KnownField::received) ++received;
    require(unfold(field->value).find('\n') == std::string::npos, "unfolded is one line");
  }
  require(reader.body_offset() >= at && reader.body_offset() <= at + 2, "the body follows the header");
  auto begins = begins_like_header(input, true);
  require(begins.has_value(), "all bytes are enough to tell");
  require(input.size() > 900 || *begins == (reader.body_offset() > 0 || input.empty()), "the first line decides");
  for (std::size_t piece : {std::size_t{1}, std::size_t{5}, input.size() + 1}) {
    HeaderScanner scanner(100);
    for (std::size_t i = 0; i < input.size(); i += piece) scanner.feed(input.substr(i, piece));
    scanner.finish();
    require(scanner.copy().size() <= 100, "the copy is bounded");
    if (input.size() > 900) continue;   // past the scanner's bound on a line they may differ
    require(scanner.received_count() == received, "reader and scanner count alike");
    require(scanner.header_size() == reader.body_offset(), "reader and scanner end alike");
  }
}
