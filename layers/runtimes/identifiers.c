/* AWS's runtime identifiers: which there are, which are retired, what AWS recommends instead. Data; AWS's page "Lambda runtimes" is the
 * source (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html), a runtime counts as retired once functions of it can
 * neither be created nor updated. */
#include <stdlib.h>

#include "layers/runtimes/runtimes.h"
#include "lib/base/strutil.h"

static const struct identifier {
    const char *name;
    enum runtime_status status;
    const char *replacement; /* of a retired one; NULL: AWS names none */
} identifiers[] = {
    {"python3.14", RUNTIME_CURRENT, NULL},
    {"python3.13", RUNTIME_CURRENT, NULL},
    {"python3.12", RUNTIME_CURRENT, NULL},
    {"python3.11", RUNTIME_CURRENT, NULL},
    {"python3.10", RUNTIME_CURRENT, NULL},
    {"python3.9", RUNTIME_CURRENT, NULL},
    {"python3.8", RUNTIME_CURRENT, NULL},
    {"nodejs24.x", RUNTIME_CURRENT, NULL},
    {"nodejs22.x", RUNTIME_CURRENT, NULL},
    {"nodejs20.x", RUNTIME_CURRENT, NULL},
    {"nodejs18.x", RUNTIME_CURRENT, NULL},
    {"nodejs16.x", RUNTIME_CURRENT, NULL},
    {"java25", RUNTIME_CURRENT, NULL},
    {"java21", RUNTIME_CURRENT, NULL},
    {"java17", RUNTIME_CURRENT, NULL},
    {"java11", RUNTIME_CURRENT, NULL},
    {"java8.al2", RUNTIME_CURRENT, NULL},
    {"dotnet8", RUNTIME_CURRENT, NULL},
    {"dotnet6", RUNTIME_CURRENT, NULL},
    {"ruby3.4", RUNTIME_CURRENT, NULL},
    {"ruby3.3", RUNTIME_CURRENT, NULL},
    {"ruby3.2", RUNTIME_CURRENT, NULL},
    {"provided.al2023", RUNTIME_CURRENT, NULL},
    {"provided.al2", RUNTIME_CURRENT, NULL},
    {"java8", RUNTIME_RETIRED, "java21"},
    {"go1.x", RUNTIME_RETIRED, "provided.al2023"},
    {"provided", RUNTIME_RETIRED, "provided.al2023"},
    {"ruby2.7", RUNTIME_RETIRED, "ruby3.2"},
    {"nodejs14.x", RUNTIME_RETIRED, "nodejs20.x"},
    {"python3.7", RUNTIME_RETIRED, "python3.12"},
    {"dotnetcore3.1", RUNTIME_RETIRED, "dotnet6"},
    {"nodejs12.x", RUNTIME_RETIRED, "nodejs18.x"},
    {"dotnet7", RUNTIME_RETIRED, "dotnet8"},
    {"dotnet5.0", RUNTIME_RETIRED, NULL},
    {"python3.6", RUNTIME_RETIRED, NULL},
    {"python2.7", RUNTIME_RETIRED, NULL},
    {"ruby2.5", RUNTIME_RETIRED, NULL},
    {"nodejs10.x", RUNTIME_RETIRED, NULL},
    {"nodejs8.10", RUNTIME_RETIRED, NULL},
    {"nodejs6.10", RUNTIME_RETIRED, NULL},
    {"nodejs4.3", RUNTIME_RETIRED, NULL},
    {"nodejs4.3-edge", RUNTIME_RETIRED, NULL},
    {"nodejs", RUNTIME_RETIRED, NULL},
    {"dotnetcore2.1", RUNTIME_RETIRED, NULL},
    {"dotnetcore2.0", RUNTIME_RETIRED, NULL},
    {"dotnetcore1.0", RUNTIME_RETIRED, NULL},
};

enum runtime_status runtime_status(const char *identifier, const char **ret_replacement)
{
    for (size_t i = 0; i < ARRAY_LEN(identifiers); i++) {
        if (!str_eq(identifiers[i].name, identifier))
            continue;
        if (ret_replacement && identifiers[i].status == RUNTIME_RETIRED)
            *ret_replacement = identifiers[i].replacement;
        return identifiers[i].status;
    }
    return RUNTIME_UNKNOWN;
}
