/* Lets system calls of the server fail as a test says: loaded before libc, told what to do in a file that both map.
 *
 * A call on files fails where the file's path begins with the prefix; accept() and clock_gettime() know no path. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* As in control.py. */
struct control {
  volatile int32_t write, fsync, rename, open, read, accept, thread;
  int32_t unused;
  volatile int64_t clock; /* seconds by which the wall clock is ahead */
  volatile char prefix[464];
};

static const struct control nothing;
static const struct control *control = &nothing;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULTS");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) control = mapped;
  close(file);
}

static int is_meant(const char *path) {
  const char *prefix = (const char *)control->prefix;
  return *prefix && path && strncmp(path, prefix, strlen(prefix)) == 0;
}

static int is_open_on(int fd) {
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_meant(path);
}

#define REAL(result, name, ...) \
  static result (*real)(__VA_ARGS__); \
  if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define FAIL(code) \
  do { \
    errno = (code); \
    return -1; \
  } while (0)
#define FAIL_ON(call, fd) \
  if (control->call && is_open_on(fd)) FAIL(control->call)

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(ssize_t, "write", int, const void *, size_t);
  FAIL_ON(write, fd);
  return real(fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec *, int);
  FAIL_ON(write, fd);
  return real(fd, parts, count);
}

ssize_t read(int fd, void *bytes, size_t length) {
  REAL(ssize_t, "read", int, void *, size_t);
  FAIL_ON(read, fd);
  return real(fd, bytes, length);
}

int fsync(int fd) {
  REAL(int, "fsync", int);
  FAIL_ON(fsync, fd);
  return real(fd);
}

int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  FAIL_ON(fsync, fd);
  return real(fd);
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  if (control->rename && is_meant(to)) FAIL(control->rename);
  return real(from, to);
}

int link(const char *from, const char *to) {
  REAL(int, "link", const char *, const char *);
  if (control->rename && is_meant(to)) FAIL(control->rename);
  return real(from, to);
}

int linkat(int at, const char *from, int to_at, const char *to, int flags) {
  REAL(int, "linkat", int, const char *, int, const char *, int);
  if (control->rename && is_meant(to)) FAIL(control->rename);
  return real(at, from, to_at, to, flags);
}

/* The mode comes with O_CREAT alone, but reading one that is not there does no harm. */
#define MODE \
  va_list rest; \
  va_start(rest, flags); \
  mode_t mode = va_arg(rest, mode_t); \
  va_end(rest)

int open(const char *path, int flags, ...) {
  REAL(int, "open", const char *, int, ...);
  MODE;
  if (control->open && is_meant(path)) FAIL(control->open);
  return real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  REAL(int, "open64", const char *, int, ...);
  MODE;
  if (control->open && is_meant(path)) FAIL(control->open);
  return real(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
  REAL(int, "openat", int, const char *, int, ...);
  MODE;
  if (control->open && is_meant(path)) FAIL(control->open);
  return real(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
  REAL(int, "openat64", int, const char *, int, ...);
  MODE;
  if (control->open && is_meant(path)) FAIL(control->open);
  return real(at, path, flags, mode);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int);
  if (control->accept) FAIL(control->accept);
  return real(fd, address, length, flags);
}

int accept(int fd, struct sockaddr *address, socklen_t *length) {
  REAL(int, "accept", int, struct sockaddr *, socklen_t *);
  if (control->accept) FAIL(control->accept);
  return real(fd, address, length);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *given) {
  REAL(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  return control->thread ? control->thread : real(thread, attributes, run, given);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int result = real(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += control->clock;
  return result;
}
