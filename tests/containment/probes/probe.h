/* The hostile function: a custom runtime in plain C that does on request what a function must not be able to
 * do, and says what happened. An event {"probe":NAME,"arg":TEXT} is answered by
 * {"probe":NAME,"values":{KEY:VALUE,...}}; errors are values by their names ("EPERM"), success is "0". What
 * must come out is not known here: ../expected.py has it.
 *
 * The same program runs one probe and prints the answer: probe --one NAME [ARG]. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PROBE_OUT_MAX 65536

/* An answer being written; values are added in order. */
struct answer {
    char text[PROBE_OUT_MAX];
    size_t len;
    unsigned values;
};

/* The invocation a probe runs in; id is empty under --one. */
struct visit {
    char id[128];
    char last_id[128]; /* of the invocation before */
    const char *arg;
    bool answered; /* set by a probe that spoke to the Runtime API itself */
};

struct probe {
    const char *name;
    void (*run)(struct visit *visit, struct answer *answer);
};

extern const struct probe probes_view[], probes_limits[], probes_api[]; /* each ends with a NULL name */

void answer_errno(struct answer *answer, const char *key, int code); /* 0 becomes "0" */
void answer_number(struct answer *answer, const char *key, long value);
void answer_text(struct answer *answer, const char *key, const char *value);

/* api.c: the Runtime API's client. */
int api_connect(void); /* a socket, or -1 with errno */
/* Sends a request of those parts on a new connection, reads the answer's head and up to cap bytes of its
 * body. The status, or -1 when the connection broke. head and body may be NULL. */
int api_request(const char *method, const char *path, const char *headers, const char *body, char *head, size_t head_cap, char *out,
                size_t cap);
/* Sends len raw bytes on a new connection; the status of what comes back, 0 for a closed connection, -1 for
 * none. */
int api_raw(const char *bytes, size_t len);
