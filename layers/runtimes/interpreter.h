/* One interpreter of the host, asked who it is: its version, the program that really runs, and what a sandbox must show besides /usr.
 * No user code runs: the environment is empty, site packages and the working directory stay out of it. Any thread; takes as long as
 * the interpreter takes to start, INTERPRETER_ASK_MS at most.
 *
 *     struct runtime_interpreter it = {.language = RUNTIME_PYTHON};
 *     str_copy(it.path, sizeof it.path, "/opt/python/bin/python3.12");
 *     interpreter_ask(&it, &err);
 */
#pragma once

#include "layers/runtimes/runtimes.h"

#define INTERPRETER_ASK_MS 5000

/* Takes language and path; path becomes the real one, version, major, minor and prefix are filled in. ERR_NOT_FOUND: no such program;
 * ERR_INVALID: it does not answer as that language, or it lives where it cannot be shown without showing somebody's files, too. On
 * failure it is as it was. */
int interpreter_ask(struct runtime_interpreter *it, struct err *err) WARN_UNUSED;
