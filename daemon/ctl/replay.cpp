#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/unix_time.hpp"
#include "config/instance.hpp"
#include "config/reader.hpp"
#include "ctl/command.hpp"
#include "ctl/page.hpp"
#include "ctl/screen.hpp"
#include "ctl/system_users.hpp"
#include "event/interfaces.hpp"
#include "history/reader.hpp"
#include "identity.hpp"
#include "replay/comparison.hpp"

namespace mansio::ctl {
namespace {

struct ReplayArguments {
  std::string given, named;            // the new configuration, as a word or with --new
  std::vector<std::string> logs;
  std::uint32_t days = 7;
  std::size_t examples = 5;
};

// A configuration with the files it names.
struct Side {
  config::ConfigPtr config;
  std::optional<replay::Judge> judge;
};

// Null: it was complained of.
config::ConfigPtr load_side(const Invocation& invocation, const std::string& file) {
  auto loaded = config::load(file);
  if (loaded) return *loaded;
  for (const config::Problem& problem : loaded.error()) complain(invocation, Exit::config, problem.message());
  return nullptr;
}

// As the daemon does it (mail_process.cpp).
void make_judge(Side& side, route::UserDirectory& users) {
  auto service = daemon::find_service_user(*side.config);
  bool switches = service && service->switches;
  route::TableOptions table_options;
  table_options.trusted_owner = switches ? 0 : ::getuid();
  route::RouterOptions options;
  options.own_addresses = event::interface_addresses();
  if (service) {
    options.service_uid = service->uid;
    options.service_gid = service->gid;
    options.service_user = service->name;
  }
  if (service && !switches) {
    options.alias_uid = service->uid;
    options.alias_gid = service->gid;
  }
  auto tables = route::load_tables(side.config, table_options);
  for (const std::string& problem : tables->problems) fmt::print(stderr, "mansioctl: {}\n", show(problem));
  side.judge.emplace(std::move(tables), users, std::move(options));
}

class ReplayProgress {
 public:
  void count(std::uint64_t envelopes) {
    if (!shown_ || envelopes % 1000 != 0) return;
    fmt::print(stderr, "\r{} envelopes", envelopes);
    dirty_ = true;
  }
  void end() {
    if (dirty_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  bool shown_ = ::isatty(STDERR_FILENO) != 0;
  bool dirty_ = false;
};

Result<history::Walk> walk_logs(const ReplayArguments& arguments, const config::Config& config, replay::Comparison& comparison) {
  history::Query query;
  query.directory = config.log_directory;
  query.files = arguments.logs;
  if (arguments.logs.empty()) query.since = std::chrono::system_clock::now() - std::chrono::days(arguments.days);
  ReplayProgress progress;
  auto walk = history::read(query, [&](std::string_view, const history::Record& record) {
    if (auto envelope = replay::envelope_of(record)) {
      comparison.add(*envelope);
      progress.count(comparison.envelopes());
    }
    return true;
  });
  progress.end();
  return walk;
}

nlohmann::json tally_object(replay::Change change, const replay::Tally& tally) {
  nlohmann::json out;
  out["change"] = replay::word_of(change);
  out["recipients"] = tally.recipients;
  out["different"] = tally.addresses;
  out["examples"] = nlohmann::json::array();
  for (const replay::Example& one : tally.examples) {
    nlohmann::json example;
    example["time"] = unix_seconds(one.time);
    example["client"] = one.client;
    example["login"] = one.login;
    example["sender"] = one.sender;
    example["recipient"] = one.recipient;
    example["before"] = one.before;
    example["after"] = one.after;
    out["examples"].push_back(std::move(example));
  }
  return out;
}

void show_tally(replay::Change change, const replay::Tally& tally, Page& page) {
  bool worse = change == replay::Change::refused;
  page.blank();
  page.line("", "  ", fmt::format("{} {} {}{}", dress(std::to_string(tally.recipients), Look::bold), tally.recipients == 1 ? "was" : "were",
                                  dress(replay::describe(change), worse ? Look::bad : Look::warning),
                                  tally.addresses < tally.recipients ? fmt::format(" ({} different)", tally.addresses) : ""));
  for (const replay::Example& one : tally.examples) {
    std::string from = one.sender.empty() ? "<>" : one.sender, client = one.client.empty() ? "this machine" : one.client;
    auto time = unix_seconds(one.time);
    page.line("  ", "    ", fmt::format("{} from {} at {}{} to {}", dress(time_text(time), Look::dim), show(from), show(client),
                                        one.login.empty() ? "" : " as " + show(one.login), show(one.recipient, Look::bold)));
    page.line("    before  ", "            ", show(one.before));
    page.line("    after   ", "            ", show(one.after));
  }
  if (tally.addresses > tally.examples.size()) page.line("  ", "  ", fmt::format("... and {} more", tally.addresses - tally.examples.size()));
}

int tell(const Invocation& invocation, const replay::Comparison& comparison, const std::string& file) {
  Page page(screen_width());
  std::string what = fmt::format("{} of {} recipients in {} envelopes", comparison.changed(), comparison.recipients(), comparison.envelopes());
  page.line("", "", comparison.changed() == 0 ? fmt::format("Nothing changes: {} would be treated otherwise by {}.", what, show(file))
                                              : fmt::format("{} would be treated otherwise by {}.", dress(what, Look::bold), show(file)));
  for (std::size_t i = 0; i < replay::changes_count; ++i) {
    const replay::Tally& tally = comparison.tallies()[i];
    if (tally.recipients == 0) continue;
    if (invocation.json) print_json(tally_object(static_cast<replay::Change>(i), tally));
    else show_tally(static_cast<replay::Change>(i), tally, page);
  }
  if (invocation.json) {
    print_json({{"end", true}, {"envelopes", comparison.envelopes()}, {"recipients", comparison.recipients()}, {"changed", comparison.changed()}});
  } else {
    fmt::print("{}", page.text());
  }
  return comparison.changed() == 0 ? done : failed;
}

int run_replay(const Invocation& invocation, const ReplayArguments& arguments) {
  // "replay --config NEW" is what the present one is called everywhere else; with no other word it is the new one, held
  // against the default.
  std::string present = invocation.config_file, fresh = !arguments.named.empty() ? arguments.named : arguments.given;
  if (fresh.empty()) {
    fresh = present;
    present = config::config_file_of(invocation.instance);
    if (fresh == present) return complain(invocation, usage, "say the new configuration: mansioctl replay FILE");
  }
  Side before, after;
  before.config = load_side(invocation, present);
  after.config = before.config ? load_side(invocation, fresh) : nullptr;
  if (!after.config) return Exit::config;
  SystemUsers users;
  make_judge(before, users);
  make_judge(after, users);
  replay::Comparison comparison(*before.judge, *after.judge, arguments.examples);
  auto walk = walk_logs(arguments, *before.config, comparison);
  if (!walk) {
    bool not_permitted = walk.error().fault() == Fault::denied || walk.error().sys() == EACCES;
    return complain(invocation, not_permitted ? denied : io, walk.error().text());
  }
  for (const std::string& problem : walk->problems) fmt::print(stderr, "mansioctl: {}\n", show(problem));
  return tell(invocation, comparison, after.config->file);
}

}  // namespace

void add_replay(CLI::App& app, Invocation& invocation) {
  static ReplayArguments arguments;
  auto* verb = app.add_subcommand("replay", "run the envelopes of the last days against a new configuration, and show what would change");
  auto* given = verb->add_option("file", arguments.given, "the new configuration; its conf.d/ counts too");
  verb->add_option("--new", arguments.named, "the same")->excludes(given);
  auto* days = verb->add_option("--days", arguments.days, "of the last so many days")->capture_default_str()->check(CLI::Range(1, 3650));
  verb->add_option("--log", arguments.logs, "of just these logs, .gz or not")->excludes(days);
  verb->add_option("--examples", arguments.examples, "of each kind of change so many are shown")->capture_default_str()->check(CLI::Range(0, 100000));
  verb->callback([&invocation] {
    invocation.chosen = [&invocation] { return run_replay(invocation, arguments); };
  });
}

}  // namespace mansio::ctl
