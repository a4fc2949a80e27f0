#include <catch2/catch.hpp>

#include <set>

#include "spool/progress.hpp"
#include "spool/queue_id.hpp"
#include "spool/record.hpp"

namespace mansio::spool {

TEST_CASE("a segment header reads back, and no changed byte of it does") {
  SegmentHeader header;
  header.serial = 0x1122334455667788u;
  header.previous_batches = 77;
  std::string bytes = header.encode();
  REQUIRE(bytes.size() == segment_header_size);
  auto back = SegmentHeader::decode(bytes);
  REQUIRE(back.has_value());
  CHECK(back->serial == header.serial);
  CHECK(back->previous_batches == 77);
  for (std::size_t i = 0; i < 32; ++i) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    CHECK_FALSE(SegmentHeader::decode(bad).has_value());
  }
  CHECK_FALSE(SegmentHeader::decode(std::string_view(bytes).substr(0, 4095)).has_value());
  std::string newer = bytes;
  newer[8] = 2;
  CHECK(SegmentHeader::decode(newer).error().fault() == Fault::exists);
}

TEST_CASE("a batch header reads back under its own key only, and no changed byte of it does") {
  BatchHeader header;
  header.serial = 9;
  header.number = 3;
  header.records = 12;
  header.length = 4096;
  header.sum = 0xfeedface;
  std::string bytes = header.encode(42);
  REQUIRE(bytes.size() == BatchHeader::size);
  auto back = BatchHeader::decode(bytes, 42);
  REQUIRE(back.has_value());
  CHECK(back->serial == 9);
  CHECK(back->number == 3);
  CHECK(back->records == 12);
  CHECK(back->length == 4096);
  CHECK(back->sum == 0xfeedface);
  CHECK_FALSE(BatchHeader::decode(bytes, 43).has_value());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CHECK_FALSE(BatchHeader::decode(bad, 42).has_value());
  }
}

TEST_CASE("record headers and message layouts read back; unknown types do not") {
  RecordHeader header;
  header.type = RecordType::moved;
  header.length = 13;
  header.sum = 5;
  header.id = *QueueId::parse("1tABCD-0004ZZ-A4");
  std::string bytes = header.encode();
  REQUIRE(bytes.size() == RecordHeader::size);
  auto back = RecordHeader::decode(bytes);
  REQUIRE(back.has_value());
  CHECK(back->type == RecordType::moved);
  CHECK(back->id == header.id);
  CHECK(back->padded() == 16);
  CHECK(header.seed(1) != header.seed(2));
  for (char type : {char{0}, char{5}, char{100}}) {
    std::string bad = bytes;
    bad[0] = type;
    CHECK_FALSE(RecordHeader::decode(bad).has_value());
  }
  MessageLayout layout;
  layout.envelope = 10;
  layout.head = 20;
  layout.content = 1ull << 33;
  CHECK(layout.payload() == 24 + 30 + (1ull << 33));
  layout.large = true;
  auto again = MessageLayout::decode(layout.encode());
  REQUIRE(again.has_value());
  CHECK(again->payload() == 54);
  CHECK(again->content == 1ull << 33);
}

TEST_CASE("queue ids grow strictly, also when the clock stands still, goes back or is before 1970") {
  QueueIdSource source(3, 1);
  Time noon{std::chrono::seconds(1700000000)};
  QueueId last = source.next(noon);
  CHECK(last.is_of(3));
  CHECK_FALSE(last.is_of(4));
  CHECK(last.is_of(3 + (1u << 18)));   // it comes round
  CHECK(last.time() == noon);
  for (auto shift : {0, 0, -1, -100000, 1, 0, -1700000001, 2, 2}) {
    QueueId id = source.next(noon + std::chrono::seconds(shift));
    CHECK(id > last);
    CHECK(id.text() > last.text());
    last = id;
  }
  QueueIdSource fresh(3, 1);
  CHECK(fresh.next(Time(std::chrono::seconds(-5))).seconds == 0);
}

