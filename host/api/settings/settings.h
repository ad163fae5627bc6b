/* What the operations on a function's settings share. */
#pragma once

#include "host/api/call.h"

/* What an account keeps for functions without a reservation: 100, as on AWS, or all of a limit that is smaller. */
#define UNRESERVED_MIN 100u
uint64_t concurrency_floor(const struct api *api);
