// What processes of ours say to each other, and what an agent finds in a mailbox.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"
#include "deliver/content.hpp"
#include "deliver/job.hpp"
#include "deliver/mbox_writer.hpp"
#include "deliver/packet.hpp"
#include "fuzz/targets.hpp"
#include "memory_file.hpp"

namespace fuzz {

using namespace mansio;

void job(std::string_view input) {
  if (auto parsed = deliver::decode_job(input)) {
    require(input.size() <= deliver::max_packet && parsed->prefix.size() <= deliver::max_prefix, "a job is bounded");
    auto packet = deliver::encode_job(*parsed);
    require(packet.has_value(), "a job that was read can be written");
    auto again = deliver::decode_job(*packet);
    require(again && deliver::encode_job(*again) == *packet, "and is then the same");
    require(parsed->path.find('\0') == std::string::npos && parsed->user.find('\0') == std::string::npos, "names hold no NUL");
  }
  if (auto parsed = deliver::decode_answer(input)) {
    auto packet = deliver::encode_answer(*parsed);
    require(packet.has_value(), "an answer that was read can be written");
    auto again = deliver::decode_answer(*packet);
    require(again && deliver::encode_answer(*again) == *packet, "and is then the same");
    require(again->status.code() == parsed->status.code() && again->status.text() == parsed->status.text(), "what it says stays");
  }
  if (deliver::is_message_name(input)) {
    require(!input.empty() && input.size() <= 200 && input[0] != '.', "a file's name is bounded and shown");
    require(input.find_first_of("/:") == std::string_view::npos && !has_control(input), "a file's name is plain");
  }
}

// A job whose texts are the fuzzer's.
void job_texts(std::string_view input) {
  deliver::Job job;
  job.serial = input.size();
  job.kind = deliver::JobKind::pipe;
  job.user = job.home = job.sender = job.prefix = input;
  job.command = {"/bin/cat", std::string(input)};
  job.environment = {"A=" + std::string(input)};
  auto packet = deliver::encode_job(job);
  if (!packet) return;
  auto back = deliver::decode_job(*packet);
  if (!back) return;
  require(back->prefix == input && back->user == job.user && back->command == job.command && back->environment == job.environment, "texts survive");
}

void mailbox(std::string_view input) {
  if (auto mark = deliver::parse_mark(input)) require(deliver::format_mark(*mark) == input, "a mark has one form");
  std::string data(input), plain;
  data.resize(deliver::crlf_to_lf(data.data(), data.size()));
  for (std::size_t i = 0; i < input.size(); ++i) {
    if (input[i] != '\r' || i + 1 == input.size() || input[i + 1] != '\n') plain += input[i];
  }
  require(data == plain, "CRLF becomes LF, and nothing else changes");
  std::string whole, cut;
  deliver::FromQuoting one, many;
  one.add(input, whole);
  one.finish(whole);
  for (char c : input) many.add(std::string_view(&c, 1), cut);
  many.finish(cut);
  require(whole == cut, "cuts change nothing");
  require(whole.ends_with("\n\n") || input.empty(), "a message ends in a blank line");
  std::string back;
  for (auto line : split(std::string_view(whole).substr(0, whole.size() - (input.empty() ? 0 : 1)), '\n')) {
    auto quotes = std::min(line.find_first_not_of('>'), line.size());
    bool quoted = quotes > 0 && line.substr(quotes).starts_with("From ");
    require(!line.starts_with("From "), "no line looks like the next message");
    back += std::string(quoted ? line.substr(1) : line) + "\n";
  }
  require(back.starts_with(input), "quotes can be taken off");
}

// Texts from parent to mail process.
void memory_file(std::string_view input) {
  static const int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
  require(::ftruncate(fd, 0) == 0 && pwrite_all(fd, input, 0).has_value(), "a file in memory");
  auto read = daemon::read_memory_file(fd, "fuzz");
  if (read) {
    std::size_t sum = 0;
    for (const auto& text : *read) sum += text.size();
    require(sum <= input.size(), "texts are within the file");
  }
  auto parts = split(input, ',');
  auto written = daemon::write_memory_file("fuzz", parts);
  require(written.has_value(), "texts are written");
  auto back = daemon::read_memory_file(written->get(), "fuzz");
  require(back && std::ranges::equal(*back, parts), "and read to the same");
}

void packet(std::string_view input) {
  deliver::PacketReader reader(input);
  std::size_t taken = 0;
  for (std::size_t step = 0; !reader.failed() && !reader.done() && step < 200; ++step) {
    switch (step % 4) {
      case 0: reader.number(1 + static_cast<int>(step % 8)); break;
      case 1: taken += reader.text(1000).size(); break;
      case 2: for (const auto& text : reader.texts(5, 100)) taken += text.size(); break;
      default: reader.flag(); break;
    }
  }
  require(taken <= input.size(), "no more comes out than went in");
}

}  // namespace fuzz
