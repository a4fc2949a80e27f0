// mansioctl report: what the logs say, as text, JSON or a page of HTML. Reads the files; the daemon need not run.
#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/reader.hpp"
#include "ctl/command.hpp"
#include "ctl/screen.hpp"
#include "history/reader.hpp"
#include "report/report.hpp"

namespace mansio::ctl {
namespace {

struct ReportArguments {
  std::string since, until, html;
  std::vector<std::string> files;
  std::size_t tops = 10;
};

struct Wanted {
  history::Query query;
  std::string host;
  Time now{};
};

// What to read; `exit` other than done: it was complained of.
Exit prepare(const Invocation& invocation, const ReportArguments& arguments, Wanted& wanted) {
  wanted.now = std::chrono::system_clock::now();
  for (auto [text, into] : {std::pair{&arguments.since, &wanted.query.since}, {&arguments.until, &wanted.query.until}}) {
    if (text->empty()) continue;
    auto when = history::parse_when(*text, wanted.now);
    if (!when) return static_cast<Exit>(complain(invocation, usage, when.error().text()));
    *into = *when;
  }
  if (wanted.query.since && wanted.query.until && *wanted.query.since >= *wanted.query.until) {
    return static_cast<Exit>(complain(invocation, usage, "--since is not before --until"));
  }
  wanted.query.files = arguments.files;
  auto sources = config::read_sources(invocation.config_file);
  auto parsed = sources ? config::parse(*sources, config::machine_facts(*sources)) : std::unexpected(sources.error());
  if (parsed) {
    wanted.query.directory = (*parsed)->log_directory;
    wanted.host = (*parsed)->host_name;
  } else if (arguments.files.empty()) {
    return static_cast<Exit>(complain(invocation, config, parsed.error().front().message() + " (or name the logs with --log)"));
  }
  if (!arguments.files.empty()) wanted.host.clear();           // whose they are, nobody said
  return done;
}

Exit exit_for(const Error& error) {
  if (error.sys() == EACCES || error.sys() == EPERM) return denied;
  return error.fault() == Fault::not_found || error.sys() == ENOENT ? failed : io;
}

int give_out(const Invocation& invocation, const ReportArguments& arguments, const report::Report& report) {
  if (!arguments.html.empty()) {
    std::string page = report::to_html(report);
    if (arguments.html == "-") {
      fmt::print("{}", page);
      return done;
    }
    // Addresses of people: not for everybody to read, unless the file is there and its mode says so.
    auto fd = open_file(arguments.html, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    auto written = fd ? write_all(fd->get(), page) : Result<>(std::unexpected(fd.error()));
    if (!written) return complain(invocation, exit_for(written.error()) == denied ? denied : io, written.error().text());
    if (!invocation.json) fmt::print("{}: {} log lines from {} files\n", show(arguments.html), report.lines, arguments.files.empty() ? "the log directory's" : "the named");
  }
  if (invocation.json) fmt::print("{}\n", report::to_json(report));
  else if (arguments.html.empty()) fmt::print("{}", report::to_text(report, static_cast<std::size_t>(screen_width()), has_colours()));
  return done;
}

int run(const Invocation& invocation, const ReportArguments& arguments) {
  Wanted wanted;
  if (Exit status = prepare(invocation, arguments, wanted); status != done) return status;
  report::Statistics statistics;
  auto walk = history::read(wanted.query, [&](std::string_view, const history::Record& record) {
    statistics.add(record);
    return true;
  });
  if (!walk) return complain(invocation, exit_for(walk.error()), walk.error().text());
  if (walk->lines == 0) {
    for (const std::string& problem : walk->problems) complain(invocation, failed, problem);
    return complain(invocation, failed, "the logs have no line of this time");
  }
  report::Report report = statistics.finish(wanted.query.since.value_or(Time{}), wanted.query.until.value_or(wanted.query.since ? wanted.now : Time{}), 66, arguments.tops);
  report.host = wanted.host;
  report.made = wanted.now;
  report.problems = walk->problems;
  return give_out(invocation, arguments, report);
}

}  // namespace

void add_report(CLI::App& app, Invocation& invocation) {
  static ReportArguments arguments;
  auto* verb = app.add_subcommand("report", "what the logs say: volumes, delays, refusals, times, the most frequent");
  verb->add_option("--since", arguments.since, "from then on: \"1d\" (ago), \"2026-11-20\", \"2026-11-20 14:30\", \"yesterday\"");
  verb->add_option("--until", arguments.until, "before then");
  verb->add_option("--log", arguments.files, "read these files, .gz or not, instead of the log directory's")->type_name("FILE");
  verb->add_option("--html", arguments.html, "write a page of HTML to this file; \"-\" is standard output")->type_name("FILE");
  verb->add_option("--top", arguments.tops, "how many names a list has")->capture_default_str()->check(CLI::Range(1, 1000));
  verb->callback([&invocation] {
    invocation.chosen = [&invocation] { return run(invocation, arguments); };
  });
}

}  // namespace mansio::ctl
