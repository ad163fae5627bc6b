/* `stoke deploy`: a directory or a zip becomes a function, new or updated. What is not said is guessed from the files, as the
 * handler conventions of Lambda's consoles and templates have it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/strutil.h"

#define ENV_MAX 128
#define LAYERS_MAX 16 /* Lambda has 5, and says so itself */
#define WAIT_S 60
#define WAIT_STEP_US 50000

const char cli_deploy_usage[] = "usage: stoke deploy NAME [PATH] [options]\n"
                                "  PATH                 a directory or a .zip; default: this directory\n"
                                "  --runtime ID         python3.13, nodejs22.x, provided.al2023 ...; guessed from the files\n"
                                "  --handler FILE.FUNC  guessed: lambda_function.lambda_handler, index.handler ...\n"
                                "  --memory MB  --timeout SECONDS  --tmp MB  --env NAME=VALUE (repeat)\n"
                                "  --layer NAME[:VERSION]  the newest VERSION if none is given; an ARN; repeat, none: without layers\n"
                                "  --architecture x86_64|arm64  --description TEXT  --role ARN\n";

struct plan {
    const char *name, *path, *runtime, *handler, *role, *description, *architecture;
    const char *env[ENV_MAX];
    size_t env_count;
    const char *layer[LAYERS_MAX];
    size_t layer_count;
    const cJSON *layers; /* their ARNs, an empty array for none; NULL: nothing is said of them */
    int64_t memory, timeout, tmp;
};

static const struct guess {
    const char *file, *runtime, *handler;
} guesses[] = {
    {"lambda_function.py", "python3.13", "lambda_function.lambda_handler"},
    {"handler.py", "python3.13", "handler.handler"},
    {"app.py", "python3.13", "app.handler"},
    {"main.py", "python3.13", "main.handler"},
    {"index.mjs", "nodejs22.x", "index.handler"},
    {"index.js", "nodejs22.x", "index.handler"},
    {"index.cjs", "nodejs22.x", "index.handler"},
    {"bootstrap", "provided.al2023", "bootstrap"},
};

static int parse_number(const char *option, int64_t *ret)
{
    if (str_to_i64(optarg, 1, INT32_MAX, ret))
        return CLI_OK;
    return cli_fail(CLI_USAGE, "--%s takes a whole number, not \"%s\"", option, optarg);
}

static int parse(int argc, char **argv, struct plan *plan)
{
    static const struct option options[] = {
        {"runtime", required_argument, NULL, 'r'},
        {"handler", required_argument, NULL, 'h'},
        {"memory", required_argument, NULL, 'm'},
        {"timeout", required_argument, NULL, 't'},
        {"tmp", required_argument, NULL, 'T'},
        {"env", required_argument, NULL, 'e'},
        {"role", required_argument, NULL, 'R'},
        {"description", required_argument, NULL, 'd'},
        {"architecture", required_argument, NULL, 'a'},
        {"layer", required_argument, NULL, 'l'},
        {0},
    };
    int c, rc = CLI_OK;
    while (rc == CLI_OK && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'r':
            plan->runtime = optarg;
            break;
        case 'h':
            plan->handler = optarg;
            break;
        case 'R':
            plan->role = optarg;
            break;
        case 'd':
            plan->description = optarg;
            break;
        case 'a':
            plan->architecture = optarg;
            break;
        case 'm':
            rc = parse_number("memory", &plan->memory);
            break;
        case 't':
            rc = parse_number("timeout", &plan->timeout);
            break;
        case 'T':
            rc = parse_number("tmp", &plan->tmp);
            break;
        case 'l':
            if (plan->layer_count == LAYERS_MAX)
                rc = cli_fail(CLI_USAGE, "--layer may be given at most %d times", LAYERS_MAX);
            else
                plan->layer[plan->layer_count++] = optarg;
            break;
        case 'e':
            if (!strchr(optarg, '=') || plan->env_count == ENV_MAX)
                rc = cli_fail(CLI_USAGE, "--env takes NAME=VALUE, at most %d times", ENV_MAX);
            else
                plan->env[plan->env_count++] = optarg;
            break;
        default:
            rc = cli_usage(cli_deploy_usage);
        }
    }
    if (rc == CLI_OK && (argc - optind < 1 || argc - optind > 2))
        rc = cli_usage(cli_deploy_usage);
    if (rc == CLI_OK) {
        plan->name = argv[optind];
        plan->path = optind + 1 < argc ? argv[optind + 1] : ".";
    }
    return rc;
}

