/* Control groups against this host, whatever it has: each ability is tried for real, a missing one is skipped
 * by name. Needs root or a delegated unit (`systemd-run --user --scope -p Delegate=yes`). */
#include "sandbox/cgroup/cgroup.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tests/unit/cunit.h"

#define NOBODY 65534

static char name[40];
static struct cgroups *cgroups;
static struct err err;

#define OK(call)                                                                                                                           \
    do {                                                                                                                                   \
        int rc_ = (call);                                                                                                                  \
        if (rc_ < 0)                                                                                                                       \
            printf("\n    %s: %s", #call, err.msg);                                                                                        \
        CU_ASSERT_FATAL(rc_ == 0);                                                                                                         \
    } while (0)
#define NEEDS(ability)                                                                                                                     \
    do {                                                                                                                                   \
        if (!cgroup_abilities(cgroups)->ability) {                                                                                         \
            SKIP("%s", geteuid() == 0 ? "needs the " #ability " controller" : "needs root, or a unit with the " #ability " controller");   \
            return;                                                                                                                        \
        }                                                                                                                                  \
    } while (0)

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* A child in group running fn, which starts when it is attached. */
static pid_t spawn_in(struct cgroup *group, void (*fn)(void))
{
    int gate[2];
    CU_ASSERT_FATAL(pipe(gate) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(gate[1]);
        if (read(gate[0], &byte, 1) == 1)
            fn();
        _exit(0);
    }
    close(gate[0]);
    OK(cgroup_attach_pid(group, pid, &err));
    CU_ASSERT(write(gate[1], "x", 1) == 1);
    close(gate[1]);
    return pid;
}

static void destroy(struct cgroup *group)
{
    for (int i = 0; cgroup_destroy(group, &err) < 0; i++) {
        CU_ASSERT_FATAL(err.kind == ERR_CONFLICT && err.code == EBUSY && i < 1000);
        pause_ms(5);
    }
}

static void sleep_long(void)
{
    pause_ms(60000);
}

static void spin(void)
{
    for (volatile unsigned long i = 0;; i++)
        ;
}

static void eat_memory(void)
{
    for (int i = 0; i < 400; i++) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            _exit(3);
        memset(p, 1, 1 << 20);
    }
}

static void fork_bomb(void)
{
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid < 0)
            _exit(errno == EAGAIN && i >= 5 ? 0 : 2);
        if (pid == 0)
            pause();
    }
    _exit(4);
}

static void test_cgroup_make_and_destroy(void)
{
    struct cgroup *group;
    struct cgroup_usage usage;
    OK(cgroup_make(cgroups, "plain", &group, &err));
    pid_t pid = spawn_in(group, sleep_long);
    OK(cgroup_usage(group, &usage, &err));
    CU_ASSERT(!cgroup_abilities(cgroups)->pids || usage.tasks == 1);
    CU_ASSERT(cgroup_destroy(group, &err) < 0 && err.code == EBUSY);
    cgroup_kill(group);
    int status;
    CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    destroy(group);
    struct cgroup *bad = NULL;
    CU_ASSERT(cgroup_make(cgroups, "../x", &bad, &err) == -ERR_INVALID && !bad);
}

static void test_cgroup_self_attach(void)
{
    struct cgroup *group, *before; /* a task joins a threaded leaf from another one, as workers do from their zygote's */
    struct cgroup_usage usage;
    int fds[CGROUP_HIERARCHIES_MAX], started[2];
    char byte;
    NEEDS(pids);
    OK(cgroup_make(cgroups, "self", &group, &err));
    OK(cgroup_make(cgroups, "before", &before, &err));
    CU_ASSERT_FATAL(pipe(started) == 0);
    size_t n = cgroup_procs_fds(group, true, fds);
    CU_ASSERT(n > 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (read(started[0], &byte, 1) != 1)
            _exit(8);
        for (size_t i = 0; i < n; i++)
            if (write(fds[i], "0", 1) != 1)
                _exit(9);
        sleep_long();
    }
    OK(cgroup_attach_pid(before, pid, &err));
    CU_ASSERT(write(started[1], "x", 1) == 1);
    close(started[0]);
    close(started[1]);
    for (int i = 0; i < 200; i++) {
        OK(cgroup_usage(group, &usage, &err));
        if (usage.tasks == 1)
            break;
        pause_ms(5);
    }
    CU_ASSERT(usage.tasks == 1);
    cgroup_procs_close(group);
    cgroup_kill(group);
    waitpid(pid, NULL, 0);
    destroy(before);
    destroy(group);
}

