/* What the operations on layers share, and what those on functions need of layers. Loop thread only. */
#pragma once

#include "host/api/call.h"
#include "host/registry/layer/layers.h"

/* The call's LayerName, of the caller's account and region. False: the call has failed. */
bool layer_of_call(struct api_call *call, struct layer_name *ret_name);
/* The call's VersionNumber, 0 for what no layer can have. */
uint64_t layer_number_of_call(const struct api_call *call);
/* Whether the caller may get the version: its own account, or one that the policy (JSON text or NULL) names. */
bool layer_policy_allows(const char *policy, const char *account);
/* Takes the call away from its handler while the layer is being changed; the handler then runs again, from its beginning. */
bool layer_waits(struct api_call *call, const struct layer_name *name, api_handler_fn *handler);
/* Ends the call: the caller may not do action ("GetLayerVersion") with the version, or with number 0 the layer. */
void layer_refuse(struct api_call *call, const char *action, const struct layer_name *name, uint64_t number);

/* ---- attach.c: layers of functions ---- */
/* Layers of the input into the configuration of a function in that region: each as AWS shows it, and Sha256 and UnpackedSize of its
 * archive. False: the call has failed. */
bool layer_attach(struct api_call *call, cJSON *config, const char *region);
/* Whether code of that size and the configuration's layers are small enough together, and the layers still there. False: the call
 * has failed. */
bool layer_fits(struct api_call *call, const cJSON *config, uint64_t unpacked_size);
/* Takes out of a configuration's layers what AWS does not show. */
void layer_show(cJSON *config);
