/*
 * Stands between a daemon and libc (LD_PRELOAD): counts the calls on its files by kind of call and kind of place, and at a chosen
 * one kills the process, makes the call fail, cuts it short, or writes down what it did. What is wanted stands in a file that is
 * mapped here and written by the test (shim.ts), so that a running daemon can be armed and disarmed. Paths are what descriptors
 * stand for, so that names below /proc/self/fd count as what they are.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Order and names as in shim.ts. */
enum call { CREATE, OPEN, READ, WRITE, TRUNCATE, ALLOCATE, FSYNC, FDATASYNC, SYNCFS, SYNCRANGE, RENAME, EXCHANGE, LINK, UNLINK, MKDIR, RMDIR, SYMLINK, CHMOD, UTIMES, COPY, READDIR, STAT, CALLS };
enum area { TREE, FETCH, SWAP, STAGING, HISTORY, MARKER, LOG, STORE, STATE, OTHER, AREAS };
enum mode { OFF, KILL, TORN, FAIL, SHORT };
#define ANY 0xffffffffu
#define MAX_MATCH 256
#define MAX_PATH 4200

struct control {
  _Atomic uint32_t mode, call, area, from, count, error, matched, hits;
  _Atomic uint32_t recording, pid, reserved[6];
  char match[MAX_MATCH];
  char hit[1024];
  _Atomic uint32_t counts[CALLS][AREAS];
};

/* Shared by all recorded processes of a test: one order over all of them. */
struct order {
  _Atomic uint32_t held, unused;
  uint64_t next;
};

struct record {
  uint32_t bytes, call;
  uint64_t seq, inode, offset;
  int64_t result;
  uint32_t flags, path, other, data;
};

static struct control *control;
static struct order *order;
static int journal = -1;
static int is_main;
static char tree_root[MAX_PATH], home_root[MAX_PATH];

#define REAL(type, name, ...) static type (*real_##name)(__VA_ARGS__); if (!real_##name) real_##name = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int raw_open(const char *path, int flags, int mode) { return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode); }
static long raw(long n, long a, long b, long c, long d, long e, long f);

static void *map(const char *path, size_t size) {
  int fd = raw_open(path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return NULL;
  void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return at == MAP_FAILED ? NULL : at;
}

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("P2PSYNC_SHIM");
  const char *tree = getenv("P2PSYNC_SHIM_TREE"), *home = getenv("P2PSYNC_SHIM_HOME");
  if (!file || !tree || !home) return;
  snprintf(tree_root, sizeof tree_root, "%s", tree);
  snprintf(home_root, sizeof home_root, "%s", home);
  is_main = getenv("P2PSYNC_SHIM_INNER") == NULL;
  setenv("P2PSYNC_SHIM_INNER", "1", 1);
  const char *shared = getenv("P2PSYNC_SHIM_ORDER"), *log = getenv("P2PSYNC_SHIM_JOURNAL");
  if (shared && log) {
    order = map(shared, sizeof *order);
    journal = raw_open(log, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
  }
  struct control *mapped = map(file, sizeof *mapped);
  if (mapped && is_main) mapped->pid = (uint32_t)getpid();
  control = mapped;
}

/* ------------------------------------------------------------------------------------------------ what a call is about */

static void resolve_fd(int fd, char *out) {
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  long n = raw(SYS_readlink, (long)name, (long)out, MAX_PATH - 1, 0, 0, 0);
  out[n < 0 ? 0 : n] = 0;
}

static void resolve(const char *path, char *out) {
  static const char prefix[] = "/proc/self/fd/";
  if (strncmp(path, prefix, sizeof prefix - 1) == 0) {
    char *rest;
    long fd = strtol(path + sizeof prefix - 1, &rest, 10);
    char base[MAX_PATH];
    resolve_fd((int)fd, base);
    snprintf(out, MAX_PATH, "%.2100s%.2000s", base, rest);
  } else if (path[0] == '/') {
    snprintf(out, MAX_PATH, "%s", path);
  } else {
    char base[MAX_PATH];
    if (raw(SYS_getcwd, (long)base, MAX_PATH, 0, 0, 0, 0) < 0) base[0] = 0;
    snprintf(out, MAX_PATH, "%.2100s/%.2000s", base, path);
  }
}

static int below(const char *path, const char *root) {
  size_t n = strlen(root);
  return strncmp(path, root, n) == 0 && (path[n] == 0 || path[n] == '/');
}

static enum area area_of(const char *path) {
  if (below(path, home_root)) {
    const char *db = strstr(path, "/store/db");
    if (!db) return STATE;
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".log") == 0 ? LOG : STORE;
  }
  if (!below(path, tree_root)) return OTHER;
  const char *own = path + strlen(tree_root);
  if (strncmp(own, "/.p2psync", 9) != 0 || (own[9] != 0 && own[9] != '/')) return TREE;
  own += 9;
  if (strncmp(own, "/staging/fetch", 14) == 0) return FETCH;
  if (strncmp(own, "/staging/swap", 13) == 0) return SWAP;
  if (strncmp(own, "/staging", 8) == 0) return STAGING;
  return strncmp(own, "/history", 8) == 0 ? HISTORY : MARKER;
}

