/*
 * A shim between a process and libc's file calls, for one folder: it fails them, delays them, swallows syncs, ends the process, and records.
 * See ../README.md for its environment variables, rules and log.
 */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The order is that of `kind_names` in rules.c and of `kinds` in ../log.ts. */
enum kind {
  KIND_WRITE,
  KIND_SYNC,
  KIND_TRUNCATE,
  KIND_RENAME,
  KIND_UNLINK,
  KIND_MKDIR,
  KIND_RMDIR,
  KIND_CREATE, /* an open that makes a file or empties it */
  KIND_OPEN,   /* an open that may write */
  KIND_LOOK,   /* an open that only reads */
  KIND_READ,
  KIND_MAP,
  KIND_CLOSE,
  KIND_INDEX, /* not a call: the beginning of a mapped `-shm`, as it is at a sync */
  KIND_MARK,  /* not a call: what was written to the file of marks */
  KIND_COUNT,
};

/* What is to become of a call. All zero: it is let through. */
struct fate {
  int error;
  long delay_ms;
  bool is_swallowed;
  bool is_short;
  bool is_last;
};

struct op {
  enum kind kind;
  int fd;
  int flags;
  int64_t offset;
  const char *path;
  const char *new_path;
  const void *data;
  size_t size;
};

/* files.c: which paths and descriptors lie in the folder, by their path within it. */
#define MARKS ":marks"
const char *path_within(int folder_fd, const char *path, char room[PATH_MAX]);
const char *name_of(int fd);
void remember(int fd, const char *name);
void forget(int fd);

/* rules.c */
struct fate fate_of(enum kind kind, const char *name);

/* record.c */
bool is_recording(void);
void record(const struct op *op);
void begin_op(void);
void end_op(void);
void remember_index(const char *name, const void *at, size_t size);
void forget_index(const void *at);
void record_indexes(void);

/* calls.c: the calls themselves, without the shim. */
ssize_t plain_write(int fd, const void *bytes, size_t size);
ssize_t plain_read(int fd, void *bytes, size_t size);
int plain_open(const char *path, int flags, int mode);
int plain_close(int fd);
