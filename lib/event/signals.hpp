// Signals as calls on the loop. SIGPIPE is ignored once for the process: a peer that goes away is an Error.
#pragma once
#include <functional>
#include <initializer_list>
#include <vector>

#include "event/loop.hpp"

struct uv_signal_s;

namespace mansio::event {

class Signals {
 public:
  Signals(Loop& loop, std::initializer_list<int> numbers, std::function<void(int)> handler);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  std::function<void(int)> handler_;
  std::vector<uv_signal_s*> handles_;
};

}  // namespace mansio::event