TEST_CASE("a burst of ids within one instant runs over into the next second without a repeat") {
  QueueIdSource source(1, 0);
  Time end{std::chrono::microseconds(1700000000999999)};
  std::set<std::string> seen;
  QueueId last;
  for (int i = 0; i < 800000; ++i) last = source.next(end);
  CHECK(last.seconds == 1700000001);
  for (int i = 0; i < 1000; ++i) CHECK(seen.insert(source.next(end).text()).second);
}

TEST_CASE("the same instant in another generation or shard is another id") {
  Time now{std::chrono::seconds(1700000000)};
  std::set<std::string> seen;
  for (std::uint64_t generation = 1; generation < 40; ++generation) {
    for (std::uint8_t shard = 0; shard < 16; ++shard) CHECK(seen.insert(QueueIdSource(generation, shard).next(now).text()).second);
  }
}

TEST_CASE("queue ids are parsed strictly") {
  QueueId id = QueueIdSource(12345, 7).next(Time(std::chrono::seconds(1712345678)));
  REQUIRE(id.text().size() == 16);
  CHECK(QueueId::parse(id.text()) == id);
  for (const char* bad : {"", "1tABCD", "1tABCD-0004ZZ-A", "1tABCD-0004ZZ-A45", "1tABCD_0004ZZ-A4", "1tABCD-0004Z/-A4", "zzzzzz-0004ZZ-A4",
                          "1tABCD-zzzzzz-A4", "1tABCD-0004ZZ-zz", "../../0004ZZ--A4", "1tABCD-0004ZZ-A ", "1tABCD-0000000ZZZZ-1234"}) {
    CHECK_FALSE(QueueId::parse(bad).has_value());
  }
}

TEST_CASE("progress reads back, whatever a peer said") {
  Progress progress(4);
  progress.attempts = 7;
  progress.next_attempt = Time(std::chrono::seconds(1800000000));
  progress.delay_warned = progress.frozen = true;
  progress.recipients[0].state = RecipientState::delivered;
  progress.recipients[1].state = RecipientState::failed;
  progress.recipients[1].last = Status(550, 1, 1, "no\nsuch \x01 user + = \xff");
  progress.recipients[2].last = Status(421, "");
  progress.recipients[3].last = Status(0, 1000, 60000, std::string(5000, 'x'));
  auto back = parse_progress(format_progress(progress), 4);
  REQUIRE(back.has_value());
  CHECK(back->attempts == 7);
  CHECK(back->next_attempt == progress.next_attempt);
  CHECK(back->delay_warned);
  CHECK(back->frozen);
  CHECK(back->recipients[0].state == RecipientState::delivered);
  CHECK(back->recipients[1].state == RecipientState::failed);
  CHECK(back->recipients[1].last.line() == progress.recipients[1].last.line());
  CHECK(back->recipients[2].last.enhanced_text().empty());
  CHECK(back->recipients[3].last.code() == 451);
  CHECK(back->recipients[3].last.text().size() == 2000);
  CHECK_FALSE(back->finished());
}

