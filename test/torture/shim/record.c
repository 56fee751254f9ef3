#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Little-endian on every machine that tests run on; ../log.ts reads it. */
struct head {
  uint32_t size; /* of the whole record */
  uint32_t kind;
  int32_t pid;
  int32_t fd;
  int32_t flags;
  uint32_t path_size;
  uint32_t new_path_size;
  uint32_t data_size;
  int64_t offset;
};

#define INDEX_BYTES 512
#define MOST_INDEXES 32

static int log_fd = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Held over a call and its record, so that their order is one. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
  const char *name;
  const void *at;
} indexes[MOST_INDEXES];

static void set_up(void) {
  const char *file = getenv("SLUICE_SHIM_LOG");
  if (!file) return;
  int fd = plain_open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  /* Far from the numbers that a limit of open files speaks of, where there is room. */
  log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
  if (log_fd < 0) log_fd = fd;
  else plain_close(fd);
}

bool is_recording(void) {
  pthread_once(&once, set_up);
  return log_fd >= 0;
}

void begin_op(void) {
  if (is_recording()) pthread_mutex_lock(&mutex);
}

void end_op(void) {
  if (is_recording()) pthread_mutex_unlock(&mutex);
}

/* Between `begin_op` and `end_op`. One write: whole in the log, whichever process it comes from. */
void record(const struct op *op) {
  if (!is_recording()) return;
  int kept = errno;
  const char *path = op->path ? op->path : "", *new_path = op->new_path ? op->new_path : "";
  struct head head = {.kind = op->kind,
                      .pid = getpid(),
                      .fd = op->fd,
                      .flags = op->flags,
                      .path_size = strlen(path),
                      .new_path_size = strlen(new_path),
                      .data_size = op->data ? op->size : 0,
                      .offset = op->offset};
  head.size = sizeof head + head.path_size + head.new_path_size + head.data_size;
  struct iovec parts[] = {{&head, sizeof head},
                          {(void *)path, head.path_size},
                          {(void *)new_path, head.new_path_size},
                          {(void *)op->data, head.data_size}};
  if (writev(log_fd, parts, 4) != (ssize_t)head.size) {
    dprintf(2, "shim: the log cannot be written: %s\n", strerror(errno));
    _exit(121);
  }
  errno = kept;
}

void remember_index(const char *name, const void *at, size_t size) {
  if (size < INDEX_BYTES) return;
  for (int i = 0; i < MOST_INDEXES; i++)
    if (!indexes[i].at) {
      indexes[i].name = name;
      indexes[i].at = at;
      return;
    }
}

void forget_index(const void *at) {
  for (int i = 0; i < MOST_INDEXES; i++)
    if (indexes[i].at == at) indexes[i].at = NULL;
}

/* No call tells when a mapped file changes, so it is looked at whenever a file is synced. */
void record_indexes(void) {
  for (int i = 0; i < MOST_INDEXES; i++)
    if (indexes[i].at)
      record(&(struct op){.kind = KIND_INDEX, .fd = -1, .path = indexes[i].name, .data = indexes[i].at, .size = INDEX_BYTES});
}
