/* Reading the configuration: the table's defaults, then the file, then the command line; each name at most once in each.
 * Nothing is guessed: an unknown name, a value of the wrong type or out of bounds ends the start with its place. */
#include "host/config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "host/config_table.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define CONFIG_FILE_BYTES_MAX (256 * 1024)

/* Where a value came from; later sources win. */
enum source { FROM_DEFAULT, FROM_FILE, FROM_COMMAND_LINE };

struct reader {
    struct config *config;
    unsigned char *seen; /* per setting: the latest source */
};

static void *field(const struct reader *reader, const struct config_setting *setting)
{
    return (char *)reader->config + setting->offset;
}

static int set_text(const struct reader *reader, const struct config_setting *setting, const char *value)
{
    char **text = field(reader, setting);
    char *copy = strdup(value);
    if (copy == NULL)
        abort();
    free(*text);
    *text = copy;
    return 0;
}

static int set_choice(const struct reader *reader, const struct config_setting *setting, const char *value, const char *where,
                      struct err *err)
{
    size_t len = strlen(value);
    int64_t index = 0;
    for (const char *p = setting->choices; *p != '\0'; index++) {
        size_t n = strcspn(p, "|");
        if (n == len && strncmp(p, value, n) == 0) {
            *(int64_t *)field(reader, setting) = index;
            return 0;
        }
        p += n + (p[n] == '|');
    }
    return err_set(err, ERR_INVALID, "%s: %s is one of %s, not '%s'", where, setting->name, setting->choices, value);
}

static int set_bool(const struct reader *reader, const struct config_setting *setting, const char *value, const char *where,
                    struct err *err)
{
    bool yes = str_eq(value, "yes") || str_eq(value, "true");
    if (!yes && !str_eq(value, "no") && !str_eq(value, "false"))
        return err_set(err, ERR_INVALID, "%s: %s is yes or no, not '%s'", where, setting->name, value);
    *(bool *)field(reader, setting) = yes;
    return 0;
}

static int set_value(const struct reader *reader, const struct config_setting *setting, const char *value, const char *where,
                     struct err *err)
{
    switch (setting->type) {
    case CONFIG_TEXT:
    case CONFIG_LIST:
        return set_text(reader, setting, value);
    case CONFIG_BOOL:
        return set_bool(reader, setting, value, where, err);
    case CONFIG_CHOICE:
        return set_choice(reader, setting, value, where, err);
    case CONFIG_INT:
        if (!str_to_i64(value, setting->min, setting->max, field(reader, setting)))
            return err_set(err, ERR_INVALID, "%s: %s is a number from %lld to %lld%s%s, not '%s'", where, setting->name,
                           (long long)setting->min, (long long)setting->max, setting->unit != NULL ? " " : "",
                           setting->unit != NULL ? setting->unit : "", value);
        return 0;
    }
    return err_set(err, ERR_INTERNAL, "%s has no type", setting->name);
}

