// HTTP/1.1 keep-alive load client, one epoll thread: every response's status, framing and body are checked. Built with
// WITH_TLS it is an HTTPS client, which also checks the certificate.
//   load  N connections, each asks again as soon as it is answered
//   rate  N at a time: connect, ask, check the answer, close
//   idle  opens connections in two steps and holds them; each has had one answer, and gets one more at the end
#include "common.h"
#include "http-message.h"
#include "http-payloads.h"
#include "span.h"
#include "wire.h"

#define OPENING_AT_ONCE 128

struct connection {
  struct wire wire;
  int connected, secured, reading_body, asking;
  int64_t started;
  struct body body;
  size_t sent, held;
  char *head;                     // an incomplete head, rare
};

static int epoll, number, idle, rate, open_count;
static struct sockaddr_in target;
static struct connection *connections;
static const struct payload *payload;
static char buffer[READ_SIZE], request[HEAD_SIZE];
static size_t request_length;

static void build_request(const char *host) {
  int head = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", payload->request_length ? "POST" : "GET",
                      payload->path, host, payload->headers);
  if (payload->request_length)
    head += sprintf(request + head, "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n", payload->request_length);
  head += sprintf(request + head, "\r\n");
  memcpy(request + head, pattern, payload->request_length);
  request_length = (size_t)head + payload->request_length;
}

static void arm(int index, uint32_t events, int operation) {
  watch(epoll, operation, connections[index].wire.fd, events, (uint64_t)index);
}

static void open_connection(int index) {
  struct connection *connection = &connections[index];
  free(connection->head);
  memset(connection, 0, sizeof *connection);
  connection->started = now_ns();
  wire_open(&connection->wire, &target);
  arm(index, EPOLLOUT, EPOLL_CTL_ADD);
}

