#define _GNU_SOURCE
#include "shim.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name)                                                     \
  ({                                                                   \
    static __typeof__(&name) found;                                    \
    if (!found) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name);    \
    found;                                                             \
  })

/* Runs `real` unless the rules say otherwise, and records it if it worked. Evaluates to what the caller is told. */
#define PASSED(type, op, real)                       \
  ({                                                 \
    struct fate fate = met((op).kind, (op).path);    \
    type given = -1;                                 \
    if (fate.error) errno = fate.error;              \
    else if (fate.is_swallowed) given = 0;           \
    else {                                           \
      begin_op();                                    \
      given = real;                                  \
      if (given >= 0) record(&(op));                 \
      end_op();                                      \
    }                                                \
    given;                                           \
  })

ssize_t plain_write(int fd, const void *bytes, size_t size) { return REAL(write)(fd, bytes, size); }
ssize_t plain_read(int fd, void *bytes, size_t size) { return REAL(read)(fd, bytes, size); }
int plain_open(const char *path, int flags, int mode) { return REAL(open64)(path, flags, mode); }
int plain_close(int fd) { return REAL(close)(fd); }

/* The fate of a call, after its delay; an end of the process happens here. */
static struct fate met(enum kind kind, const char *name) {
  struct fate fate = fate_of(kind, name);
  if (fate.delay_ms > 0) {
    struct timespec rest = {fate.delay_ms / 1000, fate.delay_ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {}
  }
  if (fate.is_last) _exit(137);
  return fate;
}

/* `offset` -1: where the descriptor stands. */
static ssize_t write_at(int fd, const char *name, const void *bytes, size_t size, off64_t offset) {
  if (strcmp(name, MARKS) == 0) {
    begin_op();
    record(&(struct op){.kind = KIND_MARK, .fd = fd, .path = name, .data = bytes, .size = size});
    ssize_t given = plain_write(fd, bytes, size);
    end_op();
    return given;
  }
  struct fate fate = met(KIND_WRITE, name);
  if (fate.error) {
    errno = fate.error;
    return -1;
  }
  if (fate.is_swallowed) return (ssize_t)size;
  if (fate.is_short && size > 1) size /= 2;
  begin_op();
  bool appends = offset < 0 && (fcntl(fd, F_GETFL) & O_APPEND) != 0;
  off64_t at = offset >= 0 ? offset : lseek64(fd, 0, appends ? SEEK_END : SEEK_CUR);
  ssize_t given = offset < 0 ? plain_write(fd, bytes, size) : REAL(pwrite64)(fd, bytes, size, offset);
  if (given > 0)
    record(&(struct op){.kind = KIND_WRITE, .fd = fd, .offset = at, .path = name, .data = bytes, .size = (size_t)given});
  end_op();
  return given;
}

ssize_t write(int fd, const void *bytes, size_t size) {
  const char *name = name_of(fd);
  return name ? write_at(fd, name, bytes, size, -1) : REAL(write)(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  const char *name = name_of(fd);
  return name ? write_at(fd, name, bytes, size, offset) : REAL(pwrite64)(fd, bytes, size, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) { return pwrite64(fd, bytes, size, offset); }

static ssize_t write_parts(int fd, const char *name, const struct iovec *parts, int count, off64_t offset) {
  ssize_t sum = 0;
  for (int at = 0; at < count; at++) {
    ssize_t given = write_at(fd, name, parts[at].iov_base, parts[at].iov_len, offset < 0 ? -1 : offset + sum);
    if (given < 0) return sum > 0 ? sum : -1;
    sum += given;
    if ((size_t)given < parts[at].iov_len) break;
  }
  return sum;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  const char *name = name_of(fd);
  return name ? write_parts(fd, name, parts, count, -1) : REAL(writev)(fd, parts, count);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  const char *name = name_of(fd);
  return name ? write_parts(fd, name, parts, count, offset) : REAL(pwritev64)(fd, parts, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { return pwritev64(fd, parts, count, offset); }

ssize_t read(int fd, void *bytes, size_t size) {
  const char *name = name_of(fd);
  struct fate fate = name ? met(KIND_READ, name) : (struct fate){0};
  if (!fate.error) return REAL(read)(fd, bytes, size);
  errno = fate.error;
  return -1;
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset) {
  const char *name = name_of(fd);
  struct fate fate = name ? met(KIND_READ, name) : (struct fate){0};
  if (!fate.error) return REAL(pread64)(fd, bytes, size, offset);
  errno = fate.error;
  return -1;
}

static int sync_with(int fd, int (*real)(int)) {
  const char *name = name_of(fd);
  if (!name) return real(fd);
  struct op op = {.kind = KIND_SYNC, .fd = fd, .path = name};
  if (is_recording()) {
    begin_op();
    record_indexes();
    end_op();
  }
  int given = PASSED(int, op, real(fd));
  if (given < 0) {
    op.flags = errno;
    begin_op();
    record(&op);
    end_op();
  }
  return given;
}

int fsync(int fd) { return sync_with(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_with(fd, REAL(fdatasync)); }

int ftruncate64(int fd, off64_t size) {
  const char *name = name_of(fd);
  if (!name) return REAL(ftruncate64)(fd, size);
  struct op op = {.kind = KIND_TRUNCATE, .fd = fd, .offset = size, .path = name};
  return PASSED(int, op, REAL(ftruncate64)(fd, size));
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int renameat(int old_fd, const char *path, int new_fd, const char *new_path) {
  char room[PATH_MAX], new_room[PATH_MAX];
  const char *name = path_within(old_fd, path, room), *new_name = path_within(new_fd, new_path, new_room);
  if (!name || !new_name) return REAL(renameat)(old_fd, path, new_fd, new_path);
  struct op op = {.kind = KIND_RENAME, .fd = -1, .path = name, .new_path = new_name};
  return PASSED(int, op, REAL(renameat)(old_fd, path, new_fd, new_path));
}

int rename(const char *path, const char *new_path) { return renameat(AT_FDCWD, path, AT_FDCWD, new_path); }

int unlinkat(int fd, const char *path, int flags) {
  char room[PATH_MAX];
  const char *name = path_within(fd, path, room);
  if (!name) return REAL(unlinkat)(fd, path, flags);
  struct op op = {.kind = flags & AT_REMOVEDIR ? KIND_RMDIR : KIND_UNLINK, .fd = -1, .path = name};
  return PASSED(int, op, REAL(unlinkat)(fd, path, flags));
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

/* Node's rmSync. Inside libc it calls unlink past the shim. */
int remove(const char *path) {
  int given = unlink(path);
  return given != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(path) : given;
}

int mkdir(const char *path, mode_t mode) {
  char room[PATH_MAX];
  const char *name = path_within(AT_FDCWD, path, room);
  if (!name || strcmp(name, ".") == 0) return REAL(mkdir)(path, mode);
  struct op op = {.kind = KIND_MKDIR, .fd = -1, .path = name};
  return PASSED(int, op, REAL(mkdir)(path, mode));
}

static int opened(int folder_fd, const char *path, int flags, int mode) {
  char room[PATH_MAX];
  const char *name = path_within(folder_fd, path, room);
  if (!name) return REAL(openat64)(folder_fd, path, flags, mode);
  bool is_marks = strcmp(name, MARKS) == 0;
  struct stat there;
  bool makes = (flags & O_TRUNC) || ((flags & O_CREAT) && fstatat(folder_fd, path, &there, 0) != 0);
  bool may_write = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
  struct fate fate = {0};
  if (!is_marks) {
    fate = met(may_write ? KIND_OPEN : KIND_LOOK, name);
    if (!fate.error && makes) fate = met(KIND_CREATE, name);
  }
  if (fate.error) {
    errno = fate.error;
    return -1;
  }
  begin_op();
  int fd = REAL(openat64)(folder_fd, path, flags, mode);
  if (fd >= 0) {
    remember(fd, name);
    if (!is_marks)
      record(&(struct op){.kind = makes ? KIND_CREATE : may_write ? KIND_OPEN : KIND_LOOK, .fd = fd, .flags = flags, .path = name});
  }
  end_op();
  return fd;
}

#define MODE_OF(flags)                        \
  ({                                          \
    int mode = 0;                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {    \
      va_list rest;                           \
      va_start(rest, flags);                  \
      mode = va_arg(rest, int);               \
      va_end(rest);                           \
    }                                         \
    mode;                                     \
  })

int open(const char *path, int flags, ...) { return opened(AT_FDCWD, path, flags, MODE_OF(flags)); }
int open64(const char *path, int flags, ...) { return opened(AT_FDCWD, path, flags, MODE_OF(flags)); }
int openat(int fd, const char *path, int flags, ...) { return opened(fd, path, flags, MODE_OF(flags)); }
int openat64(int fd, const char *path, int flags, ...) { return opened(fd, path, flags, MODE_OF(flags)); }

static int closed(int fd, bool by_number) {
  const char *name = name_of(fd);
  if (!name) return by_number ? (int)REAL(syscall)(SYS_close, fd) : plain_close(fd);
  begin_op();
  forget(fd);
  int given = plain_close(fd);
  record(&(struct op){.kind = KIND_CLOSE, .fd = fd, .path = name});
  end_op();
  return given;
}

int close(int fd) { return closed(fd, false); }

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset) {
  const char *name = name_of(fd);
  if (!name) return REAL(mmap64)(at, size, protection, flags, fd, offset);
  struct fate fate = met(KIND_MAP, name);
  if (fate.error) {
    errno = fate.error;
    return MAP_FAILED;
  }
  void *given = REAL(mmap64)(at, size, protection, flags, fd, offset);
  size_t length = strlen(name);
  if (given != MAP_FAILED && offset == 0 && length > 4 && strcmp(name + length - 4, "-shm") == 0) {
    begin_op();
    remember_index(name, given, size);
    end_op();
  }
  return given;
}

int munmap(void *at, size_t size) {
  if (is_recording()) {
    begin_op();
    forget_index(at);
    end_op();
  }
  return REAL(munmap)(at, size);
}

/* Copies inside the kernel would not be seen: Node then copies by reading and writing. */
ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) {
  if (!name_of(to)) return REAL(sendfile64)(to, from, offset, size);
  errno = EINVAL;
  return -1;
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size) { return sendfile64(to, from, offset, size); }

ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned flags) {
  if (!name_of(to)) return REAL(copy_file_range)(from, from_offset, to, to_offset, size, flags);
  errno = EXDEV;
  return -1;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  /* FICLONE */
  if (request != 0x40049409 || !name_of(fd)) return REAL(ioctl)(fd, request, argument);
  errno = EOPNOTSUPP;
  return -1;
}

long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long all[6];
  for (int at = 0; at < 6; at++) all[at] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close) return closed((int)all[0], true);
  if (number == SYS_copy_file_range && name_of((int)all[2])) {
    errno = EXDEV;
    return -1;
  }
  return REAL(syscall)(number, all[0], all[1], all[2], all[3], all[4], all[5]);
}
