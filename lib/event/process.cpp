#include "event/process.hpp"

#include <uv.h>

#include <utility>

namespace mansio::event {

struct Process::Box {
  uv_process_t handle;
  std::coroutine_handle<> waiting;
  Exit exit;
  bool ended = false, abandoned = false;

  static void close(Box* box) {
    uv_close(reinterpret_cast<uv_handle_t*>(&box->handle), [](uv_handle_t* h) { delete static_cast<Box*>(h->data); });
  }
};

Result<Process> Process::start(Loop& loop, const std::vector<std::string>& arguments,
                               const std::vector<std::string>& environment, int input, int output, int error) {
  auto* box = new Box;
  std::vector<char*> argv, envp;
  for (auto& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
  for (auto& word : environment) envp.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  uv_stdio_container_t streams[3];
  int fds[3] = {input, output, error};
  for (int i = 0; i < 3; ++i) {
    streams[i].flags = fds[i] < 0 ? UV_IGNORE : UV_INHERIT_FD;
    streams[i].data.fd = fds[i];
  }
  uv_process_options_t options{};
  options.file = argv[0];
  options.args = argv.data();
  options.env = envp.data();
  options.cwd = "/";
  options.stdio = streams;
  options.stdio_count = 3;
  options.exit_cb = [](uv_process_t* h, std::int64_t status, int signal) {
    auto* self = static_cast<Box*>(h->data);
    self->exit = Exit{static_cast<int>(status), signal};
    self->ended = true;
    if (self->abandoned) Box::close(self);
    else if (self->waiting) std::exchange(self->waiting, {}).resume();
  };
  box->handle.data = box;
  int failed = uv_spawn(loop.raw(), &box->handle, &options);
  box->handle.data = box;
  if (failed != 0) {
    Box::close(box);
    return std::unexpected(Error::from_errno(-failed, "start " + arguments[0]));
  }
  return Process(box);
}

Process::Process(Process&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
Process& Process::operator=(Process&& other) noexcept {
  std::swap(box_, other.box_);
  return *this;
}
Process::~Process() {
  if (box_ == nullptr) return;
  if (box_->ended) Box::close(box_);
  else box_->abandoned = true;
}

int Process::pid() const noexcept { return box_->handle.pid; }
void Process::kill(int signal) noexcept {
  if (!box_->ended) uv_process_kill(&box_->handle, signal);
}
bool Process::Awaiter::await_ready() const noexcept { return box->ended; }
void Process::Awaiter::await_suspend(std::coroutine_handle<> handle) noexcept { box->waiting = handle; }
Process::Exit Process::Awaiter::await_resume() const noexcept { return box->exit; }

}  // namespace mansio::event
