// What is asked and what is answered; both sides hold the same bytes, so that both can check.
#ifndef BENCH_HTTP_PAYLOADS_H
#define BENCH_HTTP_PAYLOADS_H

#include "common.h"

#define GREETING "Hello, world!"
#define BROWSER_HEADERS                                                                                       \
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0 Safari/537.36\r\n" \
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"         \
  "Accept-Language: en-GB,en;q=0.9,de;q=0.7\r\n"                                                              \
  "Accept-Encoding: gzip, deflate, br, zstd\r\n"                                                              \
  "Cache-Control: max-age=0\r\n"                                                                              \
  "Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1\r\n"                               \
  "Referer: http://alpha.localhost/overview?page=3\r\n"                                                       \
  "Sec-Fetch-Dest: document\r\n"                                                                              \
  "Sec-Fetch-Mode: navigate\r\n"                                                                              \
  "Sec-Fetch-Site: same-origin\r\n"
#define BROWSER_HEADER_COUNT 10

struct payload {
  const char *name, *path, *headers;
  size_t request_length, response_length;  // of the bodies; both are the start of the pattern, but for the greeting
  int chunked;                             // the response
  int minimum_lines;                       // of the request head as the backend sees it: start line, Host, headers
};

static const struct payload payloads[] = {
  {"get", "/hello", "", 0, 13, 0, 2},
  {"headers", "/headers", BROWSER_HEADERS, 0, 13, 0, 2 + BROWSER_HEADER_COUNT},
  {"get-1k", "/1k", "", 0, 1024, 0, 2},
  {"get-64k", "/64k", "", 0, 65536, 0, 2},
  {"post-1k", "/post", "", 1024, 13, 0, 3},
  {"chunked", "/chunked", "", 0, 1024, 1, 2},
};
#define PAYLOAD_COUNT ((int)(sizeof payloads / sizeof *payloads))

static const char *response_body(const struct payload *payload) {
  return payload->response_length == 13 ? GREETING : pattern;
}

#endif
