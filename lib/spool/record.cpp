#include "spool/record.hpp"

#include <cstring>

#include "base/bytes.hpp"

namespace mansio::spool {
namespace {

constexpr std::string_view segment_magic = "MANSIOJ\n";
constexpr std::uint64_t batch_magic = 0x484354414249534d;    // "MSIBATCH"

class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    out_.append(raw, sizeof value);
    return *this;
  }
  std::string take() { return std::move(out_); }
  const std::string& so_far() const { return out_; }

 private:
  std::string out_;
};

template <class T>
T get(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

std::string SegmentHeader::encode() const {
  std::string out(segment_magic);
  Bytes rest;
  rest.put(format_version).put(previous_batches).put(serial);
  out += rest.take();
  Bytes sum;
  out += sum.put(checksum(out)).take();
  out.resize(segment_header_size, '\0');
  return out;
}

Result<SegmentHeader> SegmentHeader::decode(std::string_view bytes) {
  if (bytes.size() < segment_header_size || !bytes.starts_with(segment_magic)) return fail(Fault::invalid, "no segment of a journal");
  if (get<std::uint32_t>(bytes, 8) != format_version) return fail(Fault::exists, "a journal of another version");
  if (get<std::uint64_t>(bytes, 24) != checksum(bytes.substr(0, 24))) return fail(Fault::invalid, "damaged segment header");
  SegmentHeader header;
  header.serial = get<std::uint64_t>(bytes, 16);
  header.previous_batches = get<std::uint32_t>(bytes, 12);
  return header;
}

std::string BatchHeader::encode(std::uint64_t key) const {
  Bytes out;
  out.put(batch_magic).put(serial).put(number).put(records).put(length).put(sum);
  std::uint64_t own = checksum(out.so_far(), key);
  return out.put(own).take();
}

std::optional<BatchHeader> BatchHeader::decode(std::string_view bytes, std::uint64_t key) {
  if (bytes.size() < size || get<std::uint64_t>(bytes, 0) != batch_magic) return std::nullopt;
  if (get<std::uint64_t>(bytes, 40) != checksum(bytes.substr(0, 40), key)) return std::nullopt;
  BatchHeader header;
  header.serial = get<std::uint64_t>(bytes, 8);
  header.number = get<std::uint32_t>(bytes, 16);
  header.records = get<std::uint32_t>(bytes, 20);
  header.length = get<std::uint64_t>(bytes, 24);
  header.sum = get<std::uint64_t>(bytes, 32);
  return header;
}

std::uint64_t RecordHeader::seed(std::uint64_t serial) const noexcept {
  Bytes all;
  all.put(static_cast<std::uint64_t>(type)).put(length).put(id.seconds).put(id.fraction).put(id.origin).put(serial);
  return checksum(all.so_far());
}

std::string RecordHeader::encode() const {
  Bytes out;
  out.put(static_cast<std::uint32_t>(type)).put(id.seconds).put(id.origin).put(id.fraction).put(std::uint32_t{0});
  return out.put(length).put(sum).take();
}

std::optional<RecordHeader> RecordHeader::decode(std::string_view bytes) {
  if (bytes.size() < size) return std::nullopt;
  RecordHeader header;
  auto type = get<std::uint32_t>(bytes, 0);
  if (type < 1 || type > 4) return std::nullopt;
  header.type = static_cast<RecordType>(type);
  header.id.seconds = get<std::uint32_t>(bytes, 4);
  header.id.origin = get<std::uint64_t>(bytes, 8);
  header.id.fraction = get<std::uint32_t>(bytes, 16);
  header.length = get<std::uint64_t>(bytes, 24);
  header.sum = get<std::uint64_t>(bytes, 32);
  return header;
}

std::string MessageLayout::encode() const {
  Bytes out;
  out.put(envelope).put(head).put(content);
  return out.put(static_cast<std::uint64_t>(large)).take();
}

std::optional<MessageLayout> MessageLayout::decode(std::string_view bytes) {
  if (bytes.size() < size) return std::nullopt;
  MessageLayout layout;
  layout.envelope = get<std::uint32_t>(bytes, 0);
  layout.head = get<std::uint32_t>(bytes, 4);
  layout.content = get<std::uint64_t>(bytes, 8);
  layout.large = get<std::uint64_t>(bytes, 16) != 0;
  return layout;
}

}  // namespace mansio::spool