static int apply(struct reader *reader, const char *name, const char *value, enum source source, const char *where, struct err *err)
{
    for (size_t i = 0; i < config_table_count; i++) {
        if (!str_eq(config_table[i].name, name))
            continue;
        if (reader->seen[i] == source)
            return err_set(err, ERR_INVALID, "%s: %s is set twice", where, name);
        if (reader->seen[i] > source)
            return 0;
        reader->seen[i] = (unsigned char)source;
        return set_value(reader, &config_table[i], value, where, err);
    }
    return err_set(err, ERR_INVALID, "%s: there is no setting '%s' (stoked --help lists them)", where, name);
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

static int read_file(struct reader *reader, const char *path, struct err *err)
{
    CLEANUP(freep) char *text = NULL;
    int r = fd_read_file(AT_FDCWD, path, CONFIG_FILE_BYTES_MAX, &text, NULL, err);
    if (r < 0)
        return err_wrap(err, "configuration file");
    int number = 0;
    for (char *next = text, *line; (line = strsep(&next, "\n")) != NULL;) {
        number++;
        line = trim(line);
        if (*line == '\0' || *line == '#')
            continue;
        CLEANUP(freep) char *where = str_format("%s:%d", path, number);
        char *equals = strchr(line, '=');
        if (equals == NULL)
            return err_set(err, ERR_INVALID, "%s: expected 'name = value'", where);
        *equals = '\0';
        r = apply(reader, trim(line), trim(equals + 1), FROM_FILE, where, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --listen, --data, --config take a value; --set NAME=VALUE reaches every other setting. */
static int read_arguments(struct reader *reader, int argc, char **argv, enum config_action *action, struct err *err)
{
    const char *file = NULL;
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
            *action = CONFIG_HELP;
            return 0;
        }
        if (str_eq(argv[i], "--version") || str_eq(argv[i], "--configuration-page")) {
            *action = argv[i][2] == 'v' ? CONFIG_VERSION : CONFIG_PAGE;
            return 0;
        }
        const char *option = argv[i];
        bool known = str_eq(option, "--listen") || str_eq(option, "--data") || str_eq(option, "--config") || str_eq(option, "--set");
        if (!known)
            return err_set(err, ERR_INVALID, "unknown option '%s' (stoked --help lists them)", option);
        if (++i == argc)
            return err_set(err, ERR_INVALID, "%s wants a value", option);
        if (str_eq(option, "--config")) {
            if (file != NULL)
                return err_set(err, ERR_INVALID, "--config is given twice");
            file = argv[i];
            continue;
        }
        CLEANUP(freep) char *name = str_format("%s", option + 2);
        const char *value = argv[i];
        if (str_eq(option, "--set")) {
            const char *equals = strchr(value, '=');
            if (equals == NULL)
                return err_set(err, ERR_INVALID, "--set wants NAME=VALUE, not '%s'", value);
            free(name);
            name = str_format("%.*s", (int)(equals - value), value);
            value = equals + 1;
        }
        int r = apply(reader, name, value, FROM_COMMAND_LINE, option, err);
        if (r < 0)
            return r;
    }
    return file != NULL ? read_file(reader, file, err) : 0;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (str_eq(host, "localhost"))
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int split_listen(struct config *config, struct err *err)
{
    const char *colon = strrchr(config->listen, ':');
    int64_t port;
    if (colon == NULL || colon == config->listen || !str_to_i64(colon + 1, 0, 65535, &port))
        return err_set(err, ERR_INVALID, "listen is HOST:PORT, not '%s'", config->listen);
    const char *host = config->listen;
    size_t len = (size_t)(colon - host);
    if (host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    config->listen_host = str_format("%.*s", (int)len, host);
    config->listen_port = port;
    struct in6_addr any;
    if (!str_eq(config->listen_host, "localhost") && inet_pton(AF_INET, config->listen_host, &any) != 1 &&
        inet_pton(AF_INET6, config->listen_host, &any) != 1)
        return err_set(err, ERR_INVALID, "listen: '%s' is neither an IP address nor localhost", config->listen_host);
    return 0;
}

/* What single values cannot say. */
static int check(struct config *config, struct err *err)
{
    int r = split_listen(config, err);
    if (r < 0)
        return r;
    if (!is_loopback(config->listen_host) && !config->listen_public)
        return err_set(err, ERR_DENIED,
                       "listen: %s is not a loopback address, and requests are not authenticated; set listen.public = yes "
                       "to open the API to everyone who reaches it",
                       config->listen_host);
    if (config->network == CONFIG_NETWORK_PUBLIC)
        return err_set(err, ERR_UNSUPPORTED, "network = public is not available yet: functions reach only themselves and Stoke's API");
    return 0;
}

int config_load(int argc, char **argv, struct config **ret_config, enum config_action *ret_action, struct err *err)
{
    enum config_action action = CONFIG_RUN;
    struct reader reader = {.config = calloc(1, sizeof(struct config)), .seen = calloc(config_table_count, 1)};
    CLEANUP(freep) unsigned char *seen = reader.seen;
    if (reader.config == NULL || seen == NULL)
        abort();
    for (size_t i = 0; i < config_table_count; i++) {
        int r = set_value(&reader, &config_table[i], config_table[i].default_value, "default", err);
        assert(r == 0);
    }
    int r = read_arguments(&reader, argc, argv, &action, err);
    if (r == 0 && action == CONFIG_RUN)
        r = check(reader.config, err);
    if (r < 0) {
        config_free(reader.config);
        return r;
    }
    *ret_config = reader.config;
    *ret_action = action;
    return 0;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config_table_count; i++)
        if (config_table[i].type == CONFIG_TEXT || config_table[i].type == CONFIG_LIST)
            free(*(char **)(void *)((char *)config + config_table[i].offset));
    free(config->listen_host);
    free(config);
}
