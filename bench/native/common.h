// What the four programs share: arguments, time, sockets, the byte pattern and the CPU clock of the watched processes.
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 512
#define MAX_WATCHED 64
#define READ_SIZE (256 * 1024)

// The first line of every TCP connection: the tenant a gateway may route by, then what the backend shall do.
#define OPENING_ECHO "alpha echo\n"
#define OPENING_BULK "alpha bulk\n"
#define OPENING_SIZE 11

// A failed run prints one line and ends: half a measurement is worth nothing.
__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...) {
  char reason[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  va_end(arguments);
  for (char *c = reason; *c; c++)
    if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ') *c = '\'';
  printf("{\"error\":\"%s\"}\n", reason);
  fflush(stdout);
  exit(1);
}

static const char *argument(int argc, char **argv, const char *name, const char *fallback) {
  for (int i = 1; i + 1 < argc; i++)
    if (!strcmp(argv[i], name)) return argv[i + 1];
  if (!fallback) fail("%s is required", name);
  return fallback;
}

static inline int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// --- the pattern: pseudo-random bytes with a prime period, so that no lost or repeated page goes unseen ---

#define PATTERN_PERIOD 65521
#define PATTERN_SPAN (128 * 1024)
static char pattern[PATTERN_PERIOD + PATTERN_SPAN];

static void pattern_init(void) {
  uint32_t state = 2463534242u;
  for (int i = 0; i < PATTERN_PERIOD; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    pattern[i] = (char)(state >> 24);
  }
  for (int i = PATTERN_PERIOD; i < (int)sizeof pattern; i++) pattern[i] = pattern[i - PATTERN_PERIOD];
}

// Compares bytes with the pattern at a stream offset; any length.
static int pattern_matches(const char *bytes, size_t length, uint64_t offset) {
  while (length > 0) {
    size_t part = length < PATTERN_SPAN ? length : PATTERN_SPAN;
    if (memcmp(bytes, pattern + offset % PATTERN_PERIOD, part)) return 0;
    bytes += part;
    offset += part;
    length -= part;
  }
  return 1;
}

// --- sockets ---

static struct sockaddr_in address_of(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail("%s is not an IPv4 address", host);
  return address;
}

static void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Listens on a free loopback port and tells it on stdout.
static int listen_and_tell(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = address_of("127.0.0.1", 0);
  socklen_t length = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, 65535) ||
      getsockname(fd, (struct sockaddr *)&address, &length))
    fail("listen: %s", strerror(errno));
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static int connect_to(const struct sockaddr_in *address) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket: %s", strerror(errno));
  no_delay(fd);
  if (connect(fd, (const struct sockaddr *)address, sizeof *address) && errno != EINPROGRESS)
    fail("connect: %s", strerror(errno));
  return fd;
}

static void watch(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  if (epoll_ctl(epoll, operation, fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

// --- CPU time of the proxy, read at the exact ends of the measured span ---

static int watched[MAX_WATCHED], watched_count;

static void parse_watched(const char *list) {
  char *rest = (char *)list;
  while (*rest && watched_count < MAX_WATCHED) {
    watched[watched_count++] = (int)strtol(rest, &rest, 10);
    if (*rest == ',') rest++;
  }
}

// utime + stime of every watched process, all threads included.
static double cpu_seconds(void) {
  unsigned long long ticks = 0;
  for (int i = 0; i < watched_count; i++) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", watched[i]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (length <= 0) fail("process %d of the proxy is gone", watched[i]);
    text[length] = 0;
    unsigned long long user, system;
    char *fields = strrchr(text, ')');
    if (!fields || sscanf(fields + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
      fail("%s is not readable", path);
    ticks += user + system;
  }
  return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

// Never outlives the program that started it.
static void start_up(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  pattern_init();
}

#endif
