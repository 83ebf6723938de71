// TCP backend. The opening line of a connection says what it does: `echo` returns every byte, the line included;
// `bulk` reads 8-byte little-endian counts and streams that many bytes of the pattern for each.
#include "common.h"

enum mode { OPENING, ECHO, BULK };

struct connection {
  int fd;
  enum mode mode;
  unsigned opening_length;
  char opening[OPENING_SIZE];
  uint64_t offset, owed;          // bulk: position in the pattern, bytes still to stream
  unsigned count_length;
  unsigned char count[8];
  char *unsent;                   // echo: what a full socket did not take
  size_t unsent_length, unsent_at;
};

static int epoll;
static char buffer[READ_SIZE];

static void drop(struct connection *connection) {
  close(connection->fd);
  free(connection->unsent);
  free(connection);
}

static void want(struct connection *connection, uint32_t events) {
  watch(epoll, EPOLL_CTL_MOD, connection->fd, events, (uint64_t)(uintptr_t)connection);
}

// Returns 0 when the connection is broken.
static int echo(struct connection *connection, const char *bytes, size_t length) {
  ssize_t sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return 0;
  if (sent < 0) sent = 0;
  if ((size_t)sent == length) return 1;
  connection->unsent_length = length - (size_t)sent;
  connection->unsent_at = 0;
  connection->unsent = malloc(connection->unsent_length);
  memcpy(connection->unsent, bytes + sent, connection->unsent_length);
  want(connection, EPOLLOUT);
  return 1;
}

static int flush_unsent(struct connection *connection) {
  ssize_t sent = send(connection->fd, connection->unsent + connection->unsent_at,
                      connection->unsent_length - connection->unsent_at, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN;
  connection->unsent_at += (size_t)sent;
  if (connection->unsent_at < connection->unsent_length) return 1;
  free(connection->unsent);
  connection->unsent = NULL;
  want(connection, EPOLLIN);
  return 1;
}

static int stream(struct connection *connection) {
  size_t length = connection->owed < PATTERN_SPAN ? connection->owed : PATTERN_SPAN;
  ssize_t sent = send(connection->fd, pattern + connection->offset % PATTERN_PERIOD, length, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN;
  connection->offset += (uint64_t)sent;
  connection->owed -= (uint64_t)sent;
  if (connection->owed == 0) want(connection, EPOLLIN);
  return 1;
}

// A client asks for one count at a time.
static int read_counts(struct connection *connection, const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (connection->owed) return 0;
    connection->count[connection->count_length++] = (unsigned char)bytes[i];
    if (connection->count_length < 8) continue;
    connection->count_length = 0;
    memcpy(&connection->owed, connection->count, 8);
    want(connection, EPOLLOUT);
  }
  return 1;
}

static int start(struct connection *connection, const char *bytes, size_t length) {
  size_t missing = OPENING_SIZE - connection->opening_length, part = length < missing ? length : missing;
  memcpy(connection->opening + connection->opening_length, bytes, part);
  connection->opening_length += (unsigned)part;
  if (connection->opening_length < OPENING_SIZE) return 1;
  if (!memcmp(connection->opening, OPENING_BULK, OPENING_SIZE)) {
    connection->mode = BULK;
    return read_counts(connection, bytes + part, length - part);
  }
  if (memcmp(connection->opening, OPENING_ECHO, OPENING_SIZE)) return 0;
  connection->mode = ECHO;
  if (part == OPENING_SIZE) return echo(connection, bytes, length);
  memmove(buffer + OPENING_SIZE, bytes + part, length - part);
  memcpy(buffer, connection->opening, OPENING_SIZE);
  return echo(connection, buffer, OPENING_SIZE + length - part);
}

static int readable(struct connection *connection) {
  ssize_t length = recv(connection->fd, buffer, sizeof buffer - OPENING_SIZE, 0);
  if (length < 0) return errno == EAGAIN;
  if (length == 0) return 0;
  if (connection->mode == ECHO) return echo(connection, buffer, (size_t)length);
  if (connection->mode == BULK) return read_counts(connection, buffer, (size_t)length);
  return start(connection, buffer, (size_t)length);
}

static int writable(struct connection *connection) {
  return connection->unsent ? flush_unsent(connection) : stream(connection);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    no_delay(fd);
    struct connection *connection = calloc(1, sizeof *connection);
    connection->fd = fd;
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, (uint64_t)(uintptr_t)connection);
  }
}

int main(void) {
  start_up();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_and_tell();
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, 0);
  struct epoll_event events[MAX_EVENTS];
  for (;;) {
    int count = epoll_wait(epoll, events, MAX_EVENTS, -1);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!connection)
        accept_all(listener);
      else if (!(events[i].events & EPOLLOUT ? writable(connection) : readable(connection)))
        drop(connection);
    }
  }
}
