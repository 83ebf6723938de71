// TLS 1.3 with one cipher suite, so that every proxy does the same work; the certificate must be one of --ca, for the
// name that is asked for. With --resume yes each lane begins with a full handshake and every later one must be resumed.
#ifndef BENCH_WIRE_TLS_H
#define BENCH_WIRE_TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#define SERVER_NAME "alpha.localhost"

struct wire {
  int fd, offered;                // offered: a session to resume
  SSL *tls;
};

static SSL_CTX *tls_context;
static SSL_SESSION **tls_sessions;  // by lane, the newest; NULL: nothing is resumed
static char *tls_known;             // lanes that have had a full handshake

static const char *tls_reason(void) {
  unsigned long code = ERR_get_error();
  const char *reason = code ? ERR_reason_error_string(code) : NULL;
  return reason ? reason : "the connection broke";
}

static int keep_session(SSL *tls, SSL_SESSION *session) {
  int lane = (int)(intptr_t)SSL_get_app_data(tls);
  SSL_SESSION_free(tls_sessions[lane]);
  tls_sessions[lane] = session;
  return 1;
}

static void wire_setup(const char *ca, int resume, int lanes) {
  tls_context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(tls_context, TLS1_3_VERSION);
  if (!SSL_CTX_set_ciphersuites(tls_context, "TLS_AES_128_GCM_SHA256") ||
      !SSL_CTX_set1_groups_list(tls_context, "X25519") || !SSL_CTX_load_verify_locations(tls_context, ca, NULL))
    fail("TLS could not be set up with --ca %s: %s", ca, tls_reason());
  SSL_CTX_set_verify(tls_context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(tls_context, 1);
  if (!resume) return;
  tls_sessions = calloc((size_t)lanes, sizeof *tls_sessions);
  tls_known = calloc((size_t)lanes, 1);
  SSL_CTX_set_session_cache_mode(tls_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(tls_context, keep_session);
}

static void wire_open(struct wire *wire, const struct sockaddr_in *address) {
  *wire = (struct wire){.fd = connect_to(address)};
}

static void tls_begin(struct wire *wire, int index) {
  wire->tls = SSL_new(tls_context);
  if (!wire->tls || !SSL_set_fd(wire->tls, wire->fd)) fail("SSL_new: %s", tls_reason());
  SSL_set_app_data(wire->tls, (char *)(intptr_t)index);
  SSL_set_tlsext_host_name(wire->tls, SERVER_NAME);
  SSL_set1_host(wire->tls, SERVER_NAME);
  if (!tls_sessions) return;
  if (tls_known[index] && !tls_sessions[index]) fail("connection %d: the proxy gave no session to resume", index);
  wire->offered = tls_known[index];
  tls_known[index] = 1;
  if (!wire->offered) return;
  // A copy: not every server gives a new session to who has resumed one, and OpenSSL uses none twice.
  SSL_SESSION *session = SSL_SESSION_dup(tls_sessions[index]);
  SSL_set_session(wire->tls, session);
  SSL_SESSION_free(session);
}

// True when it is done.
static int wire_handshake(struct wire *wire, int index) {
  if (!wire->tls) tls_begin(wire, index);
  int outcome = SSL_connect(wire->tls);
  if (outcome == 1) {
    if (wire->offered && !SSL_session_reused(wire->tls)) fail("connection %d: the session was not resumed", index);
    return 1;
  }
  if (SSL_get_error(wire->tls, outcome) != SSL_ERROR_WANT_READ) fail("connection %d: TLS: %s", index, tls_reason());
  return 0;
}

// As send(2) and recv(2): -1 with EAGAIN when there is nothing to do.
static ssize_t tls_outcome(struct wire *wire, int outcome) {
  if (outcome > 0) return outcome;
  int error = SSL_get_error(wire->tls, outcome);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) errno = EAGAIN;
  else if (error == SSL_ERROR_SSL) fail("TLS: %s", tls_reason());
  else if (!errno) return 0;
  return -1;
}

static inline ssize_t wire_send(struct wire *wire, const char *bytes, size_t length) {
  return tls_outcome(wire, SSL_write(wire->tls, bytes, (int)length));
}

static inline ssize_t wire_receive(struct wire *wire, char *bytes, size_t length) {
  errno = 0;
  return tls_outcome(wire, SSL_read(wire->tls, bytes, (int)length));
}

// Records that were read from the socket with others: epoll does not tell of them.
static inline int wire_holds_more(const struct wire *wire) { return wire->tls && SSL_has_pending(wire->tls); }

// As after a proper farewell: else the session could not be resumed.
static void wire_close(struct wire *wire) {
  if (wire->tls) {
    SSL_set_shutdown(wire->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(wire->tls);
    wire->tls = NULL;
  }
  close(wire->fd);
}

#endif
