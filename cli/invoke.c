/* `stoke invoke`: a payload from the argument, a file or standard input; the result on stdout, the log tail on stderr. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"
#include "lib/json/json_check.h"

#define PAYLOAD_BYTES_MAX (8u << 20) /* above the service's limit, so that its own message is what people see */
#define INVOKE_TIMEOUT_S 960         /* longer than the longest function */

const char cli_invoke_usage[] = "usage: stoke invoke NAME [PAYLOAD] [options]\n"
                                "  PAYLOAD            JSON; @FILE reads a file, - standard input; default: {}\n"
                                "  --qualifier Q      a version or an alias\n"
                                "  --client-context JSON\n"
                                "  --log              show the log of this invocation on stderr\n"
                                "  --dry-run          check only\n";

static int read_stdin(char **ret_data, size_t *ret_len, struct err *err)
{
    CLEANUP(buf_free) struct buf in = BUF_INIT(PAYLOAD_BYTES_MAX);
    char data[65536];
    ssize_t n;
    while ((n = read(STDIN_FILENO, data, sizeof data)) > 0)
        if (buf_append(&in, data, (size_t)n) < 0)
            return err_set(err, ERR_TOO_LARGE, "standard input has more than %u bytes", PAYLOAD_BYTES_MAX);
    if (n < 0)
        return err_errno(err, "reading standard input");
    *ret_len = in.len;
    *ret_data = buf_steal(&in);
    return 0;
}

static int read_payload(const char *argument, char **ret_data, size_t *ret_len, struct err *err)
{
    if (str_eq(argument, "-"))
        return read_stdin(ret_data, ret_len, err);
    if (argument[0] == '@')
        return fd_read_file(AT_FDCWD, argument + 1, PAYLOAD_BYTES_MAX, ret_data, ret_len, err);
    *ret_data = strdup(argument);
    if (!*ret_data)
        abort();
    *ret_len = strlen(argument);
    return 0;
}

static void show_log(const struct http_answer *answer)
{
    static char base64[16384], text[16384];
    size_t len = 0;
    if (!http_answer_header(answer, "x-amz-log-result", base64, sizeof base64) ||
        digest_base64_decode(base64, strlen(base64), text, &len, NULL) < 0)
        return;
    fflush(stdout);
    int saved = dup(STDOUT_FILENO); /* the one printer of untrusted text writes to stdout */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    cli_print_safe(text, len);
    if (len && text[len - 1] != '\n')
        putchar('\n');
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
}

static void show_json(const struct http_answer *answer, const char *function_error)
{
    CLEANUP(json_freep) cJSON *tree = cJSON_CreateObject();
    CLEANUP(json_freep) cJSON *payload = NULL;
    cJSON_AddNumberToObject(tree, "StatusCode", answer->status);
    if (*function_error)
        cJSON_AddStringToObject(tree, "FunctionError", function_error);
    char version[64];
    if (http_answer_header(answer, "x-amz-executed-version", version, sizeof version))
        cJSON_AddStringToObject(tree, "ExecutedVersion", version);
    struct json_fault fault; /* JSON goes as it is, for a number of ours would round a long one; our parser lets more than JSON pass */
    if (json_check(answer->body, answer->body_len, &fault) == 0)
        cJSON_AddRawToObject(tree, "Payload", answer->body);
    else if (json_parse(answer->body, answer->body_len, &payload, NULL) == 0)
        cJSON_AddItemToObject(tree, "Payload", STEAL(payload));
    else
        cJSON_AddStringToObject(tree, "Payload", answer->body);
    cli_print_json(tree);
}

static int show(struct cli *cli, const struct http_answer *answer, bool log)
{
    if (answer->status >= 300)
        return cli_fail_answer(answer);
    char function_error[64];
    if (!http_answer_header(answer, "x-amz-function-error", function_error, sizeof function_error))
        function_error[0] = '\0';
    if (log)
        show_log(answer);
    if (cli->json)
        show_json(answer, function_error);
    else if (answer->body_len) {
        struct json_fault fault;
        fwrite(answer->body, 1, answer->body_len, stdout); /* the result as it is: it may go into a pipe */
        if (isatty(STDOUT_FILENO) || json_check(answer->body, answer->body_len, &fault) == 0)
            putchar('\n'); /* JSON may end in one; a picture would be another */
    }
    return *function_error ? cli_fail(CLI_FAILED, "the function failed (%s)", function_error) : CLI_OK;
}

int cli_invoke(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        {"qualifier", required_argument, NULL, 'q'},
        {"client-context", required_argument, NULL, 'c'},
        {"log", no_argument, NULL, 'l'},
        {"dry-run", no_argument, NULL, 'd'},
        {0},
    };
    const char *qualifier = NULL, *context = NULL;
    bool log = false, dry = false;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'q':
            qualifier = optarg;
            break;
        case 'c':
            context = optarg;
            break;
        case 'l':
            log = true;
            break;
        case 'd':
            dry = true;
            break;
        default:
            return cli_usage(cli_invoke_usage);
        }
    }
    if (argc - optind < 1 || argc - optind > 2)
        return cli_usage(cli_invoke_usage);
    CLEANUP(freep) char *payload = NULL;
    size_t len = 0;
    struct err err;
    if (read_payload(optind + 1 < argc ? argv[optind + 1] : "{}", &payload, &len, &err) < 0)
        return cli_fail_err(&err);
    CLEANUP(freep) char *escaped = http_escape(qualifier ? qualifier : "");
    CLEANUP(freep) char *suffix = str_format("/invocations%s%s", qualifier ? "?Qualifier=" : "", escaped);
    CLEANUP(freep) char *path = cli_function_path(argv[optind], suffix);
    CLEANUP(freep) char *base64 = malloc(DIGEST_BASE64_SIZE(context ? strlen(context) : 0));
    if (!base64)
        abort();
    digest_base64_encode(context ? context : "", context ? strlen(context) : 0, base64);
    CLEANUP(freep) char *context_header = str_format("X-Amz-Client-Context: %s", base64);
    const char *headers[5] = {"Content-Type: application/json"};
    size_t n = 1;
    if (log)
        headers[n++] = "X-Amz-Log-Type: Tail";
    if (dry)
        headers[n++] = "X-Amz-Invocation-Type: DryRun";
    if (context)
        headers[n++] = context_header;
    struct http_call call = {
        .method = "POST", .path = path, .headers = headers, .body = payload, .body_len = len, .timeout_s = INVOKE_TIMEOUT_S};
    struct http_answer answer;
    if (http_client_call(cli->client, &call, &answer, &err) < 0)
        return cli_fail_err(&err);
    int rc = show(cli, &answer, log);
    http_answer_free(&answer);
    return rc;
}
