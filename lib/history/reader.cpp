#include "history/reader.hpp"

#include <array>

#include "base/file.hpp"
#include "base/text.hpp"
#include "history/line_source.hpp"
#include "history/log_files.hpp"

namespace mansio::history {
namespace {

// Lines of several processes stand a little out of order, and a clock that is set may go back.
constexpr std::chrono::seconds disorder{60};

// Is `id` in it as a word of its own?
bool mentions(std::string_view line, const std::string& id) {
  for (auto at = line.find(id); at != std::string_view::npos; at = line.find(id, at + 1)) {
    bool before = at > 0 && (is_alnum(line[at - 1]) || line[at - 1] == '-');
    bool after = at + id.size() < line.size() && (is_alnum(line[at + id.size()]) || line[at + id.size()] == '-');
    if (!before && !after) return true;
  }
  return false;
}

// An offset before which no line is as young as `since`: by bisection, as lines are about in order.
std::uint64_t begin_of(const LogFile& file, Time since) {
  std::uint64_t low = 0, high = file.size;
  LineParser parser;
  std::array<char, 65536> buffer{};
  while (high - low > 4 * buffer.size()) {
    std::uint64_t middle = low + (high - low) / 2;
    if (!pread_all(file.fd.get(), buffer.data(), buffer.size(), middle)) return low;
    std::string_view text(buffer.data(), buffer.size());
    std::optional<Time> time;
    for (auto end = text.find('\n'); end != std::string_view::npos && !time; end = text.find('\n')) {
      text.remove_prefix(end + 1);
      time = parser.time_of(text.substr(0, text.find('\n')));
    }
    if (!time || *time >= since - disorder) high = middle;
    else low = middle;
  }
  return low;
}

class Walker {
 public:
  Walker(const Query& query, const EachLine& each, Walk& walk) : query_(query), each_(each), walk_(walk) {}

  // False: no more of this file, or of any when enough() is true.
  bool take(std::string_view line) {
    if (line.starts_with("  ") && pending_) {
      if (!add_detail(std::get<log::Rejection>(pending_->event), line)) ++walk_.unknown;
      return true;
    }
    if (line.starts_with("  ") && query_.newest_first) return true;
    if (!flush()) return false;
    auto time = parser_.time_of(line);
    if (!time) {
      if (!line.empty()) ++walk_.unknown;
      return true;
    }
    if (query_.since && *time < *query_.since) return !query_.newest_first || *time >= *query_.since - disorder;
    if (query_.until && *time >= *query_.until) return query_.newest_first || *time < *query_.until + disorder;
    if (!query_.id.empty() && !mentions(line, query_.id)) return true;
    auto record = parser_.parse(line);
    if (!record) {
      ++walk_.unknown;
      return true;
    }
    if (!std::holds_alternative<log::Rejection>(record->event) || query_.newest_first) return give(line, *record);
    pending_ = std::move(record);                     // its indented lines may follow
    pending_text_ = line;
    return true;
  }

  // What waits for its indented lines.
  bool flush() {
    if (!pending_) return true;
    Record record = std::move(*pending_);
    pending_.reset();
    return give(pending_text_, record);
  }
  bool enough() const noexcept { return enough_; }

 private:
  bool give(std::string_view line, const Record& record) {
    ++walk_.lines;
    enough_ = !each_(line, record);
    return !enough_;
  }

  const Query& query_;
  const EachLine& each_;
  Walk& walk_;
  LineParser parser_;
  std::optional<Record> pending_;
  std::string pending_text_;
  bool enough_ = false;
};

// False: enough.
bool read_file(const LogFile& file, const Query& query, Walker& walker, Walk& walk) {
  walk.files.push_back(file.path);
  std::unique_ptr<Lines> lines;
  if (query.newest_first) {
    auto opened = backward_lines(file, query.id);
    if (!opened) {
      walk.problems.push_back(file.path + ": " + opened.error().text());
      return true;
    }
    lines = std::move(*opened);
  } else {
    std::uint64_t from = query.since && !file.compressed ? begin_of(file, *query.since) : 0;
    lines = forward_lines(file, from, query.id);
  }
  std::string_view line;
  while (lines->next(line) && walker.take(line)) {}
  if (!walker.enough()) walker.flush();
  if (!lines->problem.empty()) walk.problems.push_back(lines->problem);
  walk.unknown += lines->too_long;
  return !walker.enough();
}

}  // namespace

Result<Walk> read(const Query& query, const EachLine& each) {
  auto opened = query.files.empty() ? open_logs(query.directory, query.log) : Result<LogFiles>(open_logs(query.files));
  if (!opened) return std::unexpected(opened.error());
  Walk walk;
  walk.problems = std::move(opened->problems);
  if (opened->files.empty() && !walk.problems.empty()) return fail(Fault::not_found, walk.problems.front());
  Walker walker(query, each, walk);
  const auto& files = opened->files;
  for (std::size_t n = 0; n < files.size(); ++n) {
    std::size_t i = query.newest_first ? files.size() - 1 - n : n;
    bool too_old = query.since && i + 1 < files.size() && files[i + 1].first + disorder < *query.since;
    bool too_young = query.until && files[i].first >= *query.until + disorder;
    if (too_old || too_young) continue;
    if (!read_file(files[i], query, walker, walk)) break;
  }
  return walk;
}

}  // namespace mansio::history
