/* stoked: reads the configuration, then lives in app.c. */
#include <stdio.h>

#include "host/app.h"
#include "host/config.h"
#include "lib/base/log.h"

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