/* Whether the zip's central directory names the file at its top level. The names are also in the local headers; a plain search
 * is enough for a guess that --handler overrides. */
static bool zip_has(const char *zip, size_t len, const char *file)
{
    static const char central[] = {'P', 'K', 1, 2};
    const char *p = zip, *end = zip + len;
    size_t n = strlen(file);
    while ((p = memmem(p, (size_t)(end - p), central, sizeof central)) != NULL) {
        if (end - p >= 46) {
            size_t name_len = (unsigned char)p[28] | (size_t)(unsigned char)p[29] << 8;
            if (name_len == n && (size_t)(end - p) >= 46 + n && memcmp(p + 46, file, n) == 0)
                return true;
        }
        p += sizeof central;
    }
    return false;
}

static int guess(struct plan *plan, const char *zip, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(guesses) && !(plan->runtime && plan->handler); i++) {
        if (!zip_has(zip, len, guesses[i].file))
            continue;
        if (plan->runtime && strncmp(plan->runtime, guesses[i].runtime, 4) != 0)
            continue;
        if (!plan->runtime)
            plan->runtime = guesses[i].runtime;
        if (!plan->handler)
            plan->handler = guesses[i].handler;
    }
    if (plan->runtime && !plan->handler && str_starts(plan->runtime, "provided"))
        plan->handler = "bootstrap";
    if (plan->runtime && plan->handler)
        return CLI_OK;
    return cli_fail(CLI_USAGE, "%s: no file tells the %s; give --runtime and --handler", plan->path, plan->runtime ? "handler" : "runtime");
}

static cJSON *configuration(const struct plan *plan)
{
    cJSON *c = cJSON_CreateObject();
    if (plan->runtime)
        cJSON_AddStringToObject(c, "Runtime", plan->runtime);
    if (plan->handler)
        cJSON_AddStringToObject(c, "Handler", plan->handler);
    if (plan->role)
        cJSON_AddStringToObject(c, "Role", plan->role);
    if (plan->description)
        cJSON_AddStringToObject(c, "Description", plan->description);
    if (plan->memory)
        cJSON_AddNumberToObject(c, "MemorySize", (double)plan->memory);
    if (plan->timeout)
        cJSON_AddNumberToObject(c, "Timeout", (double)plan->timeout);
    if (plan->tmp)
        cJSON_AddNumberToObject(cJSON_AddObjectToObject(c, "EphemeralStorage"), "Size", (double)plan->tmp);
    if (plan->layers)
        cJSON_AddItemToObject(c, "Layers", cJSON_Duplicate(plan->layers, true));
    if (plan->env_count) {
        cJSON *variables = cJSON_AddObjectToObject(cJSON_AddObjectToObject(c, "Environment"), "Variables");
        for (size_t i = 0; i < plan->env_count; i++) {
            const char *value = strchr(plan->env[i], '=');
            CLEANUP(freep) char *name = str_format("%.*s", (int)(value - plan->env[i]), plan->env[i]);
            cJSON_DeleteItemFromObjectCaseSensitive(variables, name);
            cJSON_AddStringToObject(variables, name, value + 1);
        }
    }
    return c;
}

/* Waits until neither State nor LastUpdateStatus is on its way; *ret_tree is the configuration then. */
static int settle(struct cli *cli, const struct plan *plan, cJSON **ret_tree)
{
    CLEANUP(freep) char *path = cli_function_path(plan->name, "/configuration");
    for (int64_t waited = 0; waited < WAIT_S * 1000000LL; waited += WAIT_STEP_US) {
        CLEANUP(json_freep) cJSON *tree = NULL;
        int rc = cli_get(cli, "GET", path, NULL, &tree);
        if (rc != CLI_OK)
            return rc;
        const char *state = json_str(tree, "State"), *update = json_str(tree, "LastUpdateStatus");
        if (state && !str_eq(state, "Pending") && !(update && str_eq(update, "InProgress"))) {
            *ret_tree = STEAL(tree);
            return CLI_OK;
        }
        usleep(WAIT_STEP_US);
    }
    return cli_fail(CLI_FAILED, "%s is still not ready after %d s", plan->name, WAIT_S);
}

static int create(struct cli *cli, const struct plan *plan, const char *zip, size_t len)
{
    CLEANUP(json_freep) cJSON *body = configuration(plan);
    CLEANUP(json_freep) cJSON *answer = NULL;
    cJSON_AddStringToObject(body, "FunctionName", plan->name);
    if (!plan->role)
        cJSON_AddStringToObject(body, "Role", "arn:aws:iam::000000000000:role/stoke");
    if (plan->architecture)
        cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "Architectures"), cJSON_CreateString(plan->architecture));
    archive_add(cJSON_AddObjectToObject(body, "Code"), zip, len);
    return cli_get(cli, "POST", "/2015-03-31/functions", body, &answer);
}