static void test_cgroup_freeze_and_kill(void)
{
    struct cgroup *group;
    struct cgroup_usage before, after;
    NEEDS(freezer);
    OK(cgroup_make(cgroups, "frozen", &group, &err));
    pid_t pid = spawn_in(group, spin);
    pause_ms(100);
    OK(cgroup_freeze(group, true, &err));
    pause_ms(100);
    OK(cgroup_usage(group, &before, &err));
    pause_ms(200);
    OK(cgroup_usage(group, &after, &err));
    CU_ASSERT(after.cpu_us > 0);
    CU_ASSERT(after.cpu_us - before.cpu_us < 20000);
    OK(cgroup_freeze(group, false, &err));
    pause_ms(300);
    OK(cgroup_usage(group, &before, &err));
    CU_ASSERT(before.cpu_us > after.cpu_us);
    OK(cgroup_freeze(group, true, &err));
    pause_ms(50);
    cgroup_kill(group);
    int status = 0;
    CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    destroy(group);
}

static void test_cgroup_memory(void)
{
    struct cgroup *group;
    struct cgroup_usage usage;
    struct cgroup_limits limits = {.memory_bytes = 64u << 20};
    NEEDS(memory);
    OK(cgroup_make(cgroups, "memory", &group, &err));
    OK(cgroup_limit(group, &limits, &err));
    limits.memory_bytes = 128u << 20; /* up, down */
    OK(cgroup_limit(group, &limits, &err));
    limits.memory_bytes = 64u << 20;
    OK(cgroup_limit(group, &limits, &err));
    OK(cgroup_usage(group, &usage, &err));
    uint32_t events = 0;
    struct pollfd p = {.fd = cgroup_oom_fd(group, &events)};
    CU_ASSERT_FATAL(p.fd >= 0);
    p.events = (short)events;
    CU_ASSERT(poll(&p, 1, 0) == 0);
    pid_t pid = spawn_in(group, eat_memory);
    int status = 0;
    CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CU_ASSERT(poll(&p, 1, 2000) == 1);
    OK(cgroup_usage(group, &usage, &err));
    CU_ASSERT(usage.oom_kills >= 1);
    CU_ASSERT(poll(&p, 1, 0) == 0);
    limits.memory_bytes = 0;
    OK(cgroup_limit(group, &limits, &err));
    destroy(group);
}

static void test_cgroup_pids(void)
{
    struct cgroup *group;
    struct cgroup_limits limits = {.pids_max = 10};
    NEEDS(pids);
    OK(cgroup_make(cgroups, "pids", &group, &err));
    OK(cgroup_limit(group, &limits, &err));
    pid_t pid = spawn_in(group, fork_bomb);
    int status = 0;
    CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cgroup_kill(group);
    destroy(group);
}

static long number_in(const char *path)
{
    long number = -1;
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%ld", &number) != 1)
        number = -1;
    if (file)
        fclose(file);
    return number;
}

/* Of the parent of all leaves, found through a process in one of them: v1's line has the controller, v2's none. */
static bool root_pids_max(pid_t inside, char ret_path[512])
{
    char line[512], at[300];
    bool found = false;
    snprintf(line, sizeof line, "/proc/%d/cgroup", inside);
    FILE *file = fopen(line, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        bool v1 = sscanf(line, "%*d:pids:%299[^\n]", at) == 1;
        if (!v1 && sscanf(line, "%*d::%299[^\n]", at) != 1)
            continue;
        *strrchr(at, '/') = '\0';
        snprintf(ret_path, 512, "/sys/fs/cgroup%s%s/pids.max", v1 ? "/pids" : "", at);
        found = access(ret_path, F_OK) == 0;
    }
    if (file)
        fclose(file);
    return found;
}

/* All rooms together leave the host a share of its process numbers, and a smaller bound that is there already stays. */
static void test_cgroup_all_tasks(void)
{
    struct cgroup *group;
    struct cgroups *again;
    char path[512] = "";
    NEEDS(pids);
    OK(cgroup_make(cgroups, "all", &group, &err));
    pid_t pid = spawn_in(group, sleep_long);
    bool found = root_pids_max(pid, path);
    cgroup_kill(group);
    waitpid(pid, NULL, 0);
    destroy(group);
    if (!found) {
        printf("SKIP pids are not below /sys/fs/cgroup here: ");
        return;
    }
    long threads = number_in("/proc/sys/kernel/threads-max"), pids = number_in("/proc/sys/kernel/pid_max");
    long bound = (threads < pids ? threads : pids) / 4 * 3;
    CU_ASSERT_EQUAL(number_in(path), bound);
    FILE *file = fopen(path, "we");
    CU_ASSERT_FATAL(file && fprintf(file, "%ld", bound / 2) > 0 && fclose(file) == 0);
    OK(cgroup_open(name, &again, &err));
    cgroup_close(again);
    CU_ASSERT_EQUAL(number_in(path), bound / 2);
}

