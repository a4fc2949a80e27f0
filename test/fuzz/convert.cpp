#include "mail/convert.hpp"

#include "fuzz/targets.hpp"
#include "mail/mime.hpp"
#include "mail/mime_parts.hpp"

namespace {

// What a reader sees of the structure: kinds and nesting, in order.
struct Outline final : mansio::mail::PartHandler {
  std::string seen;
  void field(const mansio::mail::Part&, mansio::mail::PartField, std::string_view) override {}
  void header_end(const mansio::mail::Part& part, bool) override {
    using mansio::mail::PartKind;
    bool leaf = part.kind == PartKind::leaf || part.kind == PartKind::sealed;    // encoded now: not to be looked into
    seen += leaf ? 'l' : part.kind == PartKind::multipart ? 'm' : 'r';
    seen += std::to_string(part.depth);
  }
  void text(const mansio::mail::Part&, std::string_view, bool, bool) override {}
  void delimiter(const mansio::mail::Part& part, bool closing) override { seen += (closing ? "-" : "+") + std::to_string(part.depth); }
  void end() override {}
};

std::string outline(std::string_view text) {
  Outline outline;
  mansio::mail::PartWalker walker(outline);
  walker.add(text);
  walker.finish();
  return outline.seen;
}

std::string converted(std::string_view input, const mansio::mail::ConversionPlan& plan, std::size_t piece) {
  mansio::mail::SevenBitConverter converter(plan);
  std::string out;
  for (std::size_t i = 0; i < input.size(); i += piece) converter.add(input.substr(i, piece), out);
  converter.finish(out);
  return out;
}

}  // namespace

void fuzz::convert(std::string_view input) {
  using namespace mansio::mail;
  ConversionScan scan, pieces;
  scan.add(input);
  for (std::size_t i = 0; i < input.size(); i += 3) pieces.add(input.substr(i, 3));
  auto plan = scan.finish(), same = pieces.finish();
  require(plan.refusal.has_value() == same.refusal.has_value() && plan.parts.size() == same.parts.size(), "pieces don't matter to the scan");
  if (plan.refusal) return;
  std::string out = converted(input, plan, input.size() + 1);
  require(out == converted(input, plan, 3), "pieces don't matter to the converter");
  ContentScanner scanner;
  scanner.add(out);
  require(scanner.needs().plain(), "nothing but ASCII in lines up to 998 comes out");
  require(outline(out) == outline(input), "the structure is kept");
  ConversionScan again;
  again.add(out);
  auto nothing = again.finish();
  require(!nothing.refusal, "what was converted can be converted");
  for (const auto& part : nothing.parts) require(part.change == PartChange::none, "and needs no more");
}
