/* picohttpparser, as Debian's libh2o-evloop exports it; no header of it is packaged, so its part that we use is declared
 * here, in the layout of the copy inside h2o 2.2.5. Link PkgConfig::H2O. Parses in place, allocates nothing. Any thread.
 *
 *     size_t n = ARRAY_LEN(headers);
 *     int used = phr_parse_request(data, len, &method, &method_len, &path, &path_len, &minor, headers, &n, last_len);
 *
 * All return the bytes used, -2 when more input is needed, -1 for a malformed one.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct phr_header {
    const char *name; /* NULL: a continuation line of the header before (obs-fold) */
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* *num_headers holds the capacity before and the count after. last_len: how much of buf the call before had seen (0: none),
 * so that a head that comes in small pieces is not parsed again and again. */
int phr_parse_request(const char *buf, size_t len, const char **method, size_t *method_len, const char **path, size_t *path_len,
                      int *minor_version, struct phr_header *headers, size_t *num_headers, size_t last_len);
int phr_parse_response(const char *buf, size_t len, int *minor_version, int *status, const char **msg, size_t *msg_len,
                       struct phr_header *headers, size_t *num_headers, size_t last_len);
int phr_parse_headers(const char *buf, size_t len, struct phr_header *headers, size_t *num_headers, size_t last_len);

struct phr_chunked_decoder { /* all zero before the first call */
    size_t bytes_left_in_chunk;
    char consume_trailer; /* 1: trailers are skipped, 0: they stay behind the data for phr_parse_headers */
    char hex_count, state;
};

/* Decodes in place: *len becomes the length of the data at the front. -2: not the end yet; >= 0: the end was found, and that many
 * bytes of what follows lie right behind the data. */
ssize_t phr_decode_chunked(struct phr_chunked_decoder *decoder, char *buf, size_t *len);
