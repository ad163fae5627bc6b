/* A host for the registry's tests: Python is there or not, and one or another, as a test says. */
#pragma once

#include <stdbool.h>

#include "layers/runtimes/runtimes.h"

extern bool fake_has_python;
extern const struct runtime_interpreter *fake_interpreter; /* what is found; NULL: none, as for provided.* */
