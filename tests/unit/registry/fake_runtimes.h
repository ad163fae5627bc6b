/* A host for the registry's tests: Python is there or not, as a test says. */
#pragma once

#include <stdbool.h>

extern bool fake_has_python;
