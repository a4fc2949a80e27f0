// What the spool reads after a crash: nothing in it is believed, and nothing is found that wasn't written.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "queue/pauses.hpp"
#include "queue/site_file.hpp"
#include "spool/deferred.hpp"
#include "spool/progress.hpp"
#include "spool/scan.hpp"

namespace fuzz {

using namespace mansio;

void queue_id(std::string_view input) {
  auto id = spool::QueueId::parse(input);
  if (!id) return;
  require(input.size() == spool::QueueId::text_size && id->text() == input, "an id has one text");
  require(spool::PackedId(*id, 7).id() == *id && spool::PackedId(*id, 7).mark() == 7, "an id can be packed");
}

void progress(std::string_view input) {
  auto parsed = spool::parse_progress(input, 3);
  if (!parsed) return;
  require(parsed->recipients.size() == 3, "recipients are those of the envelope");
  for (const auto& one : parsed->recipients) require(one.host.size() <= 255 && one.last.code() >= 200 && one.last.code() < 600, "an outcome is bounded");
  std::string text = spool::format_progress(*parsed);
  auto again = spool::parse_progress(text, 3);
  require(again && spool::format_progress(*again) == text, "progress survives");
  for (std::size_t i = 0; i < 3; ++i) require(again->recipients[i].state == parsed->recipients[i].state, "done stays done");
}

void sites(std::string_view input) {
  auto parsed = queue::parse_sites(input);
  require(parsed.sites.size() <= queue::site_file_lines, "sites are bounded");
  for (const auto& site : parsed.sites) require(!site.name.empty() && (site.why.temporary() || site.why.permanent()), "a site is out of reach for a reason");
  std::string text = queue::format_sites(parsed.sites);
  auto again = queue::parse_sites(text);
  require(again.dropped == 0 && queue::format_sites(again.sites) == text, "sites survive");
}

void pauses(std::string_view input) {
  auto parsed = queue::parse_pauses(input);
  require(parsed.pauses.size() <= queue::PauseList::most, "pauses are bounded");
  std::string text = queue::format_pauses(parsed.pauses);
  auto again = queue::parse_pauses(text);
  require(!again.damaged && queue::format_pauses(again.pauses) == text, "pauses survive");
  for (const auto& pause : parsed.pauses) {
    require(queue::pause_by_name(queue::pause_name(pause.what)) == pause.what, "a pause has a name");
    require(!has_control(pause.title()), "a title is one line");
  }
}

namespace {

// Of the fuzzer's octets, taken from the front.
struct Octets {
  std::string_view rest;
  unsigned one() {
    if (rest.empty()) return 0;
    unsigned value = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    return value;
  }
  unsigned two() {
    unsigned high = one();
    return high * 256 + one();
  }
  std::string_view some(std::size_t most) {
    std::string_view out = rest.substr(0, most);
    rest.remove_prefix(out.size());
    return out;
  }
};

struct Written {
  spool::QueueId id;
  spool::RecordType type;
  std::string payload;
};

constexpr std::uint64_t journal_key = 0x1234'5678'9abc'def0;

// A segment of some batches, with what stands in it.
std::string make_segment(Octets& in, std::vector<Written>& written, std::uint32_t& batches, std::vector<std::size_t>& ends) {
  spool::SegmentHeader header;
  header.serial = 7;
  std::string bytes = header.encode();
  require(bytes.size() == spool::segment_header_size, "a header is a sector");
  std::uint32_t count = 1 + in.one() % 4;
  for (batches = 0; batches < count; ++batches) {
    std::string records;
    Checksum sums;
    spool::BatchHeader batch;
    batch.serial = header.serial;
    batch.number = batches + 1;
    batch.records = 1 + in.one() % 3;
    for (std::uint32_t n = 0; n < batch.records; ++n) {
      Written one;
      one.id.seconds = static_cast<std::uint32_t>(written.size() + 1);
      one.type = static_cast<spool::RecordType>(1 + in.one() % 4);
      one.payload = std::string(in.some(in.one() % 64));
      spool::RecordHeader record;
      record.type = one.type;
      record.id = one.id;
      record.length = one.payload.size();
      record.sum = checksum(one.payload, record.seed(header.serial));
      std::string head = record.encode();
      sums.update(head);
      records += head + one.payload + std::string(record.padded() - record.length, '\0');
      written.push_back(std::move(one));
    }
    batch.length = records.size();
    batch.sum = sums.value();
    bytes += batch.encode(journal_key) + records;
    ends.push_back(bytes.size());
  }
  return bytes;
}

int memory_file_of(std::string_view bytes) {
  static const int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
  require(fd >= 0 && ::ftruncate(fd, 0) == 0 && pwrite_all(fd, bytes, 0).has_value(), "a file in memory");
  return fd;
}

}  // namespace

// Octets make a segment, then damage it; the records that are found are among those that were written, each once, and all of
// the batches before the damage.
void journal(std::string_view input) {
  Octets in{input};
  std::vector<Written> written;
  std::vector<std::size_t> ends;
  std::uint32_t batches = 0;
  std::string bytes = make_segment(in, written, batches, ends);
  std::size_t touched = bytes.size(), before = spool::segment_header_size;
  unsigned kind = in.one();
  while (!in.rest.empty()) {
    std::size_t at = before + in.two() % (bytes.size() - before);
    char value = static_cast<char>(in.one());
    if (bytes[at] != value) touched = std::min(touched, at);
    bytes[at] = value;
  }
  if ((kind & 1) != 0) {
    std::size_t size = before + kind / 2 * 7 % (bytes.size() - before);
    bytes.resize(size);
    touched = std::min(touched, size);
  }
  spool::SegmentHeader header;
  header.serial = 7;
  bool known = (kind & 2) != 0;
  std::vector<spool::FoundRecord> found;
  auto report = spool::scan_segment(memory_file_of(bytes), journal_key, header, known ? batches : spool::SegmentHeader::unknown_batches,
                                    [&](spool::FoundRecord&& record) { found.push_back(std::move(record)); });
  require(report.has_value(), "a segment can be read");
  std::uint32_t last = 0;
  for (const auto& record : found) {
    require(record.id.seconds > last && record.id.seconds <= written.size(), "what is found was written, in order");
    last = record.id.seconds;
    const Written& one = written[last - 1];
    require(record.type == one.type && record.length == one.payload.size(), "it is what it was");
    require(bytes.compare(record.payload_offset, record.length, one.payload) == 0, "its payload is as it was");
  }
  std::size_t whole = 0;
  while (whole < ends.size() && ends[whole] <= touched) ++whole;
  require(report->batches >= whole, "what stands before the damage is found");
  if (whole == ends.size()) require(found.size() == written.size() && report->damage.empty(), "a whole segment is found whole");
  else if (known && found.size() < written.size()) require(!report->damage.empty(), "what was durable and can't be read is damage");
}

// Headers of any octets: what is taken is encoded to the same fields.
void journal_headers(std::string_view input) {
  if (auto header = spool::SegmentHeader::decode(input)) {
    auto again = spool::SegmentHeader::decode(header->encode());
    require(again && again->serial == header->serial && again->previous_batches == header->previous_batches, "a segment's header survives");
  }
  if (auto batch = spool::BatchHeader::decode(input, journal_key)) {
    require(input.size() >= spool::BatchHeader::size && batch->encode(journal_key) == input.substr(0, spool::BatchHeader::size), "a batch's header survives");
    require(!spool::BatchHeader::decode(input, journal_key + 1), "and is of one spool");
  }
  if (auto record = spool::RecordHeader::decode(input)) {
    auto again = spool::RecordHeader::decode(record->encode());
    require(again && again->length == record->length && again->id == record->id && again->type == record->type, "a record's header survives");
  }
  if (auto layout = spool::MessageLayout::decode(input)) {
    auto again = spool::MessageLayout::decode(layout->encode());
    require(again && again->envelope == layout->envelope && again->content == layout->content && again->large == layout->large, "a layout survives");
  }
}

namespace {

struct Scratch {
  Scratch() {
    char name[] = "/tmp/mansio-fuzz-XXXXXX";
    require(::mkdtemp(name) != nullptr, "a directory");
    path = name;
  }
  ~Scratch() {
    ::unlink(file.c_str());
    std::string directory = file.substr(0, file.rfind('/'));
    ::rmdir(directory.c_str());
    ::rmdir(path.c_str());
  }
  std::string path, file;
};

const spool::QueueId& letter_id() {
  static const spool::QueueId id = *spool::QueueId::parse("1tBx6K-000001-AA");
  return id;
}

// A file as the spool writes it, once; then its octets are the start of every run.
std::string deferred_sample(Scratch& scratch) {
  mail::Envelope envelope;
  envelope.sender = *mail::Address::parse("a@b.test");
  envelope.recipients.emplace_back(*mail::Address::parse("c@d.test"));
  envelope.recipients.emplace_back(*mail::Address::parse("e@f.test"));
  envelope.helo = "x";
  std::string content = "Subject: x\r\n\r\nbody\r\n";
  spool::Progress progress(2);
  scratch.file = spool::deferred_path(scratch.path, letter_id());
  ::mkdir(scratch.file.substr(0, scratch.file.rfind('/')).c_str(), 0700);
  auto written = spool::write_deferred(scratch.path, letter_id(), envelope, "Received: y\r\n", memory_file_of(content), 0, content.size(), false, progress, false);
  require(written.has_value(), "a file of deferred/ is written");
  auto bytes = read_file(scratch.file, 1 << 20);
  require(bytes.has_value(), "and read");
  return *bytes;
}

}  // namespace

// A message that waits, damaged: it is as it was written, or it is refused. "=" and octets: those are the file. Else each three
// octets are a place and a value, and the last one left over cuts the file.
void deferred(std::string_view input) {
  static Scratch scratch;
  static const std::string whole = deferred_sample(scratch);
  std::string bytes = whole;
  if (input.starts_with('=')) {
    bytes = input.substr(1);
  } else {
    Octets in{input};
    while (in.rest.size() >= 3) {
      std::size_t at = in.two() % bytes.size();
      bytes[at] = static_cast<char>(in.one());
    }
    if (!in.rest.empty()) bytes.resize(bytes.size() - std::min<std::size_t>(bytes.size(), in.one() * 3));
  }
  require(::truncate(scratch.file.c_str(), 0) == 0, "the file is emptied");
  auto file = open_file(scratch.file, O_WRONLY);
  require(file && pwrite_all(file->get(), bytes, 0).has_value(), "the file is written");
  auto read = spool::read_deferred(scratch.path, letter_id());
  auto glance = spool::glance_at_deferred(scratch.path, letter_id());
  if (bytes == whole) require(read.has_value() && glance.has_value(), "a whole file is read");
  if (glance) require(glance->progress.recipients.size() == glance->envelope.recipients.size(), "a glance sees each recipient");
  if (!read) return;
  require(read->progress.recipients.size() == read->envelope.recipients.size(), "each recipient has its progress");
  require(read->content_offset + read->content_length <= bytes.size() || read->large, "the content is in the file");
  require(read->states_end <= bytes.size(), "states end in the file");
  if (input.starts_with('=')) return;
  require(mail::format_envelope(read->envelope) == mail::format_envelope(spool::read_deferred(scratch.path, letter_id())->envelope), "it is read alike twice");
  require(bytes.substr(read->content_offset, read->content_length) == "Subject: x\r\n\r\nbody\r\n", "content is as it was written");
}

}  // namespace fuzz
