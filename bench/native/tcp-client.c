// TCP load client, one epoll thread. Every byte that comes back is compared; the first wrong one ends the run.
//   rr    N connections, each sends a message and awaits its echo
//   bulk  N connections, each asks for a counted stream of the pattern again and again
//   rate  N at a time: connect, send the first message, await its echo, close
//   idle  opens connections in two steps and holds them; each has had its first message echoed, and has one more at the end
#include "common.h"
#include "span.h"

#define BULK_REQUEST (64ull << 20)
#define OPENING_AT_ONCE 128

struct connection {
  int fd, connected, settled;     // settled: idle, nothing is expected of it
  uint64_t sequence;              // messages answered so far
  size_t sent, received;          // of the message under way
  uint64_t offset, due;           // bulk: position in the pattern, end of the stream asked for
  int64_t started;
};

static int epoll, number;
static size_t size;
static struct sockaddr_in target;
static struct connection *connections;
static char buffer[READ_SIZE], first_message[PATTERN_SPAN];

static void arm(int index, uint32_t events, int operation) {
  watch(epoll, operation, connections[index].fd, events, (uint64_t)index);
}

static void open_connection(int index) {
  struct connection *connection = &connections[index];
  memset(connection, 0, sizeof *connection);
  connection->started = now_ns();
  connection->fd = connect_to(&target);
  arm(index, EPOLLOUT, EPOLL_CTL_ADD);
}

// Each message of each connection is another stretch of the pattern: a stale or foreign answer is seen.
static const char *message_of(int index) {
  uint64_t sequence = connections[index].sequence;
  if (sequence == 0) return first_message;
  return pattern + ((uint64_t)index * 7919 + sequence * 131) % PATTERN_PERIOD;
}