/* Who may use nothing is told what is lost and, in each sentence, how to get it. */
static int tell_nobody(void)
{
    struct cgroups *none;
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return 10;
    if (cgroup_open(name, &none, &err) < 0 || cgroup_abilities(none)->version != 0)
        return 11;
    const char *text = cgroup_abilities(none)->missing;
    int lost = 0, remedies = 0;
    for (const char *p = text; (p = strstr(p, "There is no usable ")); p++)
        lost++;
    for (const char *p = text; (p = strstr(p, "It takes a kernel with CONFIG_")); p++)
        remedies++;
    return lost == 5 && remedies == 5 && text[strlen(text) - 1] == '.' ? 0 : 12;
}

static void test_cgroup_missing(void)
{
    int status = 0;
    if (geteuid() != 0) {
        printf("SKIP needs root to give it up: ");
        return;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(tell_nobody());
    CU_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

static void test_cgroup_cpu(void)
{
    struct cgroup *group;
    struct cgroup_usage usage;
    struct cgroup_limits limits = {.cpu_milli = 100};
    NEEDS(cpu);
    OK(cgroup_make(cgroups, "cpu", &group, &err));
    limits.cpu_milli = 20; /* below the kernel's smallest quota in a normal period */
    OK(cgroup_limit(group, &limits, &err));
    limits.cpu_milli = 100;
    OK(cgroup_limit(group, &limits, &err));
    int64_t start = clock_mono_us();
    pid_t pid = spawn_in(group, spin);
    pause_ms(500);
    OK(cgroup_usage(group, &usage, &err));
    double share = (double)usage.cpu_us / (double)(clock_mono_us() - start);
    printf("(share %.3f) ", share);
    CU_ASSERT(share < 0.2);
    limits.cpu_milli = 0;
    OK(cgroup_limit(group, &limits, &err));
    cgroup_kill(group);
    waitpid(pid, NULL, 0);
    destroy(group);
}

/* What a dead spawner leaves: groups with tasks, one of them frozen. */
static void test_cgroup_sweep(void)
{
    struct cgroup *group[3];
    pid_t pid[3];
    for (int i = 0; i < 3; i++) {
        char leaf[8];
        snprintf(leaf, sizeof leaf, "r%d", i);
        OK(cgroup_make(cgroups, leaf, &group[i], &err));
        pid[i] = spawn_in(group[i], sleep_long);
    }
    if (cgroup_abilities(cgroups)->freezer)
        OK(cgroup_freeze(group[1], true, &err));
    struct cgroups *other;
    signal(SIGCHLD, SIG_IGN); /* reaped at once, as by the init that inherits them */
    OK(cgroup_open(name, &other, &err));
    cgroup_sweep(other, false);
    cgroup_close(other);
    signal(SIGCHLD, SIG_DFL);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(kill(pid[i], 0) < 0 && errno == ESRCH);
        CU_ASSERT(cgroup_destroy(group[i], &err) == 0);
    }
    struct cgroup *again;
    OK(cgroup_make(cgroups, "r0", &again, &err));
    destroy(again);
}

static const struct unit_test tests[] = {
    TEST(test_cgroup_make_and_destroy), TEST(test_cgroup_self_attach), TEST(test_cgroup_freeze_and_kill),
    TEST(test_cgroup_memory),           TEST(test_cgroup_pids),        TEST(test_cgroup_all_tasks),
    TEST(test_cgroup_missing),          TEST(test_cgroup_cpu),         TEST(test_cgroup_sweep),
};

int main(void)
{
    snprintf(name, sizeof name, "stoke-test-%d", getpid());
    if (cgroup_open(name, &cgroups, &err) < 0) {
        printf("%s\n", err.msg);
        return 1;
    }
    const struct cgroup_abilities *a = cgroup_abilities(cgroups);
    printf("version %d, cpu %d, memory %d, pids %d, freezer %d\n%s\n", a->version, a->cpu, a->memory, a->pids, a->freezer, a->missing);
    if (!a->version) {
        SKIP("%s", geteuid() == 0 ? "needs control groups that root may use" : "needs root, or a delegated unit");
        return 77;
    }
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite suite = CU_add_suite("cgroup", NULL, NULL);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        CU_add_test(suite, tests[i].name, tests[i].fn);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    int failed = (int)CU_get_number_of_failures();
    CU_cleanup_registry();
    cgroup_sweep(cgroups, true);
    cgroup_close(cgroups);
    return failed ? 1 : 0;
}