static int update(struct cli *cli, const struct plan *plan, const char *zip, size_t len)
{
    CLEANUP(json_freep) cJSON *code = cJSON_CreateObject();
    CLEANUP(json_freep) cJSON *changes = configuration(plan);
    CLEANUP(json_freep) cJSON *answer = NULL, *settled = NULL, *again = NULL;
    CLEANUP(freep) char *code_path = cli_function_path(plan->name, "/code");
    CLEANUP(freep) char *configuration_path = cli_function_path(plan->name, "/configuration");
    archive_add(code, zip, len);
    if (plan->architecture)
        cJSON_AddItemToArray(cJSON_AddArrayToObject(code, "Architectures"), cJSON_CreateString(plan->architecture));
    int rc = cli_get(cli, "PUT", code_path, code, &answer);
    if (rc == CLI_OK && changes->child)
        rc = settle(cli, plan, &settled);
    if (rc == CLI_OK && changes->child)
        rc = cli_get(cli, "PUT", configuration_path, changes, &again);
    return rc;
}

static int report(struct cli *cli, const struct plan *plan, bool is_new)
{
    CLEANUP(json_freep) cJSON *tree = NULL;
    int rc = settle(cli, plan, &tree);
    if (rc != CLI_OK)
        return rc;
    if (cli->json)
        cli_print_json(tree);
    else
        printf("%s %s: %s, %s, %lld MB, %lld s, code %lld bytes\n", is_new ? "created" : "updated", plan->name, json_str(tree, "Runtime"),
               json_str(tree, "Handler"), (long long)json_int(tree, "MemorySize", 0), (long long)json_int(tree, "Timeout", 0),
               (long long)json_int(tree, "CodeSize", 0));
    CLEANUP(freep) char *note = cli->json || !str_eq(json_str(tree, "State"), "Active") ? NULL : cli_note_of(cli, plan->name);
    if (note)
        printf("note: %s\n", note);
    if (!str_eq(json_str(tree, "State"), "Active")) {
        const char *reason = json_str(tree, "StateReason");
        return cli_fail(CLI_FAILED, "%s is %s: %s", plan->name, json_str(tree, "State"), reason ? reason : "no reason given");
    }
    return CLI_OK;
}

/* The ARNs of what --layer names, as plan->layers: before anything is changed. */
static int find_layers(struct cli *cli, struct plan *plan, cJSON **ret_layers)
{
    CLEANUP(json_freep) cJSON *layers = plan->layer_count ? cJSON_CreateArray() : NULL;
    for (size_t i = 0; i < plan->layer_count; i++) {
        CLEANUP(freep) char *arn = NULL;
        if (plan->layer_count == 1 && str_eq(plan->layer[i], "none"))
            break;
        int rc = cli_layer_arn(cli, plan->layer[i], &arn);
        if (rc != CLI_OK)
            return rc;
        cJSON_AddItemToArray(layers, cJSON_CreateString(arn));
    }
    plan->layers = *ret_layers = STEAL(layers);
    return CLI_OK;
}

int cli_deploy(struct cli *cli, int argc, char **argv)
{
    struct plan plan = {0};
    int rc = parse(argc, argv, &plan);
    if (rc != CLI_OK)
        return rc;
    CLEANUP(freep) char *zip = NULL;
    size_t len = 0;
    struct err err;
    if (archive_read(plan.path, &zip, &len, &err) < 0)
        return cli_fail_err(&err);
    CLEANUP(json_freep) cJSON *layers = NULL;
    rc = find_layers(cli, &plan, &layers);
    if (rc != CLI_OK)
        return rc;
    CLEANUP(freep) char *path = cli_function_path(plan.name, "/configuration");
    struct http_answer answer;
    rc = cli_call(cli, "GET", path, NULL, &answer);
    if (rc != CLI_OK)
        return rc;
    bool is_new = answer.status == 404;
    if (!is_new && answer.status >= 300)
        rc = cli_fail_answer(&answer);
    http_answer_free(&answer);
    if (rc == CLI_OK && is_new)
        rc = guess(&plan, zip, len);
    if (rc == CLI_OK)
        rc = is_new ? create(cli, &plan, zip, len) : update(cli, &plan, zip, len);
    return rc == CLI_OK ? report(cli, &plan, is_new) : rc;
}
