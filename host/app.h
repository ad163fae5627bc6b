/* The composition root: makes every part of stoked, in order, runs the loop, and takes it apart again. One thread.
 *
 *     app_start(config, &app, &err);      // as root or not; without privileges when it returns
 *     status = app_run(app);              // until SIGTERM, SIGINT or the loss of the monitor
 *     app_free(app);
 */
#pragma once

#include "host/config.h"

struct app;

/* config is borrowed for the app's life. */
int app_start(const struct config *config, struct app **ret_app, struct err *err) WARN_UNUSED;
/* The process's exit status. */
int app_run(struct app *app);
void app_free(struct app *app);
