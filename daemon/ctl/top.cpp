// mansioctl top: sessions and destinations, live. Escape sequences of any terminal since the VT100, no library; whatever
// ends it, the terminal is as before.
#include "ctl/top.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <ctime>

#include "base/unique_fd.hpp"
#include "ctl/command.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

struct TopArguments {
  double delay = 1;
  std::uint64_t frames = 0;        // 0: until q
  bool once = false;
};

// The terminal as top needs it: keys one by one, and a screen of its own.
class LiveTerminal {
 public:
  LiveTerminal() {
    ::sigemptyset(&set_);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT}) ::sigaddset(&set_, number);
    ::sigprocmask(SIG_BLOCK, &set_, &before_);
    signals_.reset(::signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
    enter();
  }
  ~LiveTerminal() {
    leave();
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  LiveTerminal(const LiveTerminal&) = delete;
  LiveTerminal& operator=(const LiveTerminal&) = delete;

  void enter() {
    if (entered_ || ::tcgetattr(STDIN_FILENO, &saved_) != 0) return;
    termios keys = saved_;
    keys.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));
    keys.c_cc[VMIN] = 0;
    keys.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys);
    fmt::print("\x1b[?1049h\x1b[?25l");      // another screen, no cursor
    std::fflush(stdout);
    entered_ = true;
  }
  void leave() {
    if (!entered_) return;
    fmt::print("\x1b[?25h\x1b[?1049l");
    std::fflush(stdout);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved_);
    entered_ = false;
  }

  static void fit(TopView& view) {
    winsize size{};
    bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    view.width = known ? size.ws_col : 80;
    view.height = known ? size.ws_row : 24;
  }

  static void draw(const std::vector<std::string>& lines) {
    std::string out = "\x1b[H";
    for (std::size_t i = 0; i < lines.size(); ++i) out += (i > 0 ? "\r\n" : "") + lines[i] + "\x1b[K";
    out += "\x1b[J";
    fmt::print("{}", out);
    std::fflush(stdout);
  }

  enum class Came : std::uint8_t { nothing, key, size, end };
  // Waits for a key, a signal or the end of the time.
  Came wait(int milliseconds, char* key) {
    pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    if (::poll(fds, 2, milliseconds) <= 0) return Came::nothing;
    if ((fds[1].revents & POLLIN) != 0) return signal();
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) return Came::nothing;
    return ::read(STDIN_FILENO, key, 1) == 1 ? Came::key : Came::end;      // the terminal has gone
  }

 private:
  Came signal() {
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return Came::nothing;
    if (info.ssi_signo == SIGWINCH) return Came::size;
    if (info.ssi_signo == SIGTSTP) {
      leave();
      ::raise(SIGSTOP);
      enter();
      return Came::size;
    }
    return info.ssi_signo == SIGCONT ? Came::nothing : Came::end;
  }

  sigset_t set_, before_;
  UniqueFd signals_;
  termios saved_{};
  bool entered_ = false;
};

int look_at_daemon(const DaemonLink& link, TopView& view) {
  int status = link.ask({{"command", "status"}}, [&](const Json& answer) {
    view.status = answer;
    return static_cast<int>(done);
  });
  if (status != done) return status;
  std::vector<Json> sessions;
  auto each = [&](const Json& one) {
    sessions.push_back(one);
    return true;
  };
  status = link.ask({{"command", "sessions"}}, each, [](const Json&) { return static_cast<int>(done); });
  view.sessions = std::move(sessions);
  return status;
}

// Without a terminal: frames one after the other.
int print_frames(const Invocation& invocation, const TopArguments& arguments) {
  DaemonLink link(invocation);
  std::uint64_t frames = arguments.frames > 0 && !arguments.once ? arguments.frames : 1;
  for (std::uint64_t i = 0; i < frames; ++i) {
    if (i > 0) ::usleep(static_cast<useconds_t>(arguments.delay * 1e6));
    TopView view;
    int status = look_at_daemon(link, view);
    if (status != done) return status;
    view.status.erase("end");
    if (invocation.json) {
      print_json({{"status", view.status}, {"sessions", view.sessions}});
      continue;
    }
    for (const std::string& line : top_lines(view, std::time(nullptr))) fmt::print("{}\n", line);
    if (i + 1 < frames) fmt::print("\n");
    std::fflush(stdout);
  }
  return done;
}

// False: the end.
bool handle_key(char key, TopView& view) {
  if (key == 's') view.order = next_order(view.order);
  if (key == 'p') view.held = !view.held;
  return key != 'q' && key != 'Q';
}

int run_live(const Invocation& invocation, const TopArguments& arguments) {
  DaemonLink link(invocation);
  TopView view;
  int status = look_at_daemon(link, view);       // what is wrong is said on the screen of before
  if (status != done) return status;
  LiveTerminal terminal;
  using Clock = std::chrono::steady_clock;
  auto step = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(arguments.delay));
  auto next = Clock::now() + step;
  for (std::uint64_t frame = 1;;) {
    LiveTerminal::fit(view);
    LiveTerminal::draw(top_lines(view, std::time(nullptr)));
    char key = 0;
    auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
    auto came = terminal.wait(static_cast<int>(std::max<std::int64_t>(left, 0)), &key);
    if (came == LiveTerminal::Came::end || (came == LiveTerminal::Came::key && !handle_key(key, view))) return done;
    if (Clock::now() < next) continue;
    next = Clock::now() + step;
    if (arguments.frames > 0 && frame++ >= arguments.frames) return done;
    if (view.held) continue;
    status = look_at_daemon(link, view);
    if (status == done) continue;
    terminal.leave();
    return look_at_daemon(link, view);           // once more, where its words are seen
  }
}

int top(const Invocation& invocation, const TopArguments& arguments) {
  if (arguments.delay < 0.1 || arguments.delay > 3600) return complain(invocation, usage, "--delay takes seconds, 0.1 to 3600");
  bool live = !invocation.json && !arguments.once && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  return live ? run_live(invocation, arguments) : print_frames(invocation, arguments);
}

}  // namespace

void add_top(CLI::App& app, Invocation& invocation) {
  static TopArguments arguments;
  auto* verb = app.add_subcommand("top", "sessions and destinations, live; q ends it, s sorts, p holds");
  verb->add_option("-d,--delay", arguments.delay, "seconds between two frames")->capture_default_str();
  verb->add_option("-n,--frames", arguments.frames, "end after so many frames");
  verb->add_flag("--once", arguments.once, "print one frame, as without a terminal");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return top(invocation, arguments); }; });
}

}  // namespace mansio::ctl
