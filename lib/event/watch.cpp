#include "event/watch.hpp"

#include <uv.h>

#include <utility>

namespace mansio::event {

struct Watch::Box {
  uv_poll_t poll;
  Ready ready;
  bool calling = false, orphan = false;

  void watch(unsigned events) {
    int wanted = ((events & readable) != 0 ? UV_READABLE : 0) | ((events & writable) != 0 ? UV_WRITABLE : 0);
    if (wanted == 0) {
      uv_poll_stop(&poll);
      return;
    }
    uv_poll_start(&poll, wanted, [](uv_poll_t* h, int status, int what) { static_cast<Box*>(h->data)->happened(status, what); });
  }
  void happened(int status, int what) {
    unsigned events = status < 0 ? readable | writable : 0;
    if ((what & UV_READABLE) != 0) events |= readable;
    if ((what & UV_WRITABLE) != 0) events |= writable;
    calling = true;
    ready(events);
    calling = false;
    if (orphan) uv_close(reinterpret_cast<uv_handle_t*>(&poll), [](uv_handle_t* h) { delete static_cast<Box*>(h->data); });
  }
};

Result<Watch> Watch::start(Loop& loop, int fd, unsigned events, Ready ready) {
  auto* box = new Box;
  int error = uv_poll_init(loop.raw(), &box->poll, fd);
  if (error != 0) {
    delete box;
    return std::unexpected(Error::from_errno(-error, "uv_poll_init"));
  }
  box->poll.data = box;
  box->ready = std::move(ready);
  box->watch(events);
  return Watch(box);
}

Watch::Watch(Watch&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}

Watch& Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    close();
    box_ = std::exchange(other.box_, nullptr);
  }
  return *this;
}

Watch::~Watch() { close(); }

void Watch::want(unsigned events) { box_->watch(events); }

// The descriptor may be closed as soon as this returns, so epoll forgets it now; the callback that may be running ends first.
void Watch::close() noexcept {
  Box* box = std::exchange(box_, nullptr);
  if (box == nullptr) return;
  uv_poll_stop(&box->poll);
  if (box->calling) box->orphan = true;
  else uv_close(reinterpret_cast<uv_handle_t*>(&box->poll), [](uv_handle_t* h) { delete static_cast<Box*>(h->data); });
}

}  // namespace mansio::event
