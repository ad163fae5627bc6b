/* Answers of the Runtime API as bytes: what http_conn.h calls http_conn_answer, _send_event and _refuse. */
#include <string.h>

#include "runtime-api/http/http_conn.h"

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {{200, "OK"},
                   {202, "Accepted"},
                   {400, "Bad Request"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {413, "Request Entity Too Large"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

void http_conn_answer(struct http_conn *conn, const struct http_answer *answer)
{
    CLEANUP(buf_free) struct buf head = BUF_INIT(LIMIT_EVENT_HEAD_BYTES);
    int rc = buf_printf(&head, "HTTP/1.1 %d %s\r\n", answer->status, reason(answer->status));
    if (rc == 0 && answer->content_type)
        rc = buf_printf(&head, "Content-Type: %s\r\n", answer->content_type);
    if (rc == 0 && answer->headers)
        rc = buf_puts(&head, answer->headers);
    if (rc == 0)
        rc = buf_printf(&head, "Content-Length: %zu\r\n%s\r\n", answer->body_len, conn->close_after ? "Connection: close\r\n" : "");
    if (rc == 0)
        rc = sender_put(&conn->out, head.data, head.len);
    if (rc == 0)
        rc = sender_put(&conn->out, answer->body, answer->body_len);
    if (rc < 0) { /* no memory: the peer sees a closed connection */
        sender_clear(&conn->out);
        conn->close_after = true;
    }
    conn->answered = true;
}

void http_conn_send_event(struct http_conn *conn)
{
    struct delivery *d = &conn->session->delivery;
    const char *end = conn->close_after ? "Connection: close\r\n\r\n" : "\r\n";
    int rc = sender_put(&conn->out, d->head.data, d->head.len);
    if (rc == 0)
        rc = sender_put(&conn->out, end, strlen(end));
    if (rc == 0)
        rc = sender_lend(&conn->out, d->payload, d->payload_len);
    if (rc < 0) {
        sender_clear(&conn->out);
        conn->close_after = true;
    }
    conn->answered = conn->sends_event = true;
}

void http_conn_refuse(struct http_conn *conn, int status)
{
    conn->close_after = conn->linger = true;
    http_conn_answer(conn, &(struct http_answer){.status = status,
                                                 .content_type = "text/plain; charset=utf-8",
                                                 .body = reason(status),
                                                 .body_len = strlen(reason(status))});
    http_conn_set_state(conn, HTTP_CONN_ANSWER);
}
