#define _GNU_SOURCE
#include "shim.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_FDS 65536

static char *names[MOST_FDS];
static const char *folder;
static size_t folder_length;
static const char *marks;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up(void) {
  folder = getenv("SLUICE_SHIM_FOLDER");
  folder_length = folder ? strlen(folder) : 0;
  marks = getenv("SLUICE_SHIM_MARKS");
}

/* The path within the folder, `.` for itself, MARKS for the file of marks; NULL for any other. */
const char *path_within(int folder_fd, const char *path, char room[PATH_MAX]) {
  pthread_once(&once, set_up);
  if (!folder || !path || !*path) return NULL;
  if (*path != '/') {
    char link[64];
    snprintf(link, sizeof link, folder_fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder_fd);
    ssize_t length = readlink(link, room, PATH_MAX - 1);
    if (length < 0 || length + strlen(path) + 2 > PATH_MAX) return NULL;
    room[length] = '/';
    strcpy(room + length + 1, strcmp(path, ".") == 0 ? "" : path);
    path = room;
  }
  if (marks && strcmp(path, marks) == 0) return MARKS;
  if (strncmp(path, folder, folder_length) != 0) return NULL;
  const char *rest = path + folder_length;
  if (*rest != '/' && *rest != 0) return NULL;
  while (*rest == '/') rest++;
  if (*rest == 0) return ".";
  /* `a/b/` and `a/b` are one name. */
  size_t length = strlen(rest);
  memmove(room, rest, length + 1);
  while (length > 1 && room[length - 1] == '/') room[--length] = 0;
  return room;
}

const char *name_of(int fd) {
  return fd >= 0 && fd < MOST_FDS ? __atomic_load_n(&names[fd], __ATOMIC_ACQUIRE) : NULL;
}

void remember(int fd, const char *name) {
  if (fd < 0 || fd >= MOST_FDS) return;
  forget(fd);
  __atomic_store_n(&names[fd], strdup(name), __ATOMIC_RELEASE);
}

/* The text is not freed: another thread may be reading it, and a test's process is short. */
void forget(int fd) {
  if (fd >= 0 && fd < MOST_FDS) __atomic_store_n(&names[fd], NULL, __ATOMIC_RELEASE);
}
