/* DATA/runtimes/<language>: what a room shows at /var/runtime. It is put together from our runtimes' files, as built, and the SDK
 * that fetch_sdk.sh left in DATA/sdk/<language>, and made anew only when one of the two has changed. Start of stoked only: before
 * the first zygote, best while stoked is still root, so that no later stoked can change what functions run.
 *
 *     runtime_dir_prepare("build/runtimes", "/var/lib/stoke", &err);
 *     // rooms of Python functions show /var/lib/stoke/runtimes/python, those of Node functions .../nodejs
 */
#pragma once

#include "lib/base/err.h"

/* files_dir has python/ and nodejs/ below it; a language that is not there is left out. Directories become 0755, files 0644,
 * whatever the umask. Each language's directory is exchanged whole: after a failure, or a crash, the old one is there. Files of the
 * SDK are linked where that is allowed, else copied (36 MB, 0.1 s). */
int runtime_dir_prepare(const char *files_dir, const char *data_dir, struct err *err) WARN_UNUSED;
