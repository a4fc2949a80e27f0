#include "log/writer.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "log/json.hpp"

namespace mansio::log {

Writer::Writer(const LoggerOptions& options)
    : options_(options),
      journal_active_(options.journal && stderr_is_journal()),
      main_(open_channel("mainlog")),
      reject_(open_channel("rejectlog")),
      panic_(open_channel("paniclog")),
      w3c_format_(options.w3c_fields),
      journal_(options.journal_socket),
      syslog_(options.syslog_socket) {
  if (options.w3c && !options.directory.empty()) w3c_ = std::make_unique<Output>(Output{LogFile(options.directory + "/w3clog", false, "#Remark: "), {}});
}

Writer::Channel Writer::open_channel(const std::string& name) const {
  Channel channel;
  if (options_.directory.empty()) return channel;
  std::string path = options_.directory + "/" + name;
  bool both = options_.format == Format::both;
  auto make = [](std::string file, bool json) { return std::make_unique<Output>(Output{LogFile(std::move(file), json), {}}); };
  if (options_.format != Format::json) channel.text = make(path, false);
  if (options_.format != Format::text) channel.json = make(both ? path + ".json" : path, true);
  return channel;
}

void Writer::add(const Entry& entry) {
  const Event& event = entry.event;
  std::string line = format_line(event);
  const auto* rejection = std::get_if<Rejection>(&event);
  const auto* notice = std::get_if<Notice>(&event);
  bool panic = notice && notice->panic;

  std::string text = fmt::format("{} {}\n", stamp_.text(entry.time), line);
  if (main_.text) main_.text->lines += text;
  if (reject_.text && rejection) reject_.text->lines += text + format_reject_details(*rejection);
  if (panic_.text && panic) panic_.text->lines += text;
  if (main_.json) {
    std::string json = format_json(event, entry.time) + '\n';
    main_.json->lines += json;
    if (rejection) reject_.json->lines += format_json(event, entry.time, true) + '\n';
    if (panic) panic_.json->lines += json;
  }
  if (journal_active_) journal_.send(journal_entry(event, line, options_.program));
  else if (options_.copy_to_stderr || options_.directory.empty()) copy_ += text;
}

void Writer::add(const Exchange& exchange) {
  if (!w3c_) return;
  if (header_due_) w3c_->lines += w3c_format_.header(exchange.time);
  header_due_ = false;
  w3c_->lines += w3c_format_.line(exchange);
}

void Writer::commit(Time now) {
  if (!copy_.empty()) write_stderr(copy_);
  copy_.clear();
  for (Channel* channel : {&main_, &reject_, &panic_}) {
    if (channel->text) write(*channel->text, true, now);
    if (channel->json) write(*channel->json, channel->text == nullptr, now);
  }
  if (w3c_) write(*w3c_, false, now);
  report(now);
}

void Writer::write(Output& output, bool is_first_copy, Time now) {
  std::string_view rest = output.file.write(output.lines, now);
  // Reject and panic lines are in the main log as well: only what the main log lacks is shown elsewhere.
  bool is_main = &output == main_.text.get() || &output == main_.json.get();
  if (is_first_copy && is_main) fall_back(rest);
  output.lines.clear();
}

void Writer::fall_back(std::string_view lines) {
  if (lines.empty() || journal_active_ || options_.copy_to_stderr) return;   // they are there already
  write_stderr(lines);
  for (std::string_view line : split(lines, '\n')) {
    if (!line.empty() && !syslog_.send(syslog_entry(line, false, options_.program))) return;
  }
}

// Outages that have ended are told in the panic log.
void Writer::report(Time now) {
  std::string text;
  for (Output* output : outputs()) {
    std::string ended = output->file.take_report();
    bool is_panic = output == panic_.text.get() || output == panic_.json.get();   // has the line already
    if (!ended.empty() && !is_panic) text += (text.empty() ? "" : "; ") + ended;
  }
  if (text.empty()) return;
  Event event = Notice{"", std::move(text), true};
  if (panic_.text) fall_back(panic_.text->file.write(format_text(event, now) + '\n', now));
  if (panic_.json) panic_.json->file.write(format_json(event, now) + '\n', now);
}

void Writer::reopen() {
  for (Output* output : outputs()) output->file.reopen();
  header_due_ = true;
}

void Writer::retry(Time now) {
  for (Output* output : outputs()) output->file.retry(now, options_.retry_interval);
  report(now);
}

bool Writer::in_outage() const {
  for (Output* output : outputs()) {
    if (output->file.in_outage()) return true;
  }
  return false;
}

std::vector<Writer::Output*> Writer::outputs() const {
  std::vector<Output*> all;
  for (const Channel* channel : {&main_, &reject_, &panic_}) {
    if (channel->text) all.push_back(channel->text.get());
    if (channel->json) all.push_back(channel->json.get());
  }
  if (w3c_) all.push_back(w3c_.get());
  return all;
}

}  // namespace mansio::log