/* ------------------------------------------------------------------------------------------------ what becomes of it */

struct verdict { enum mode mode; int error; };

static void die(void) {
  if (control->pid != (uint32_t)getpid()) kill((pid_t)control->pid, SIGKILL);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* `other`: the second path of a rename or link, which is the one that gets a name. */
static struct verdict judge(enum call call, const char *path, const char *other) {
  struct verdict go = { OFF, 0 };
  enum area area = area_of(other ? other : path);
  if (area == OTHER) return go;
  atomic_fetch_add(&control->counts[call][area], 1);
  enum mode mode = control->mode;
  if (mode == OFF || (control->call != ANY && control->call != call) || (control->area != ANY && control->area != area)) return go;
  if (control->match[0] && !strstr(path, control->match) && !(other && strstr(other, control->match))) return go;
  uint32_t nth = atomic_fetch_add(&control->matched, 1) + 1;
  if (nth < control->from || (control->count && nth >= control->from + control->count)) return go;
  if (atomic_fetch_add(&control->hits, 1) == 0) snprintf(control->hit, sizeof control->hit, "%.500s%s%.500s", path, other ? " -> " : "", other ? other : "");
  if (mode == KILL) die();
  go.mode = mode;
  go.error = (int)control->error;
  return go;
}

static struct verdict judge_path(enum call call, const char *path, char *resolved) {
  int saved = errno;
  resolve(path, resolved);
  struct verdict verdict = judge(call, resolved, NULL);
  errno = saved;
  return verdict;
}

static struct verdict judge_fd(enum call call, int fd, char *resolved) {
  int saved = errno;
  resolve_fd(fd, resolved);
  struct verdict verdict = judge(call, resolved, NULL);
  errno = saved;
  return verdict;
}

static struct verdict judge_two(enum call call, const char *from, const char *to, char *one, char *two) {
  int saved = errno;
  resolve(from, one);
  resolve(to, two);
  struct verdict verdict = judge(call, one, two);
  errno = saved;
  return verdict;
}

static int failed(struct verdict verdict) {
  if (verdict.mode != FAIL) return 0;
  errno = verdict.error;
  return 1;
}

/* ------------------------------------------------------------------------------------------------ what it did */

static int recorded(const char *path) { return journal >= 0 && control->recording && area_of(path) != OTHER; }

static void enter(void) { while (order && atomic_exchange(&order->held, 1)) usleep(20); }
static void leave(void) { if (order) order->held = 0; }

static void note(enum call call, int64_t result, uint64_t inode, uint64_t offset, uint32_t flags, const char *path, const char *other, const void *data, size_t size) {
  int saved = errno;
  struct record head = { 0, call, order->next++, inode, offset, result, flags, (uint32_t)strlen(path), other ? (uint32_t)strlen(other) : 0, (uint32_t)size };
  head.bytes = (uint32_t)(sizeof head + head.path + head.other + size);
  struct iovec parts[4] = { { &head, sizeof head }, { (void *)path, head.path }, { (void *)(other ? other : ""), head.other }, { (void *)data, size } };
  if (raw(SYS_writev, journal, (long)parts, 4, 0, 0, 0) != (long)head.bytes) abort();
  errno = saved;
}

static uint64_t inode_at(const char *path) {
  struct stat st;
  return raw(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, AT_SYMLINK_NOFOLLOW, 0, 0) < 0 ? 0 : st.st_ino;
}

static uint64_t inode_of(int fd) {
  struct stat st;
  return raw(SYS_fstat, fd, (long)&st, 0, 0, 0, 0) < 0 ? 0 : st.st_ino;
}

/* Runs `run`; where it is recorded nothing else happens meanwhile, so that the journal has the order of the file system. */
#define RECORDED(path, run, ...) do { if (recorded(path)) { enter(); run; if (r >= 0) note(__VA_ARGS__); leave(); } else { run; } } while (0)

/* ------------------------------------------------------------------------------------------------ descriptors */

static long raw(long n, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

static int opened(const char *path, int flags, mode_t mode) {
  REAL(int, open64, const char *, int, ...);
  if (!control) return real_open64(path, flags, mode);
  char name[MAX_PATH];
  int makes = (flags & (O_CREAT | O_TRUNC)) != 0;
  struct verdict verdict = judge_path(makes ? CREATE : OPEN, path, name);
  if (failed(verdict)) return -1;
  int r;
  if (makes && recorded(name)) {
    enter();
    uint64_t before = inode_at(name);
    r = real_open64(path, flags, mode);
    if (r >= 0) note(CREATE, 0, inode_of(r), 0, (before == 0 ? 1 : 0) | ((flags & O_TRUNC) ? 2 : 0), name, NULL, NULL, 0);
    leave();
    return r;
  }
  return real_open64(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;
  va_end(args);
  return opened(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;
  va_end(args);
  return opened(path, flags, mode);
}

ssize_t read(int fd, void *buffer, size_t size) {
  REAL(ssize_t, read, int, void *, size_t);
  char name[MAX_PATH];
  struct verdict verdict = control ? judge_fd(READ, fd, name) : (struct verdict){ OFF, 0 };
  if (failed(verdict)) return -1;
  return real_read(fd, buffer, verdict.mode == SHORT && size > 1 ? size / 2 : size);
}

ssize_t pread64(int fd, void *buffer, size_t size, off64_t at) {
  REAL(ssize_t, pread64, int, void *, size_t, off64_t);
  char name[MAX_PATH];
  struct verdict verdict = control ? judge_fd(READ, fd, name) : (struct verdict){ OFF, 0 };
  if (failed(verdict)) return -1;
  return real_pread64(fd, buffer, verdict.mode == SHORT && size > 1 ? size / 2 : size, at);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t at) { return pread64(fd, buffer, size, at); }

/* `at` < 0: at the descriptor's own place. */
static ssize_t written(int fd, const void *buffer, size_t size, off64_t at) {
  REAL(ssize_t, write, int, const void *, size_t);
  REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
  ssize_t r;
  if (!control) return at < 0 ? real_write(fd, buffer, size) : real_pwrite64(fd, buffer, size, at);
  char name[MAX_PATH];
  struct verdict verdict = judge_fd(WRITE, fd, name);
  if (failed(verdict)) return -1;
  if ((verdict.mode == SHORT || verdict.mode == TORN) && size > 1) size /= 2;
  if (recorded(name)) {
    enter();
    off64_t place = at;
    if (at < 0) {
      struct stat st;
      int flags = fcntl(fd, F_GETFL);
      place = (flags & O_APPEND) && raw(SYS_fstat, fd, (long)&st, 0, 0, 0, 0) == 0 ? st.st_size : lseek64(fd, 0, SEEK_CUR);
    }
    r = at < 0 ? real_write(fd, buffer, size) : real_pwrite64(fd, buffer, size, at);
    if (r >= 0) note(WRITE, r, inode_of(fd), (uint64_t)place, 0, name, NULL, buffer, (size_t)r);
    leave();
  } else {
    r = at < 0 ? real_write(fd, buffer, size) : real_pwrite64(fd, buffer, size, at);
  }
  if (verdict.mode == TORN) die();
  return r;
}

ssize_t write(int fd, const void *buffer, size_t size) { return written(fd, buffer, size, -1); }
ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t at) { return written(fd, buffer, size, at); }
ssize_t pwrite(int fd, const void *buffer, size_t size, off_t at) { return written(fd, buffer, size, at); }

/* Of several buffers only the first is written to a file of ours: a short write, which everybody must bear. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, writev, int, const struct iovec *, int);
  char name[MAX_PATH];
  if (control && count > 0) {
    resolve_fd(fd, name);
    if (area_of(name) != OTHER) return written(fd, parts[0].iov_base, parts[0].iov_len, -1);
  }
  return real_writev(fd, parts, count);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  REAL(ssize_t, pwritev64, int, const struct iovec *, int, off64_t);
  char name[MAX_PATH];
  if (control && count > 0) {
    resolve_fd(fd, name);
    if (area_of(name) != OTHER) return written(fd, parts[0].iov_base, parts[0].iov_len, at);
  }
  return real_pwritev64(fd, parts, count, at);
}

int ftruncate64(int fd, off64_t size) {
  REAL(int, ftruncate64, int, off64_t);
  if (!control) return real_ftruncate64(fd, size);
  char name[MAX_PATH];
  if (failed(judge_fd(TRUNCATE, fd, name))) return -1;
  int r;
  RECORDED(name, r = real_ftruncate64(fd, size), TRUNCATE, r, inode_of(fd), (uint64_t)size, 0, name, NULL, NULL, 0);
  return r;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fallocate(int fd, int mode, off_t at, off_t size) {
  REAL(int, fallocate, int, int, off_t, off_t);
  if (!control) return real_fallocate(fd, mode, at, size);
  char name[MAX_PATH];
  if (failed(judge_fd(ALLOCATE, fd, name))) return -1;
  int r;
  RECORDED(name, r = real_fallocate(fd, mode, at, size), ALLOCATE, size, inode_of(fd), (uint64_t)at, (uint32_t)mode, name, NULL, NULL, 0);
  return r;
}

#define SYNCS(function, call)                                                                  \
  int function(int fd) {                                                                       \
    REAL(int, function, int);                                                                  \
    if (!control) return real_##function(fd);                                                  \
    char name[MAX_PATH];                                                                       \
    if (failed(judge_fd(call, fd, name))) return -1;                                           \
    int r;                                                                                     \
    RECORDED(name, r = real_##function(fd), call, r, inode_of(fd), 0, 0, name, NULL, NULL, 0); \
    return r;                                                                                  \
  }

SYNCS(fsync, FSYNC)
SYNCS(fdatasync, FDATASYNC)
SYNCS(syncfs, SYNCFS)

/* Promises nothing, so it is not in the journal. */
int sync_file_range(int fd, off_t at, off_t size, unsigned flags) {
  REAL(int, sync_file_range, int, off_t, off_t, unsigned);
  char name[MAX_PATH];
  if (control && failed(judge_fd(SYNCRANGE, fd, name))) return -1;
  return real_sync_file_range(fd, at, size, flags);
}

ssize_t sendfile64(int out, int in, off64_t *at, size_t size) {
  REAL(ssize_t, sendfile64, int, int, off64_t *, size_t);
  char name[MAX_PATH];
  if (control && failed(judge_fd(COPY, out, name))) return -1;
  /* Bytes that the kernel moves by itself cannot be written down: who is told so reads and writes them. */
  if (control && recorded(name)) return errno = EINVAL, -1;
  return real_sendfile64(out, in, at, size);
}

ssize_t sendfile(int out, int in, off_t *at, size_t size) { return sendfile64(out, in, at, size); }

int fchmod(int fd, mode_t mode) {
  REAL(int, fchmod, int, mode_t);
  if (!control) return real_fchmod(fd, mode);
  char name[MAX_PATH];
  if (failed(judge_fd(CHMOD, fd, name))) return -1;
  int r;
  RECORDED(name, r = real_fchmod(fd, mode), CHMOD, mode, inode_of(fd), 0, 0, name, NULL, NULL, 0);
  return r;
}

int futimens(int fd, const struct timespec times[2]) {
  REAL(int, futimens, int, const struct timespec *);
  if (!control) return real_futimens(fd, times);
  char name[MAX_PATH];
  if (failed(judge_fd(UTIMES, fd, name))) return -1;
  int r;
  RECORDED(name, r = real_futimens(fd, times), UTIMES, 0, inode_of(fd), 0, 0, name, NULL, times, 2 * sizeof *times);
  return r;
}

/* ------------------------------------------------------------------------------------------------ names */

int chmod(const char *path, mode_t mode) {
  REAL(int, chmod, const char *, mode_t);
  if (!control) return real_chmod(path, mode);
  char name[MAX_PATH];
  if (failed(judge_path(CHMOD, path, name))) return -1;
  int r;
  RECORDED(name, r = real_chmod(path, mode), CHMOD, mode, inode_at(name), 0, 0, name, NULL, NULL, 0);
  return r;
}

int utimensat(int at, const char *path, const struct timespec times[2], int flags) {
  REAL(int, utimensat, int, const char *, const struct timespec *, int);
  if (!control || at != AT_FDCWD) return real_utimensat(at, path, times, flags);
  char name[MAX_PATH];
  if (failed(judge_path(UTIMES, path, name))) return -1;
  int r;
  RECORDED(name, r = real_utimensat(at, path, times, flags), UTIMES, 0, inode_at(name), 0, 0, name, NULL, times, 2 * sizeof *times);
  return r;
}

int rename(const char *from, const char *to) {
  REAL(int, rename, const char *, const char *);
  if (!control) return real_rename(from, to);
  char one[MAX_PATH], two[MAX_PATH];
  if (failed(judge_two(RENAME, from, to, one, two))) return -1;
  int r;
  RECORDED(two, r = real_rename(from, to), RENAME, r, inode_at(two), 0, 0, one, two, NULL, 0);
  return r;
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  REAL(int, renameat2, int, const char *, int, const char *, unsigned);
  if (!control || from_at != AT_FDCWD || to_at != AT_FDCWD) return real_renameat2(from_at, from, to_at, to, flags);
  char one[MAX_PATH], two[MAX_PATH];
  if (failed(judge_two((flags & 2) ? EXCHANGE : RENAME, from, to, one, two))) return -1;
  int r;
  RECORDED(two, r = real_renameat2(from_at, from, to_at, to, flags), (flags & 2) ? EXCHANGE : RENAME, r, inode_at(two), 0, 0, one, two, NULL, 0);
  return r;
}

int link(const char *from, const char *to) {
  REAL(int, link, const char *, const char *);
  if (!control) return real_link(from, to);
  char one[MAX_PATH], two[MAX_PATH];
  if (failed(judge_two(LINK, from, to, one, two))) return -1;
  int r;
  RECORDED(two, r = real_link(from, to), LINK, r, inode_at(two), 0, 0, one, two, NULL, 0);
  return r;
}

int symlink(const char *target, const char *path) {
  REAL(int, symlink, const char *, const char *);
  if (!control) return real_symlink(target, path);
  char name[MAX_PATH];
  if (failed(judge_path(SYMLINK, path, name))) return -1;
  int r;
  RECORDED(name, r = real_symlink(target, path), SYMLINK, r, inode_at(name), 0, 0, name, NULL, target, strlen(target));
  return r;
}

#define NAMED(function, call)                                                          \
  int function(const char *path) {                                                     \
    REAL(int, function, const char *);                                                 \
    if (!control) return real_##function(path);                                        \
    char name[MAX_PATH];                                                               \
    if (failed(judge_path(call, path, name))) return -1;                               \
    int r;                                                                             \
    RECORDED(name, r = real_##function(path), call, r, 0, 0, 0, name, NULL, NULL, 0);  \
    return r;                                                                          \
  }

NAMED(unlink, UNLINK)
NAMED(rmdir, RMDIR)

int mkdir(const char *path, mode_t mode) {
  REAL(int, mkdir, const char *, mode_t);
  if (!control) return real_mkdir(path, mode);
  char name[MAX_PATH];
  if (failed(judge_path(MKDIR, path, name))) return -1;
  int r;
  RECORDED(name, r = real_mkdir(path, mode), MKDIR, mode, inode_at(name), 0, 0, name, NULL, NULL, 0);
  return r;
}

int scandir64(const char *path, struct dirent64 ***names, int (*filter)(const struct dirent64 *), int (*compare)(const struct dirent64 **, const struct dirent64 **)) {
  REAL(int, scandir64, const char *, struct dirent64 ***, int (*)(const struct dirent64 *), int (*)(const struct dirent64 **, const struct dirent64 **));
  char name[MAX_PATH];
  if (control && failed(judge_path(READDIR, path, name))) return -1;
  return real_scandir64(path, names, filter, compare);
}

DIR *opendir(const char *path) {
  REAL(DIR *, opendir, const char *);
  char name[MAX_PATH];
  if (control && failed(judge_path(READDIR, path, name))) return NULL;
  return real_opendir(path);
}

/* What libuv and fs-native-extensions call without a function of libc. */
long syscall(long n, ...) {
  va_list args;
  va_start(args, n);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(args, long);
  va_end(args);
  char one[MAX_PATH], two[MAX_PATH];
  long r;
#define FINISH(result) return (result) < 0 && (result) > -4096 ? (errno = (int)-(result), -1L) : (result)
  if (control && n == SYS_renameat2 && (int)a[0] == AT_FDCWD && (int)a[2] == AT_FDCWD) {
    if (failed(judge_two((a[4] & 2) ? EXCHANGE : RENAME, (const char *)a[1], (const char *)a[3], one, two))) return -1;
    RECORDED(two, r = raw(n, a[0], a[1], a[2], a[3], a[4], 0), (a[4] & 2) ? EXCHANGE : RENAME, r, inode_at(two), 0, 0, one, two, NULL, 0);
    FINISH(r);
  }
  if (control && n == SYS_statx) {
    const char *path = (const char *)a[1];
    if (path[0] == 0) { if (failed(judge_fd(STAT, (int)a[0], one))) return -1; }
    else if (failed(judge_path(STAT, path, one))) return -1;
  }
  if (control && n == SYS_copy_file_range) {
    if (failed(judge_fd(COPY, (int)a[2], one))) return -1;
    if (recorded(one)) return errno = ENOSYS, -1;
  }
  r = raw(n, a[0], a[1], a[2], a[3], a[4], a[5]);
  FINISH(r);
}