TEST_CASE("progress keeps whose sender was told, and by which route who waits") {
  Progress progress(3);
  for (auto& recipient : progress.recipients) recipient.last = Status(450, 4, 2, "later");
  progress.recipients[1].warned = true;
  progress.recipients[1].route = "a route";
  progress.recipients[1].domain = "far.test";
  progress.recipients[2].route = std::string(300, 'r');
  progress.recipients[2].domain = "x";
  auto text = format_progress(progress);
  CHECK(text.find("warned 1\n") != std::string::npos);
  CHECK(text.find("way 1 a+20route far.test\n") != std::string::npos);
  auto back = parse_progress(text, 3);
  REQUIRE(back.has_value());
  CHECK_FALSE(back->delay_warned);
  CHECK_FALSE(back->recipients[0].warned);
  CHECK(back->recipients[1].warned);
  CHECK(back->recipients[0].route.empty());
  CHECK(back->recipients[1].route == "a route");
  CHECK(back->recipients[1].domain == "far.test");
  CHECK(back->recipients[2].route == std::string(255, 'r'));
  // As it was written before it was known of each, and when it is of all.
  progress.delay_warned = true;
  back = parse_progress(format_progress(progress), 3);
  REQUIRE(back.has_value());
  CHECK(back->delay_warned);
  CHECK(back->recipients[0].warned);
  for (const char* bad : {"warned 3\n", "warned x\n", "way 0 a\n", "way 3 a b\n", "way 0  b\n", "way 0 a b c\n"}) {
    INFO(bad);
    CHECK_FALSE(parse_progress(bad, 3).has_value());
  }
}

TEST_CASE("progress keeps who said it, at most 255 octets, and reads texts from before it did") {
  Progress progress(4);
  for (auto& recipient : progress.recipients) recipient.last = Status(450, 4, 2, "later");
  progress.recipients[0].host = "mx.example [2001:db8::1]:25";
  progress.recipients[1].host = "a b\n+=\xff";
  progress.recipients[2].host = std::string(300, 'h');
  std::string text = format_progress(progress);
  CHECK(text.find("recipient 0 waiting 450 4.4.2 later mx.example+20[2001:db8::1]:25\n") != std::string::npos);
  CHECK(text.find("recipient 3 waiting 450 4.4.2 later\n") != std::string::npos);
  auto back = parse_progress(text, 4);
  REQUIRE(back.has_value());
  CHECK(back->recipients[0].host == "mx.example [2001:db8::1]:25");
  CHECK(back->recipients[1].host == "a b\n+=\xff");
  CHECK(back->recipients[2].host == std::string(255, 'h'));
  CHECK(back->recipients[3].host.empty());
  // An empty text before a host is one all the same.
  progress.recipients[0].last = Status(421, "");
  back = parse_progress(format_progress(progress), 4);
  REQUIRE(back.has_value());
  CHECK(back->recipients[0].host == "mx.example [2001:db8::1]:25");
  CHECK(parse_progress("recipient 0 waiting 450 4.4.2 later\n", 1).has_value());
  CHECK_FALSE(parse_progress("recipient 0 waiting 450 4.4.2 later +zz\n", 1).has_value());
  CHECK_FALSE(parse_progress("recipient 0 waiting 450 4.4.2 later a b\n", 1).has_value());
  CHECK_FALSE(parse_progress("recipient 0 waiting 450 4.4.2 later " + std::string(256, 'h') + "\n", 1).has_value());
}

TEST_CASE("a time before 1970 or past all years is written so that it can be read") {
  Progress progress(1);
  progress.next_attempt = Time(std::chrono::seconds(-10));
  CHECK(parse_progress(format_progress(progress), 1).has_value());
  progress.next_attempt = Time::max();
  CHECK(parse_progress(format_progress(progress), 1).has_value());
}

TEST_CASE("broken progress is an error") {
  for (const char* bad : {"x\n", "attempts 1", "attempts x\n", "attempts 99999999999\n", "next 18446744073709551615\n", "next -1\n", "warned 2\n",
                          "recipient 2 waiting 450 4.0.0 x\n", "recipient 0 gone 450 4.0.0 x\n", "recipient 0 waiting 999 4.0.0 x\n",
                          "recipient 0 waiting 450 4.0 x\n", "recipient 0 waiting 450 4.1000.0 x\n", "recipient 0 waiting 450 4.0.0 +zz\n",
                          "recipient 0 waiting 450 4.0.0\n", "\n"}) {
    INFO(bad);
    CHECK_FALSE(parse_progress(bad, 2).has_value());
  }
}

}  // namespace mansio::spool
