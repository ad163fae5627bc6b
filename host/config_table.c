/* Every setting of stoked, in the order in which people meet them. --help and docs/configuration.md are printed from
 * here, so a setting that is not in this table does not exist. */
#include "host/config_table.h"

#include "lib/base/cleanup.h"

#define AT(field) offsetof(struct config, field)

const struct config_setting config_table[] = {
    {"listen", CONFIG_TEXT, AT(listen), NULL, 0, 0, NULL, "127.0.0.1:4566", "Address and port of the API; port 0 takes a free one."},
    {"listen.public", CONFIG_BOOL, AT(listen_public), NULL, 0, 0, NULL, "no",
     "Allows a listen address other than loopback. Requests are not authenticated: whoever reaches the port owns the "
     "functions."},
    {"data", CONFIG_TEXT, AT(data), NULL, 0, 0, NULL, "",
     "Directory of everything that lasts. Empty: /var/lib/stoke as root, else $XDG_DATA_HOME/stoke or ~/.local/share/stoke."},
    {"user", CONFIG_TEXT, AT(user), NULL, 0, 0, NULL, "",
     "User (name or number) that stoked becomes when it is started as root. Empty: the user stoke if there is one, else "
     "uid 64989."},
    {"uid.base", CONFIG_INT, AT(uid_base), NULL, 0, 4000000000, NULL, "0",
     "First of the range of user ids that sandboxes take. 0: a free range is found."},
    {"runtimes.path", CONFIG_TEXT, AT(runtimes_path), NULL, 0, 0, NULL, "",
     "Directories besides /usr, separated by ':', that hold interpreters as bin/python3.N or bin/node, or directories with such a bin, as "
     "version "
     "managers lay them out."},
    {"runtimes.retired", CONFIG_CHOICE, AT(runtimes_retired), NULL, 0, 0, "refuse|allow", "refuse",
     "What happens to functions of runtimes that AWS has retired: refused with AWS's error, or run with a warning."},
    {"runtimes.exact", CONFIG_BOOL, AT(runtimes_exact), NULL, 0, 0, NULL, "no",
     "Refuses a runtime whose own version is not installed, instead of running it on the nearest one."},
    {"runtimes.dir", CONFIG_TEXT, AT(runtimes_dir), NULL, 0, 0, NULL, "",
     "Directory of Stoke's own runtime files. Empty: beside the program."},
    {"spawner", CONFIG_TEXT, AT(spawner), NULL, 0, 0, NULL, "", "The program stoke-spawner. Empty: beside stoked."},
    {"spawner.silence", CONFIG_INT, AT(spawner_silence_s), "s", 1, 3600, NULL, "30",
     "A spawner that says nothing for so long hangs and is replaced; all sandboxes end with it. It answers within milliseconds, on a "
     "machine that is busy within seconds."},
    {"network", CONFIG_CHOICE, AT(network), NULL, 0, 0, "isolated|public", "isolated",
     "What functions reach: isolated is their own loopback and Stoke's API. public is not available yet and is refused."},
    {"functions.endpoint", CONFIG_CHOICE, AT(functions_endpoint), NULL, 0, 0, "none|invoke|account", "invoke",
     "What a function may do at 127.0.0.1:4566 inside its sandbox: nothing, Invoke (in its account and region) and "
     "GetCallerIdentity, or everything in its account and region but for registering interpreters."},
    {"functions.inactive_after", CONFIG_INT, AT(functions_inactive_s), "s", 0, 315360000, NULL, "0",
     "After so long without an invocation a function version is Inactive, as on AWS: its sandboxes are gone, and the next "
     "invocation fails while it comes back. Counted while stoked runs. 0: never."},
    {"concurrency.account", CONFIG_INT, AT(concurrency_account), "invocations", 1, 1000000, NULL, "1000",
     "Invocations at once per account and region; more are throttled with a 429."},
    {"memory.budget", CONFIG_INT, AT(memory_budget_mb), "MB", 0, 1 << 30, NULL, "0",
     "Memory for all sandboxes together. 0: four fifths of what is available at start."},
    {"memory.spare", CONFIG_INT, AT(memory_spare_mb), "MB", 1, 1 << 30, NULL, "256",
     "Of the host's available memory, what sandboxes never take, whatever the budget says."},
    {"pool.blanks_min", CONFIG_INT, AT(pool_blanks_min), "sandboxes", 0, 10000, NULL, "4",
     "Sandboxes kept ready per runtime and account in use, before any function is in them. 0 switches them off."},
    {"pool.blanks_max", CONFIG_INT, AT(pool_blanks_max), "sandboxes", 1, 10000, NULL, "64", "The same, however high the demand."},
    {"pool.workers_max", CONFIG_INT, AT(pool_workers_max), "sandboxes", 0, 100000, NULL, "0",
     "Sandboxes at once, of all functions. 0: what the descriptor limit allows, at most 8000."},
    {"pool.keep_alive", CONFIG_INT, AT(pool_keep_alive_s), "s", 1, 86400, NULL, "600",
     "How long an idle sandbox of a function is kept for its next invocation."},
    {"pool.freeze_after", CONFIG_INT, AT(pool_freeze_ms), "ms", 1, 60000, NULL, "10", "When an idle sandbox is frozen."},
    {"pool.wait_max", CONFIG_INT, AT(pool_wait_ms), "ms", 1, 60000, NULL, "1000",
     "How long an invocation waits for memory, or at its limit for a sandbox that has answered, before it is throttled with a 429."},
    {"jobs.threads", CONFIG_INT, AT(job_threads), "threads", 0, 64, NULL, "0",
     "Threads that unpack archives and do other slow work; 0: one fewer than the processors, 1 to 4."},
    {"http.hosts", CONFIG_LIST, AT(http_hosts), NULL, 0, 0, NULL, "",
     "Host names, separated by commas, under which clients may reach the API besides loopback names and the listen "
     "address. A name with a leading dot stands for all names below it."},
    {"http.origins", CONFIG_LIST, AT(http_origins), NULL, 0, 0, NULL, "",
     "Origins of web pages, separated by commas, that may call the API, such as http://localhost:3000."},
    {"http.connections", CONFIG_INT, AT(http_connections), "connections", 16, 65536, NULL, "1024",
     "Client connections at once; past it, the oldest idle ones are closed."},
    {"http.request_timeout", CONFIG_INT, AT(http_request_s), "s", 1, 3600, NULL, "120",
     "Time for a client to send a whole request, and to take any part of its answer."},
    {"http.idle_timeout", CONFIG_INT, AT(http_idle_s), "s", 1, 3600, NULL, "60", "How long a connection without a request is kept."},
    {"shutdown.grace", CONFIG_INT, AT(shutdown_grace_s), "s", 0, 900, NULL, "20",
     "How long running invocations, and answers on their way, may go on after SIGTERM or SIGINT; a second signal ends at once."},
    {"log.level", CONFIG_CHOICE, AT(log_level), NULL, 0, 0, "debug|info|warn|error", "info",
     "The least severe lines that are logged on stderr."},
};
const size_t config_table_count = ARRAY_LEN(config_table);
