/* What a connection does with the bytes it has: one step of the drawing in http_conn.h at a time. Loop thread only. */
#pragma once

#include "runtime-api/http/http_conn.h"

/* Makes one step; false when it needs more input, room to write, or an event, or is closed. */
bool http_step(struct http_conn *conn);
