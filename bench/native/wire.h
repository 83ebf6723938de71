// What the bytes of an HTTP client go through: a socket, or with WITH_TLS a TLS connection over it.
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "common.h"

#ifdef WITH_TLS
#include "wire-tls.h"
#else

struct wire {
  int fd;
};

static void wire_setup(const char *ca, int resume, int lanes) {
  (void)lanes;
  if (*ca || resume) fail("--ca and --resume need the client that was built with TLS");
}

static void wire_open(struct wire *wire, const struct sockaddr_in *address) { wire->fd = connect_to(address); }

static int wire_handshake(struct wire *wire, int index) {
  (void)wire, (void)index;
  return 1;
}

static inline ssize_t wire_send(struct wire *wire, const char *bytes, size_t length) {
  return send(wire->fd, bytes, length, MSG_NOSIGNAL);
}

static inline ssize_t wire_receive(struct wire *wire, char *bytes, size_t length) {
  return recv(wire->fd, bytes, length, 0);
}

static inline int wire_holds_more(const struct wire *wire) {
  (void)wire;
  return 0;
}

static void wire_close(struct wire *wire) { close(wire->fd); }

#endif
#endif