static void send_message(int index) {
  struct connection *connection = &connections[index];
  ssize_t sent = send(connection->fd, message_of(index) + connection->sent, size - connection->sent, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) fail("connection %d: send: %s", index, strerror(errno));
  if (sent > 0) connection->sent += (size_t)sent;
  if (connection->sent < size) arm(index, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static void next_message(int index) {
  struct connection *connection = &connections[index];
  connection->sequence++;
  connection->sent = connection->received = 0;
  connection->started = now_ns();
  send_message(index);
}

static ssize_t receive(int index) {
  ssize_t length = recv(connections[index].fd, buffer, sizeof buffer, 0);
  if (length < 0 && errno == EAGAIN) return 0;
  if (length < 0) fail("connection %d: recv: %s", index, strerror(errno));
  if (length == 0)
    fail("connection %d: closed by the proxy after %llu answers", index,
         (unsigned long long)connections[index].sequence);
  return length;
}

// True when the whole echo has come back.
static int receive_echo(int index) {
  struct connection *connection = &connections[index];
  size_t length = (size_t)receive(index);
  if (connection->received + length > connection->sent) fail("connection %d: more bytes than were sent", index);
  if (memcmp(buffer, message_of(index) + connection->received, length))
    fail("connection %d: wrong byte in answer %llu", index, (unsigned long long)connection->sequence);
  connection->received += length;
  done_bytes += length;
  return connection->received == size;
}

static void finish(int index) {
  close(connections[index].fd);
  finished++;
}

static void request_bulk(int index) {
  struct connection *connection = &connections[index];
  char request[OPENING_SIZE + 8];
  uint64_t count = BULK_REQUEST;
  size_t length = 0;
  if (connection->due == 0) {
    memcpy(request, OPENING_BULK, OPENING_SIZE);
    length = OPENING_SIZE;
  }
  memcpy(request + length, &count, 8);
  length += 8;
  connection->due += count;
  if (send(connection->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
    fail("connection %d: the request for a stream was not taken", index);
}

static void receive_bulk(int index) {
  struct connection *connection = &connections[index];
  size_t length = (size_t)receive(index);
  if (connection->offset + length > connection->due) fail("connection %d: more bytes than were asked for", index);
  if (!pattern_matches(buffer, length, connection->offset))
    fail("connection %d: wrong byte at or after offset %llu", index, (unsigned long long)connection->offset);
  connection->offset += length;
  done_bytes += length;
  if (finishing && length > 0) {
    finish(index);
    return;
  }
  if (connection->offset == connection->due) request_bulk(index);
}

static void established(int index) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(connections[index].fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error) fail("connection %d: connect: %s", index, strerror(error));
  connections[index].connected = 1;
  arm(index, EPOLLIN, EPOLL_CTL_MOD);
}

// --- what each mode does with an event on an established connection ---

static void on_rr(int index) {
  struct connection *connection = &connections[index];
  if (!receive_echo(index)) return;
  count_request(connection->started, now_ns());
  if (finishing) finish(index);
  else next_message(index);
}

static void on_rate(int index) {
  if (!receive_echo(index)) return;
  count_request(connections[index].started, now_ns());
  if (finishing) {
    finish(index);
    return;
  }
  close(connections[index].fd);
  open_connection(index);
}

static int open_count;

static void on_idle(int index) {
  struct connection *connection = &connections[index];
  if (connection->settled && receive(index) > 0) fail("connection %d: bytes that nobody asked for", index);
  if (!receive_echo(index)) return;
  connection->settled = 1;
  open_count++;
}

static void step(void (*on_readable)(int), int bulk, int timeout_ms) {
  struct epoll_event events[MAX_EVENTS];
  int count = epoll_wait(epoll, events, MAX_EVENTS, timeout_ms);
  for (int i = 0; i < count; i++) {
    int index = (int)events[i].data.u64;
    if (!connections[index].connected) {
      established(index);
      if (bulk)
        request_bulk(index);
      else
        send_message(index);
    } else if (events[i].events & EPOLLOUT) {
      arm(index, EPOLLIN, EPOLL_CTL_MOD);
      send_message(index);
    } else {
      on_readable(index);
    }
  }
}

static void run_span(void (*on_readable)(int), int bulk) {
  for (int i = 0; i < number; i++) open_connection(i);
  do step(on_readable, bulk, 100);
  while (!span_over());
  while (!all_answered(number)) step(on_readable, bulk, 100);
}

static void open_up_to(int goal) {
  int started = open_count;
  while (open_count < goal) {
    while (started < goal && started - open_count < OPENING_AT_ONCE) open_connection(started++);
    step(on_idle, 0, 5000);
  }
}

// Every held connection must still work.
static void use_all_once(void) {
  open_count = 0;
  for (int i = 0; i < number; i++) {
    connections[i].settled = 0;
    next_message(i);
  }
  while (open_count < number) step(on_idle, 0, 5000);
}

static void run_idle(int first) {
  open_up_to(first);
  tell_open_and_wait(first);
  open_up_to(number);
  tell_open_and_wait(number);
  use_all_once();
  printf("{\"alive\":%d}\n", number);
}

int main(int argc, char **argv) {
  start_up();
  const char *mode = argument(argc, argv, "--mode", NULL);
  target = address_of(argument(argc, argv, "--host", "127.0.0.1"), atoi(argument(argc, argv, "--port", NULL)));
  number = atoi(argument(argc, argv, "--connections", "50"));
  size = (size_t)atoi(argument(argc, argv, "--size", "64"));
  parse_watched(argument(argc, argv, "--watch", ""));
  if (size < OPENING_SIZE || size > PATTERN_SPAN) fail("--size must be %d to %d", OPENING_SIZE, PATTERN_SPAN);
  memcpy(first_message, pattern, size);
  memcpy(first_message, OPENING_ECHO, OPENING_SIZE);
  connections = calloc((size_t)number, sizeof *connections);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  span_begin(argc, argv);
  if (!strcmp(mode, "rr")) run_span(on_rr, 0);
  else if (!strcmp(mode, "bulk")) run_span(receive_bulk, 1);
  else if (!strcmp(mode, "rate")) run_span(on_rate, 0);
  else if (!strcmp(mode, "idle")) run_idle(atoi(argument(argc, argv, "--first", "100")));
  else fail("unknown mode %s", mode);
  return 0;
}
