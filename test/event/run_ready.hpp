// Runs a task whose awaits are all ready at once: one resume takes it to its end, no loop is needed.
#pragma once
#include <catch2/catch.hpp>

#include <coroutine>
#include <optional>
#include <utility>

#include "event/task.hpp"

namespace mansio::event {

template <class T>
Task<> keep_result(Task<T> task, std::optional<T>* out) {
  out->emplace(co_await task);
}

template <class T>
T run_ready(Task<T> task) {
  std::optional<T> out;
  auto keeper = keep_result(std::move(task), &out);
  REQUIRE_FALSE(keeper.await_suspend(std::noop_coroutine()));
  return std::move(*out);
}

}  // namespace mansio::event
