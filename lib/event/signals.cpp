#include "event/signals.hpp"

#include <uv.h>

#include <csignal>

namespace mansio::event {

Signals::Signals(Loop& loop, std::initializer_list<int> numbers, std::function<void(int)> handler)
    : handler_(std::move(handler)) {
  std::signal(SIGPIPE, SIG_IGN);
  for (int number : numbers) {
    auto* handle = new uv_signal_t;
    uv_signal_init(loop.raw(), handle);
    handle->data = this;
    uv_signal_start(handle, [](uv_signal_t* h, int n) { static_cast<Signals*>(h->data)->handler_(n); }, number);
    uv_unref(reinterpret_cast<uv_handle_t*>(handle));
    handles_.push_back(handle);
  }
}

Signals::~Signals() {
  for (auto* handle : handles_) {
    uv_close(reinterpret_cast<uv_handle_t*>(handle), [](uv_handle_t* h) { delete reinterpret_cast<uv_signal_t*>(h); });
  }
}

}  // namespace mansio::event
