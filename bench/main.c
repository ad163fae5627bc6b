/* stoke_bench: one figure a call; bench/run calls it for each. --cpu N first pins the client. */
#include <stdlib.h>

#include "bench/bench.h"
#include "lib/base/strutil.h"

int main(int argc, char **argv)
{
    if (argc > 2 && str_eq(argv[1], "--cpu")) {
        pin_to(atoi(argv[2]));
        argc -= 2;
        argv += 2;
    }
    if (argc > 1 && str_eq(argv[1], "cold"))
        return bench_cold(argc - 1, argv + 1);
    if (argc > 1 && (str_eq(argv[1], "warm") || str_eq(argv[1], "rps")))
        return bench_warm(argc - 1, argv + 1);
    if (argc > 1 && str_eq(argv[1], "registry"))
        return bench_registry();
    if (argc > 1 && str_eq(argv[1], "create"))
        return bench_create(argc - 1, argv + 1);
    if (argc > 1 && str_eq(argv[1], "storm"))
        return bench_storm(argc - 1, argv + 1);
    bench_die("usage: stoke_bench [--cpu N] cold|warm|rps|registry|create|storm ...");
}
