// Process: a child started without a shell; its end is awaited. Standard streams are descriptors of the caller's.
#pragma once
#include <coroutine>
#include <memory>
#include <string>
#include <vector>

#include "event/loop.hpp"

namespace mansio::event {

class Process {
 public:
  struct Exit {
    int status = 0;    // exit status, when signal is 0
    int signal = 0;
  };

  // arguments[0] is the program's path; `environment` is the whole of it ("NAME=value"); -1 for a stream is /dev/null.
  static Result<Process> start(Loop& loop, const std::vector<std::string>& arguments,
                               const std::vector<std::string>& environment, int input, int output, int error);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();   // a child still running goes on, and is reaped by the loop

  int pid() const noexcept;
  void kill(int signal) noexcept;

  struct Box;
  struct Awaiter {
    Box* box;
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<> waiting) noexcept;
    Exit await_resume() const noexcept;
  };
  Awaiter wait() noexcept { return Awaiter{box_}; }

 private:
  explicit Process(Box* box) noexcept : box_(box) {}
  Box* box_;
};

}  // namespace mansio::event
