/* Running without root: every decision that differs from a root start is here. The monitor enters a user namespace of its own,
 * in which it is root: with a range of /etc/subuid through newuidmap and newgidmap, else with its one id. After that the recipe
 * is the same; without a range all sandboxes share that id.
 */
#pragma once

#include "lib/base/err.h"

struct spawner_options;

/* As root: returns at once. Otherwise starts this program again inside a new user namespace (and then returns there, with
 * rootless and single_id filled in). ERR_UNSUPPORTED, with what to do, where the host does not allow it. */
int rootless_enter(struct spawner_options *options, struct err *err) WARN_UNUSED;
/* Chooses uids within the namespace and says in *ret_missing (caller frees) what a root start would have more. */
void rootless_describe(struct spawner_options *options, char **ret_missing);
