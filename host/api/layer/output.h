/* Layer versions as AWS shows them. */
#pragma once

#include "host/api/layer/layer.h"

/* As in lists. Owned. */
cJSON *layer_listed(const struct layer_facts *facts);
/* The same with the layer's ARN and the archive: as a version is published and got. */
cJSON *layer_output(struct api_call *call, const struct layer_facts *facts);
