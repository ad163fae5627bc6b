/* The BPF lock against this kernel: a process in a group below it meets refusals, another outside does not,
 * and its traffic is counted. Needs root, a cgroup v2 tree and BPF. */
#include "sandbox/bpf/netlock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/cgroup/cgroup.h"
#include "tests/unit/cunit.h"

static struct cgroups *cgroups;
static struct netlock *lock;
static struct err err;

/* errno of connecting (or sending one datagram) to an address; 0 if it went. */
static int reach(int family, int type, const char *address)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(family, type | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    const struct sockaddr *to = family == AF_INET ? (void *)&four : (void *)&six;
    socklen_t len = family == AF_INET ? sizeof four : sizeof six;
    if (inet_pton(family, address, family == AF_INET ? (void *)&four.sin_addr : (void *)&six.sin6_addr) != 1)
        return -1;
    int rc = type == SOCK_STREAM ? connect(fd, to, len) : (int)sendto(fd, "hello", 5, 0, to, len);
    int code = rc < 0 ? errno : 0;
    close(fd);
    return code;
}

static int device(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    int code = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return code;
}

/* The number of the first check that fails, 0 if none does. */
static int inside(void)
{
    static const char *const far4[] = {"10.0.0.1", "169.254.169.254", "8.8.8.8", "192.168.0.1", "128.0.0.1"};
    static const char *const far6[] = {"2001:db8::1", "fe80::1", "::ffff:10.0.0.1", "::2"};
    for (size_t i = 0; i < ARRAY_LEN(far4); i++)
        if (reach(AF_INET, SOCK_STREAM, far4[i]) != ENETUNREACH || reach(AF_INET, SOCK_DGRAM, far4[i]) != ENETUNREACH)
            return 10 + (int)i;
    for (size_t i = 0; i < ARRAY_LEN(far6); i++)
        if (reach(AF_INET6, SOCK_STREAM, far6[i]) != ENETUNREACH || reach(AF_INET6, SOCK_DGRAM, far6[i]) != ENETUNREACH)
            return 20 + (int)i;
    if (reach(AF_INET, SOCK_STREAM, "127.0.0.1") == ENETUNREACH || reach(AF_INET, SOCK_STREAM, "127.9.9.9") == ENETUNREACH)
        return 30;
    if (reach(AF_INET6, SOCK_STREAM, "::1") == ENETUNREACH || reach(AF_INET6, SOCK_STREAM, "::ffff:127.0.0.1") == ENETUNREACH)
        return 31;
    if (reach(AF_INET, SOCK_DGRAM, "127.0.0.1") != 0)
        return 32;
    if (socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0 || errno != EPERM)
        return 33;
    if (device("/dev/null") || device("/dev/zero") || device("/dev/urandom"))
        return 40;
    if (device("/dev/kmsg") != EPERM && device("/dev/kmsg") != ENOENT)
        return 41;
    if (device("/dev/loop0") != EPERM && device("/dev/loop0") != ENOENT)
        return 42;
    /* /dev/mem: the five harmless ones may be made, templates need them */
    return mknod("/tmp/netlock-test-node", S_IFCHR | 0600, 0x101) < 0 && errno == EPERM ? 0 : 43;
}

static void test_netlock_inside(void)
{
    struct cgroup *group;
    uint64_t bytes = 0, packets = 0;
    CU_ASSERT_FATAL(cgroup_make(cgroups, "locked", &group, &err) == 0);
    int gate[2], status = 0;
    CU_ASSERT_FATAL(pipe(gate) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 1 ? inside() : 99);
    }
    CU_ASSERT(cgroup_attach_pid(group, pid, &err) == 0);
    CU_ASSERT(write(gate[1], "x", 1) == 1);
    CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    if (WEXITSTATUS(status))
        printf("\n    check %d failed", WEXITSTATUS(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    netlock_count(lock, cgroup_unified_id(group), &bytes, &packets);
    printf("(%llu bytes, %llu packets) ", (unsigned long long)bytes, (unsigned long long)packets);
    CU_ASSERT(packets >= 1 && bytes >= 20 + 8 + 5);
    netlock_forget(lock, cgroup_unified_id(group));
    netlock_count(lock, cgroup_unified_id(group), &bytes, &packets);
    CU_ASSERT(bytes == 0 && packets == 0);
    close(gate[0]);
    close(gate[1]);
    while (cgroup_destroy(group, &err) == -ERR_CONFLICT)
        usleep(2000);
}

static void test_netlock_outside(void)
{
    CU_ASSERT(device("/dev/zero") == 0);
    CU_ASSERT(reach(AF_INET, SOCK_DGRAM, "127.0.0.1") == 0);
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    CU_ASSERT(fd >= 0);
    close(fd);
}

static void test_netlock_needs_a_tree(void)
{
    struct netlock *none = NULL;
    CU_ASSERT(netlock_open(-1, &none, &err) == -ERR_UNSUPPORTED && !none && err.msg[0]);
}

static const struct unit_test tests[] = {TEST(test_netlock_inside), TEST(test_netlock_outside), TEST(test_netlock_needs_a_tree)};

int main(void)
{
    char name[40];
    snprintf(name, sizeof name, "stoke-test-bpf-%d", getpid());
    if (cgroup_open(name, &cgroups, &err) < 0) {
        printf("%s\n", err.msg);
        return 1;
    }
    if (netlock_open(cgroup_unified_fd(cgroups), &lock, &err) < 0) {
        SKIP("%s: %s", geteuid() == 0 ? "needs BPF at a cgroup v2 tree" : "needs root", err.msg);
        cgroup_sweep(cgroups, true);
        return 77;
    }
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite suite = CU_add_suite("netlock", NULL, NULL);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        CU_add_test(suite, tests[i].name, tests[i].fn);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    int failed = (int)CU_get_number_of_failures();
    CU_cleanup_registry();
    netlock_close(lock);
    cgroup_sweep(cgroups, true);
    cgroup_close(cgroups);
    return failed ? 1 : 0;
}
