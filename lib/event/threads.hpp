// Threads: a pool of its own for work that may wait for a disk. Each kind of work has its own pool, so that a stuck
// fsync delays what waits for that disk and nothing else (D-081); libuv's pool is not used.
#pragma once
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "event/loop.hpp"

struct uv_async_s;

namespace mansio::event {

class Threads {
 public:
  // `name` (15 bytes at most) is the threads' name in ps and gdb.
  Threads(Loop& loop, std::string name, unsigned count);
  ~Threads();   // nothing may be under way
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  struct Job {
    virtual void work() noexcept = 0;   // on a thread
    std::coroutine_handle<> waiting;
   protected:
    ~Job() = default;
  };

  template <class F>
  class Awaiter final : public Job {
   public:
    using R = std::invoke_result_t<F&>;
    Awaiter(Threads& threads, F& function) noexcept : threads_(threads), function_(function) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      waiting = handle;
      threads_.submit(this);
    }
    R await_resume() {
      if (exception_) std::rethrow_exception(exception_);
      return std::move(*result_);
    }
    void work() noexcept override {
      try {
        result_.emplace(function_());
      } catch (...) {
        exception_ = std::current_exception();
      }
    }

   private:
    Threads& threads_;
    F& function_;
    std::optional<R> result_;
    std::exception_ptr exception_;
  };

  // co_await threads.run(f): calls f() on a thread and gives what it returns (not void). `f` is a named object of the
  // caller: a temporary lambda in the await expression would be destroyed twice, so it isn't accepted.
  template <class F>
  Awaiter<F> run(F& f) noexcept { return Awaiter<F>(*this, f); }

  void submit(Job* job);

 private:
  void serve();
  void collect();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job*> queue_;
  std::vector<Job*> done_;
  std::vector<std::thread> threads_;
  uv_async_s* async_;
  std::size_t under_way_ = 0;   // loop thread only: keeps the loop alive while there is work
  bool stopping_ = false;
};

}  // namespace mansio::event
