#include "event/threads.hpp"

#include <pthread.h>
#include <uv.h>

#include <csignal>
#include <utility>

namespace mansio::event {

Threads::Threads(Loop& loop, std::string name, unsigned count) : async_(new uv_async_t) {
  uv_async_init(loop.raw(), async_, [](uv_async_t* h) { static_cast<Threads*>(h->data)->collect(); });
  async_->data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(async_));
  // Signals belong to the loop's thread.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back([this] { serve(); });
    pthread_setname_np(threads_.back().native_handle(), name.c_str());
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

Threads::~Threads() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
  uv_close(reinterpret_cast<uv_handle_t*>(async_), [](uv_handle_t* h) { delete reinterpret_cast<uv_async_t*>(h); });
}

void Threads::submit(Job* job) {
  if (under_way_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(async_));
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(job);
  }
  wake_.notify_one();
}

void Threads::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Job* job = queue_.front();
    queue_.pop_front();
    lock.unlock();
    job->work();
    lock.lock();
    done_.push_back(job);
    if (done_.size() == 1) uv_async_send(async_);
  }
}

void Threads::collect() {
  std::vector<Job*> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  under_way_ -= done.size();
  if (under_way_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(async_));
  for (Job* job : done) job->waiting.resume();
}

}  // namespace mansio::event
