#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_RULES 64

static const char *const kind_names[KIND_COUNT] = {"write", "sync",   "truncate", "rename", "unlink", "mkdir", "rmdir",  "create",
                                                   "open",  "look",   "read",     "map",    "close",  "index", "mark"};
/* `*`: what changes something on the disk. */
static const unsigned changes = 1u << KIND_WRITE | 1u << KIND_SYNC | 1u << KIND_TRUNCATE | 1u << KIND_RENAME | 1u << KIND_UNLINK |
                                1u << KIND_MKDIR | 1u << KIND_RMDIR | 1u << KIND_CREATE;

static const struct {
  const char *name;
  int number;
} errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EROFS", EROFS}, {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE},
              {"ENFILE", ENFILE}, {"EACCES", EACCES}, {"EINTR", EINTR}, {"ENOMEM", ENOMEM}};

struct rule {
  unsigned kinds;
  char files[256];
  long from, to, every;
  double probability;
  struct fate fate;
  long least_delay_ms;
  long seen;
};

static struct rule rules[MOST_RULES];
static int rule_count;
static struct stat rules_read;
static uint64_t dice = 88172645463325252u;
static bool is_seeded;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static double roll(void) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (double)(dice >> 11) / 9007199254740992.0;
}

static void refuse(const char *line) {
  dprintf(2, "shim: no rule: %s\n", line);
  _exit(120);
}

static unsigned parse_kinds(char *text, const char *line) {
  unsigned kinds = 0;
  for (char *rest = text, *word; (word = strsep(&rest, ","));) {
    if (strcmp(word, "*") == 0) {
      kinds |= changes;
      continue;
    }
    int kind = 0;
    while (kind < KIND_CLOSE && strcmp(word, kind_names[kind]) != 0) kind++;
    if (kind == KIND_CLOSE) refuse(line);
    kinds |= 1u << kind;
  }
  return kinds;
}

/* CALLS FILES WHEN WHAT, e.g. `sync *-wal p=0.01 EIO`. */
static void parse(const char *line) {
  char calls[128], when[64], what[64];
  struct rule rule = {.from = 1, .to = LONG_MAX, .every = 1, .probability = 1};
  if (sscanf(line, "%127s %255s %63s %63s", calls, rule.files, when, what) != 4) refuse(line);
  rule.kinds = parse_kinds(calls, line);
  if (sscanf(when, "nth=%ld", &rule.from) == 1) rule.to = rule.from;
  else if (sscanf(when, "every=%ld", &rule.every) == 1) rule.from = rule.every;
  else if (sscanf(when, "from=%ld", &rule.from) != 1 && sscanf(when, "p=%lf", &rule.probability) != 1 && strcmp(when, "always") != 0)
    refuse(line);
  if (rule.every < 1) refuse(line);
  int found = sscanf(what, "delay=%ld..%ld", &rule.least_delay_ms, &rule.fate.delay_ms);
  if (found == 1) rule.fate.delay_ms = rule.least_delay_ms;
  if (found < 1) {
    rule.fate.is_swallowed = strcmp(what, "swallow") == 0;
    rule.fate.is_short = strcmp(what, "short") == 0;
    rule.fate.is_last = strcmp(what, "exit") == 0;
    for (size_t at = 0; at < sizeof errors / sizeof *errors; at++)
      if (strcmp(what, errors[at].name) == 0) rule.fate.error = errors[at].number;
    if (!rule.fate.is_swallowed && !rule.fate.is_short && !rule.fate.is_last && !rule.fate.error) refuse(line);
  }
  if (rule_count == MOST_RULES) refuse(line);
  rules[rule_count++] = rule;
}

/* The file may be replaced at any time (by rename: half a file would be read); counts begin anew then. */
static void read_rules(void) {
  const char *file = getenv("SLUICE_SHIM_RULES");
  struct stat now;
  if (!file || stat(file, &now) != 0) {
    rule_count = 0;
    memset(&rules_read, 0, sizeof rules_read);
    return;
  }
  if (now.st_ino == rules_read.st_ino && now.st_mtim.tv_sec == rules_read.st_mtim.tv_sec &&
      now.st_mtim.tv_nsec == rules_read.st_mtim.tv_nsec && now.st_size == rules_read.st_size)
    return;
  int fd = plain_open(file, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  char text[16384];
  ssize_t size = plain_read(fd, text, sizeof text - 1);
  plain_close(fd);
  if (size < 0) return;
  text[size] = 0;
  rules_read = now;
  rule_count = 0;
  for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
    if (*line && *line != '#') parse(line);
}

/* Every rule counts the calls that it speaks of; of those that hold, the last error wins and the delays add up. */
struct fate fate_of(enum kind kind, const char *name) {
  struct fate fate = {0};
  int kept = errno;
  pthread_mutex_lock(&mutex);
  if (!is_seeded) {
    const char *seed = getenv("SLUICE_SHIM_SEED");
    if (seed) dice ^= strtoull(seed, NULL, 10) * 2654435761u + 1;
    is_seeded = true;
  }
  read_rules();
  for (int at = 0; at < rule_count; at++) {
    struct rule *rule = &rules[at];
    if (!(rule->kinds & 1u << kind) || fnmatch(rule->files, name, 0) != 0) continue;
    rule->seen++;
    if (rule->seen < rule->from || rule->seen > rule->to || rule->seen % rule->every != 0) continue;
    if (rule->probability < 1 && roll() >= rule->probability) continue;
    if (rule->fate.delay_ms)
      fate.delay_ms += rule->least_delay_ms + (long)(roll() * (double)(rule->fate.delay_ms - rule->least_delay_ms));
    if (rule->fate.error) fate.error = rule->fate.error;
    fate.is_swallowed |= rule->fate.is_swallowed;
    fate.is_short |= rule->fate.is_short;
    fate.is_last |= rule->fate.is_last;
  }
  pthread_mutex_unlock(&mutex);
  errno = kept;
  return fate;
}
