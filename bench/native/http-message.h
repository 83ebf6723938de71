// HTTP/1.1 framing, as much as the load client and the backend need, on any split of the bytes: a head ends at an empty
// line; a body is counted or chunked and is compared with the expected bytes while it passes.
#ifndef BENCH_HTTP_MESSAGE_H
#define BENCH_HTTP_MESSAGE_H

#include "common.h"
#include <strings.h>

#define HEAD_SIZE (16 * 1024)

enum body_state { COUNTED, CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_END, TRAILER, COMPLETE };

struct body {
  enum body_state state;
  uint64_t left;                  // of the body, or of the chunk
  int digits, line;               // of the chunk size; length of the trailer line
  const char *expected;
  size_t expected_length, seen;
};

struct head {
  const char *start;              // first line
  size_t length;                  // empty line included
  int chunked, close, lines;
  int64_t content_length;         // -1: none
};

static void body_begin(struct body *body, const struct head *head, const char *expected, size_t expected_length) {
  *body = (struct body){.expected = expected, .expected_length = expected_length};
  if (head->chunked) {
    body->state = CHUNK_SIZE;
  } else {
    body->left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    body->state = body->left ? COUNTED : COMPLETE;
  }
}

static int body_data(struct body *body, const char *bytes, size_t length) {
  if (body->seen + length > body->expected_length || memcmp(bytes, body->expected + body->seen, length)) return 0;
  body->seen += length;
  body->left -= length;
  return 1;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One byte of chunked framing; 0 when it is malformed.
static int chunk_framing(struct body *body, char c) {
  int digit = body->state == CHUNK_SIZE ? hex_digit(c) : -1;
  if (digit >= 0) {
    if (++body->digits > 8) return 0;
    body->left = body->left * 16 + (unsigned)digit;
    return 1;
  }
  switch (body->state) {
    case CHUNK_SIZE:
    case CHUNK_EXTENSION:
      if (!body->digits) return 0;
      if (c != '\n') {
        body->state = CHUNK_EXTENSION;
        return 1;
      }
      body->state = body->left ? CHUNK_DATA : TRAILER;
      body->digits = body->line = 0;
      return 1;
    case CHUNK_END:
      if (c == '\n') body->state = CHUNK_SIZE;
      return c == '\r' || c == '\n';
    case TRAILER:
      if (c == '\n' && !body->line) body->state = COMPLETE;
      if (c == '\n') body->line = 0;
      else if (c != '\r') body->line++;
      return 1;
    default:
      return 0;
  }
}

// Returns how many bytes belong to the body, or -1 when it is malformed or not the expected one.
static ssize_t body_feed(struct body *body, const char *bytes, size_t length) {
  size_t used = 0;
  while (used < length && body->state != COMPLETE) {
    if (body->state == COUNTED || body->state == CHUNK_DATA) {
      size_t part = length - used < body->left ? length - used : body->left;
      if (!body_data(body, bytes + used, part)) return -1;
      used += part;
      if (!body->left) body->state = body->state == COUNTED ? COMPLETE : CHUNK_END;
    } else if (!chunk_framing(body, bytes[used++])) {
      return -1;
    }
  }
  if (body->state == COMPLETE && body->seen != body->expected_length) return -1;
  return (ssize_t)used;
}

static int value_has(const char *value, const char *end, const char *token) {
  size_t length = strlen(token);
  for (; value + length <= end; value++)
    if (!strncasecmp(value, token, length)) return 1;
  return 0;
}

static void head_line(struct head *head, const char *line, const char *end) {
  head->lines++;
  switch (*line | 32) {
    case 'c':
      if (end - line > 15 && !strncasecmp(line, "content-length:", 15)) head->content_length = strtoll(line + 15, NULL, 10);
      else if (end - line > 11 && !strncasecmp(line, "connection:", 11)) head->close = value_has(line + 11, end, "close");
      break;
    case 't':
      if (end - line > 18 && !strncasecmp(line, "transfer-encoding:", 18))
        head->chunked = value_has(line + 18, end, "chunked");
  }
}

// Parses the head at the start of the bytes; 0 when it is not complete.
static int head_parse(struct head *head, const char *bytes, size_t length) {
  const char *end = memmem(bytes, length, "\r\n\r\n", 4);
  if (!end) return 0;
  *head = (struct head){.start = bytes, .length = (size_t)(end - bytes) + 4, .content_length = -1};
  for (const char *line = bytes; line < end + 2;) {
    const char *line_end = memchr(line, '\n', (size_t)(end + 2 - line));
    head_line(head, line, line_end);
    line = line_end + 1;
  }
  return 1;
}

#endif
