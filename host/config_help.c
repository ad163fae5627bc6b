/* The configuration table as people read it: --help in a terminal, docs/configuration.md as a page. */
#include <inttypes.h>
#include <string.h>

#include "host/config_table.h"

/* Prints text in lines of at most width characters, each after indent spaces. */
static void wrap(FILE *out, const char *text, int indent, int width)
{
    int used = 0;
    while (*text != '\0') {
        int n = (int)strcspn(text, " ");
        if (used > 0 && used + 1 + n > width) {
            fputc('\n', out);
            used = 0;
        }
        used += used == 0 ? fprintf(out, "%*s%.*s", indent, "", n, text) - indent : fprintf(out, " %.*s", n, text);
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void print_values(FILE *out, const struct config_setting *s)
{
    switch (s->type) {
    case CONFIG_TEXT:
        fputs("text", out);
        break;
    case CONFIG_LIST:
        fputs("list", out);
        break;
    case CONFIG_BOOL:
        fputs("yes or no", out);
        break;
    case CONFIG_CHOICE:
        for (const char *p = s->choices; *p != '\0'; p++)
            fputs(*p == '|' ? ", " : (char[]){*p, '\0'}, out);
        break;
    case CONFIG_INT:
        fprintf(out, "%" PRId64 " to %" PRId64 "%s%s", s->min, s->max, s->unit != NULL ? " " : "", s->unit != NULL ? s->unit : "");
        break;
    }
}

void config_print_help(FILE *out)
{
    fputs("Usage: stoked [--listen HOST:PORT] [--data DIR] [--config FILE] [--set NAME=VALUE]...\n"
          "\n"
          "Hosts functions and speaks AWS Lambda's API. Runs in the foreground; SIGTERM ends it.\n"
          "\n"
          "  --listen HOST:PORT   the setting listen\n"
          "  --data DIR           the setting data\n"
          "  --config FILE        reads settings from FILE, one 'name = value' a line, # for comments\n"
          "  --set NAME=VALUE     any setting; wins over the file\n"
          "  --version            prints the version\n"
          "  --help               this text\n"
          "\n"
          "Settings:\n",
          out);
    for (size_t i = 0; i < config_table_count; i++) {
        const struct config_setting *s = &config_table[i];
        fprintf(out, "\n  %s (", s->name);
        print_values(out, s);
        fprintf(out, "; default %s)\n", *s->default_value != '\0' ? s->default_value : "empty");
        wrap(out, s->help, 6, 90);
    }
}

void config_print_page(FILE *out)
{
    fputs("# Configuration\n"
          "\n"
          "`stoked --config FILE` reads settings from a file, one `name = value` a line; lines that begin with `#` are\n"
          "comments. `--set name=value` on the command line wins over the file, and `--listen` and `--data` are short for\n"
          "`--set listen=` and `--set data=`. A name that is not in this table is an error. The table is printed by\n"
          "`stoked --configuration-page`.\n"
          "\n"
          "| name | values | default | meaning |\n"
          "|---|---|---|---|\n",
          out);
    for (size_t i = 0; i < config_table_count; i++) {
        const struct config_setting *s = &config_table[i];
        fprintf(out, "| `%s` | ", s->name);
        print_values(out, s);
        fprintf(out, " | %s%s%s | %s |\n", *s->default_value != '\0' ? "`" : "", s->default_value, *s->default_value != '\0' ? "`" : "",
                s->help);
    }
}
