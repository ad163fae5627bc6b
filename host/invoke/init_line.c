/* The words of an initialisation; see init_line.h. */
#include "host/invoke/init_line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "host/registry/registry.h"
#include "host/telemetry/report.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"
#include "runtime-api/session.h"

void init_line_start(const struct report_to *to, const struct function_version *v)
{
    const struct runtime_interpreter *interpreter = v->match.interpreter;
    CLEANUP(freep)
    char *version = interpreter ? str_format("%s:%s", interpreter->language == RUNTIME_PYTHON ? "python" : "nodejs", interpreter->version)
                    : strchr(v->runtime, '.') ? str_format("provided:%s", strchr(v->runtime, '.') + 1)
                                              : str_format("%s", v->runtime);
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    digest_sha256(version, strlen(version), digest);
    id_hex(digest, sizeof digest, hex);
    CLEANUP(freep) char *arn = str_format("arn:aws:lambda:%s::runtime:%s", v->region, hex);
    struct report_runtime runtime = {
        .version = version, .arn = arn, .note = v->match.note, .function_name = v->name, .function_version = v->version};
    report_init_start(to, &runtime);
}

static bool is_extension(const struct session_exec_failure *failure)
{
    return str_starts(failure->path, "/opt/extensions/");
}

const char *init_line_exec_error(const struct session_exec_failure *failure)
{
    return is_extension(failure) ? "Extension.LaunchError" : "Runtime.InvalidEntrypoint";
}

void init_line_exec_failure(const struct session_exec_failure *failure, char *out, size_t cap)
{
    char text[160];
    struct utsname host;
    if (failure->code == ENOENT && !is_extension(failure)) {
        str_copy(out, cap, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]");
        return;
    }
    snprintf(out, cap, "fork/exec %.200s: %s", failure->path, strerror_r(failure->code, text, sizeof text));
    for (char *c = strstr(out, ": "); c && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    size_t len = strlen(out);
    if (*failure->machine && uname(&host) == 0)
        snprintf(out + len, cap - len, " (it is built for %.32s, this machine is %.32s)", failure->machine, host.machine);
}
