/* stoked: reads the configuration, then lives in app.c. */
#include <malloc.h>
#include <stdio.h>

#include "host/app.h"
#include "host/config.h"
#include "lib/base/log.h"

#define KEPT_BYTES (64 << 20)
#define HEAP_BLOCK_BYTES_MAX (32 << 20) /* glibc's own limit */

/* Deployments come in blocks of megabytes, and fresh pages for one cost the loop five times what copying it does: so what a block had is
 * kept for the next. */
static void keep_freed_pages(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_BYTES_MAX);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

int main(int argc, char **argv)
{
    struct config *config = NULL;
    struct app *app = NULL;
    enum config_action action;
    struct err err;
    if (config_load(argc, argv, &config, &action, &err) < 0) {
        fprintf(stderr, "stoked: %s\n", err.msg);
        return 2;
    }
    int status = 0;
    switch (action) {
    case CONFIG_HELP:
        config_print_help(stdout);
        break;
    case CONFIG_PAGE:
        config_print_page(stdout);
        break;
    case CONFIG_VERSION:
        puts("stoked " STOKE_VERSION);
        break;
    case CONFIG_RUN:
        keep_freed_pages();
        log_set_level((enum log_level)config->log_level);
        if (app_start(config, &app, &err) < 0) {
            fprintf(stderr, "stoked: %s\n", err.msg);
            status = 1;
        } else {
            status = app_run(app);
        }
        app_free(app);
        break;
    }
    config_free(config);
    return status;
}
