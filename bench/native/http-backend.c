// HTTP/1.1 backend, one epoll thread: prebuilt answers, one send each. It checks what it is asked: unknown paths get 404,
// a lost header or a wrong request body gets 400, so the load client sees a broken proxy as a wrong status.
#include "common.h"
#include "http-message.h"
#include "http-payloads.h"

#define CHUNK 256

struct answer {
  char *bytes;
  size_t length;
};

struct connection {
  int fd, reading_body, close_after;
  struct body body;
  const struct answer *answer;    // being sent, or to be sent when the request body is complete
  size_t sent;
  int sending;
  size_t held;                    // bytes of an incomplete head
  char *head;
};

static int epoll;
static char buffer[READ_SIZE];
static struct answer answers[PAYLOAD_COUNT], bad_request, not_found;

static struct answer build(const char *status, const char *body, size_t length, int chunked) {
  char date[64];
  time_t now = time(NULL);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
  struct answer answer = {.bytes = malloc(length + length / CHUNK * 16 + 1024)};
  int head = sprintf(answer.bytes, "HTTP/1.1 %s\r\nServer: backend\r\nDate: %s\r\nContent-Type: text/plain\r\n", status, date);
  char *end = answer.bytes + head;
  if (!chunked) {
    end += sprintf(end, "Content-Length: %zu\r\n\r\n", length);
    memcpy(end, body, length);
    end += length;
  } else {
    end += sprintf(end, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < length; at += CHUNK) {
      end += sprintf(end, "%x\r\n", CHUNK);
      memcpy(end, body + at, CHUNK);
      end += CHUNK;
      end += sprintf(end, "\r\n");
    }
    end += sprintf(end, "0\r\n\r\n");
  }
  answer.length = (size_t)(end - answer.bytes);
  return answer;
}

static void build_answers(void) {
  for (int i = 0; i < PAYLOAD_COUNT; i++)
    answers[i] = build("200 OK", response_body(&payloads[i]), payloads[i].response_length, payloads[i].chunked);
  bad_request = build("400 Bad Request", "", 0, 0);
  not_found = build("404 Not Found", "", 0, 0);
}

static const struct payload *payload_of(const struct head *head) {
  const char *path = memchr(head->start, ' ', head->length);
  if (!path) return NULL;
  for (int i = 0; i < PAYLOAD_COUNT; i++) {
    size_t length = strlen(payloads[i].path);
    if (!strncmp(path + 1, payloads[i].path, length) && path[1 + length] == ' ') return &payloads[i];
  }
  return NULL;
}

static int send_answer(struct connection *connection) {
  const struct answer *answer = connection->answer;
  ssize_t sent = send(connection->fd, answer->bytes + connection->sent, answer->length - connection->sent, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return 0;
  if (sent > 0) connection->sent += (size_t)sent;
  int done = connection->sent == answer->length;
  if (done != !connection->sending)
    watch(epoll, EPOLL_CTL_MOD, connection->fd, done ? EPOLLIN : EPOLLOUT, (uint64_t)(uintptr_t)connection);
  connection->sending = !done;
  return !(done && connection->close_after);
}

static void begin_request(struct connection *connection, const struct head *head) {
  const struct payload *payload = payload_of(head);
  connection->close_after = head->close;
  connection->sent = 0;
  if (!payload || head->lines < payload->minimum_lines) {
    connection->answer = payload ? &bad_request : &not_found;
    connection->close_after = 1;
    return;
  }
  connection->answer = &answers[payload - payloads];
  body_begin(&connection->body, head, pattern, payload->request_length);
  if (connection->body.state == COMPLETE && payload->request_length) connection->answer = &bad_request;
  connection->reading_body = connection->body.state != COMPLETE;
}

static int hold(struct connection *connection, const char *bytes, size_t length) {
  if (length > HEAD_SIZE) return 0;
  if (!connection->head) connection->head = malloc(HEAD_SIZE);
  memmove(connection->head, bytes, length);
  connection->held = length;
  return 1;
}

// Takes one request at a time; a proxy that pipelines is answered in order.
static int take(struct connection *connection, const char *bytes, size_t length) {
  while (length > 0) {
    if (!connection->reading_body) {
      struct head head;
      if (connection->sending || !head_parse(&head, bytes, length)) return hold(connection, bytes, length);
      begin_request(connection, &head);
      bytes += head.length;
      length -= head.length;
    }
    if (connection->reading_body) {
      ssize_t used = body_feed(&connection->body, bytes, length);
      if (used < 0) {
        connection->answer = &bad_request;
        connection->close_after = 1;
        length = 0;
      } else {
        bytes += used;
        length -= (size_t)used;
        if (connection->body.state != COMPLETE) return 1;
      }
      connection->reading_body = 0;
    }
    if (!send_answer(connection)) return 0;
  }
  return 1;
}

static int take_held(struct connection *connection, size_t length) {
  size_t held = connection->held;
  connection->held = 0;
  memcpy(buffer, connection->head, held);
  return take(connection, buffer, held + length);
}

static int readable(struct connection *connection) {
  ssize_t length = recv(connection->fd, buffer + connection->held, sizeof buffer - connection->held, 0);
  if (length < 0) return errno == EAGAIN;
  if (length == 0) return 0;
  return connection->held ? take_held(connection, (size_t)length) : take(connection, buffer, (size_t)length);
}

static int writable(struct connection *connection) {
  if (!send_answer(connection)) return 0;
  return connection->sending || !connection->held || take_held(connection, 0);
}

static void drop(struct connection *connection) {
  close(connection->fd);
  free(connection->head);
  free(connection);
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
  build_answers();
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
