// Preloaded into the daemon by the crash tests: a clock that can be set, and allocations that fail. Both are told what to do in
// one small file that MANSIO_SHIM names, mapped into every process, so that it costs no system call (durability cases D-079,
// D-095). Built by test/crash/shim.py.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct told {
  int64_t offset;   // seconds that the wall clock is ahead
  int64_t pid;      // whose allocations fail
  int64_t left;     // allocations before one fails; negative: none fails
  int64_t rest;     // not 0: all those after it fail, too
  int64_t failed;   // how many did
};
static struct told nothing = {0, 0, -1, 0, 0};
static struct told *told = &nothing;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("MANSIO_SHIM");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *at = mmap(NULL, sizeof(struct told), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED) told = at;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
  int status = (int)syscall(SYS_clock_gettime, clock, out);
  if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += told->offset;
  return status;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}

static int fails(void) {
  if (told->left < 0 || told->pid != syscall(SYS_getpid)) return 0;
  if (__atomic_fetch_sub(&told->left, 1, __ATOMIC_SEQ_CST) > 0) return 0;
  __atomic_store_n(&told->left, told->rest ? 0 : -1, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&told->failed, 1, __ATOMIC_SEQ_CST);
  return 1;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void *aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
