/* Archives that no version uses any more: after an update or a deletion their blob and tree leave the disk, once no worker
 * shows them and the spawner has let go of its mounts. One at a time, in no hurry unless many wait; what a crash leaves is swept at
 * the next start. Loop thread only.
 *
 *     reclaim_new(&options, &reclaim, &err);
 *     registry_on_unused(registry, reclaim_on_unused, reclaim);
 *     ... reclaim_forgotten(reclaim, msg->tree.digest) on SPAWN_TREE_FORGOTTEN
 */
#pragma once

#include "lib/base/err.h"

struct api;
struct jobs;
struct loop;
struct reclaim;
struct registry;
struct spawn_client;
struct store;

/* All borrowed for the reclaim's life. */
struct reclaim_options {
    struct loop *loop;
    struct jobs *jobs;
    struct store *store;
    struct registry *registry;
    struct spawn_client *spawner;
    struct api *api; /* no upload is under way while an archive is removed: one of the same content must not find half of it */
};

int reclaim_new(const struct reclaim_options *options, struct reclaim **ret_reclaim, struct err *err) WARN_UNUSED;
/* The loop will not go on: uploads that wait for a removal that did not begin are let go. What is not removed, the next start sweeps. */
void reclaim_stop(struct reclaim *reclaim);
/* After jobs_free(). */
void reclaim_free(struct reclaim *reclaim);
/* A registry_unused_fn. */
void reclaim_on_unused(void *reclaim, const char *sha256_hex);
/* The spawner's answer. */
void reclaim_forgotten(struct reclaim *reclaim, const char *sha256_hex);
