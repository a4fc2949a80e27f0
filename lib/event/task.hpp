// Task<T>: a coroutine that starts when it is awaited and gives a T. One thread, no locks.
//
// No symmetric transfer: at -O0 and under sanitizers gcc does not make it a tail call, and a loop of awaits that
// are ready at once eats the stack. Instead the awaiter resumes the child itself; a child that finishes while its
// awaiter is still inside await_suspend sets a flag and is not suspended for (test/event/compiler_test.cpp).
//
// What crosses a co_await on gcc 12 must have a constructor and a name: `auto x = ...; co_await f(std::move(x));`.
// Aggregate or lambda temporaries in such an expression are destroyed twice.
#pragma once
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace mansio::event {

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      auto& promise = self.promise();
      if (promise.starting) {
        promise.finished = true;
        return;
      }
      auto continuation = promise.continuation;
      continuation.resume();   // may destroy this frame: touch nothing after it
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }

  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr exception;
  bool starting = false, finished = false;
};

template <class T>
struct Promise : PromiseBase {
  Task<T> get_return_object();
  template <class U = T>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*result);
  }
  std::optional<T> result;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void take() const {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting) const noexcept {
    auto& promise = handle_.promise();
    promise.continuation = awaiting;
    promise.starting = true;
    handle_.resume();
    promise.starting = false;
    return !promise.finished;
  }
  T await_resume() const { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace mansio::event
