/* Stands in for layers/runtimes: no interpreter is looked for while the registry is tested. */
#include "tests/unit/registry/fake_runtimes.h"

#include <string.h>

#include "layers/runtimes/runtimes.h"

bool fake_has_python = true;
const struct runtime_interpreter *fake_interpreter;

int runtimes_match(const struct runtimes *runtimes, const char *identifier, bool exact_only, struct runtime_match *ret_match,
                   struct err *err)
{
    (void)runtimes;
    (void)exact_only;
    if (!fake_has_python)
        return err_set(err, ERR_NOT_FOUND, "%s needs Python, which is not installed", identifier);
    *ret_match = (struct runtime_match){.language = RUNTIME_PYTHON, .exact = true, .interpreter = fake_interpreter};
    return 0;
}