static void send_request(int index) {
  struct connection *connection = &connections[index];
  ssize_t sent = wire_send(&connection->wire, request + connection->sent, request_length - connection->sent);
  if (sent < 0 && errno != EAGAIN) fail("connection %d: send: %s", index, strerror(errno));
  if (sent > 0) connection->sent += (size_t)sent;
  if (connection->sent < request_length) arm(index, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static void ask(int index) {
  connections[index].asking = 1;
  connections[index].sent = 0;
  if (!rate) connections[index].started = now_ns();
  send_request(index);
}

static void answered(int index) {
  struct connection *connection = &connections[index];
  count_request(connection->started, now_ns());
  connection->reading_body = connection->asking = 0;
  if (idle) {
    open_count++;
  } else if (finishing) {
    wire_close(&connection->wire);
    finished++;
  } else if (rate) {
    wire_close(&connection->wire);
    open_connection(index);
  } else {
    ask(index);
  }
}

static void check_head(int index, const struct head *head) {
  if (head->length < 16 || memcmp(head->start, "HTTP/1.1 200", 12))
    fail("connection %d: answered %.*s", index, (int)(head->length < 40 ? head->length : 40), head->start);
  if (head->close) fail("connection %d: the proxy ends a keep-alive connection", index);
  if (!head->chunked && head->content_length < 0) fail("connection %d: a response without framing", index);
  if (head->chunked && head->content_length >= 0) fail("connection %d: a response with two framings", index);
  if (!head->chunked && (size_t)head->content_length != payload->response_length)
    fail("connection %d: Content-Length %lld instead of %zu", index, (long long)head->content_length,
         payload->response_length);
}

static void begin_response(int index, const struct head *head) {
  struct connection *connection = &connections[index];
  check_head(index, head);
  connection->reading_body = 1;
  body_begin(&connection->body, head, response_body(payload), payload->response_length);
}

static void hold(int index, const char *bytes, size_t length) {
  struct connection *connection = &connections[index];
  if (length > HEAD_SIZE) fail("connection %d: a response head without an end", index);
  if (!connection->head) connection->head = malloc(HEAD_SIZE);
  memcpy(connection->head, bytes, length);
  connection->held = length;
}

static void take(int index, const char *bytes, size_t length) {
  struct connection *connection = &connections[index];
  if (!connection->asking) fail("connection %d: bytes that nobody asked for", index);
  if (!connection->reading_body) {
    struct head head;
    if (!head_parse(&head, bytes, length)) {
      hold(index, bytes, length);
      return;
    }
    begin_response(index, &head);
    bytes += head.length;
    length -= head.length;
  }
  ssize_t used = body_feed(&connection->body, bytes, length);
  if (used < 0) fail("connection %d: a wrong body", index);
  if (connection->body.state != COMPLETE) return;
  if ((size_t)used < length) fail("connection %d: bytes after the response", index);
  answered(index);
}

// True when there was something.
static int receive(int index) {
  struct connection *connection = &connections[index];
  size_t held = connection->held;
  ssize_t length = wire_receive(&connection->wire, buffer + held, sizeof buffer - held);
  if (length < 0 && errno == EAGAIN) return 0;
  if (length < 0) fail("connection %d: recv: %s", index, strerror(errno));
  if (length == 0) fail("connection %d: closed by the proxy in the middle of an exchange", index);
  if (held) memcpy(buffer, connection->head, held);
  connection->held = 0;
  done_bytes += (uint64_t)length;
  take(index, buffer, held + (size_t)length);
  return 1;
}

static void on_readable(int index) {
  while (receive(index) && wire_holds_more(&connections[index].wire)) continue;
}

// Asks as soon as the handshake, if there is one, is done.
static void secure(int index) {
  if (!wire_handshake(&connections[index].wire, index)) return;
  connections[index].secured = 1;
  ask(index);
}

static void established(int index) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(connections[index].wire.fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error) fail("connection %d: connect: %s", index, strerror(error));
  connections[index].connected = 1;
  arm(index, EPOLLIN, EPOLL_CTL_MOD);
  secure(index);
}

static void step(int timeout_ms) {
  struct epoll_event events[MAX_EVENTS];
  int count = epoll_wait(epoll, events, MAX_EVENTS, timeout_ms);
  for (int i = 0; i < count; i++) {
    int index = (int)events[i].data.u64;
    if (!connections[index].connected) {
      established(index);
    } else if (!connections[index].secured) {
      secure(index);
    } else if (events[i].events & EPOLLOUT) {
      arm(index, EPOLLIN, EPOLL_CTL_MOD);
      send_request(index);
    } else {
      on_readable(index);
    }
  }
}

static void run_load(void) {
  for (int i = 0; i < number; i++) open_connection(i);
  do step(100);
  while (!span_over());
  while (!all_answered(number)) step(100);
}

static void open_up_to(int goal) {
  int started = open_count;
  while (open_count < goal) {
    while (started < goal && started - open_count < OPENING_AT_ONCE) open_connection(started++);
    step(5000);
  }
}

static void use_all_once(void) {
  open_count = 0;
  for (int i = 0; i < number; i += OPENING_AT_ONCE) {
    int end = i + OPENING_AT_ONCE < number ? i + OPENING_AT_ONCE : number;
    for (int j = i; j < end; j++) ask(j);
    while (open_count < end) step(5000);
  }
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
  const char *mode = argument(argc, argv, "--mode", NULL), *name = argument(argc, argv, "--request", "get");
  target = address_of(argument(argc, argv, "--host", "127.0.0.1"), atoi(argument(argc, argv, "--port", NULL)));
  number = atoi(argument(argc, argv, "--connections", "64"));
  parse_watched(argument(argc, argv, "--watch", ""));
  for (int i = 0; i < PAYLOAD_COUNT; i++)
    if (!strcmp(payloads[i].name, name)) payload = &payloads[i];
  if (!payload) fail("unknown request %s", name);
  wire_setup(argument(argc, argv, "--ca", ""), !strcmp(argument(argc, argv, "--resume", "no"), "yes"), number);
  build_request("alpha.localhost");
  connections = calloc((size_t)number, sizeof *connections);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  span_begin(argc, argv);
  idle = !strcmp(mode, "idle");
  rate = !strcmp(mode, "rate");
  if (idle) run_idle(atoi(argument(argc, argv, "--first", "100")));
  else run_load();
  return 0;
}
