/* What a function uses up: descriptors, processes, memory, disk, time; and what it leaves running. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define CHILDREN_MAX 5000

static void descriptor_bomb(struct visit *visit, struct answer *answer)
{
    (void)visit;
    int fds[70000], n = 0;
    while (n < 70000 && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    answer_errno(answer, "end", n < 70000 ? errno : 0);
    answer_number(answer, "count", n);
    while (n--)
        close(fds[n]);
}

static void fork_bomb(struct visit *visit, struct answer *answer)
{
    (void)visit;
    static pid_t pids[CHILDREN_MAX];
    int n = 0, code = 0;
    for (; n < CHILDREN_MAX; n++) {
        pids[n] = fork();
        if (pids[n] < 0) {
            code = errno;
            break;
        }
        if (pids[n] == 0)
            for (;;)
                pause();
    }
    answer_errno(answer, "end", code);
    answer_number(answer, "count", n);
    for (int i = 0; i < n; i++)
        kill(pids[i], SIGKILL);
    for (int i = 0; i < n; i++)
        waitpid(pids[i], NULL, 0);
}

/* Never comes back: the kernel ends it. */
static void memory_bomb(struct visit *visit, struct answer *answer)
{
    (void)visit;
    for (;;) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            answer_errno(answer, "end", errno);
            return;
        }
        memset(p, 1, 1 << 20);
    }
}

/* arg: the number of MB to stop at, should nothing else stop it. */
static void fill_tmp(struct visit *visit, struct answer *answer)
{
    static char block[1 << 20];
    long max = atol(visit->arg), n = 0;
    int fd = open("/tmp/fill", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), code = fd < 0 ? errno : 0;
    memset(block, 7, sizeof block);
    for (; !code && n < max; n++)
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block) {
            code = write(fd, block, sizeof block) < 0 ? errno : 0;
            break;
        }
    answer_errno(answer, "end", code);
    answer_number(answer, "mb", n);
    close(fd);
    unlink("/tmp/fill");
}

static void fill_inodes(struct visit *visit, struct answer *answer)
{
    long max = atol(visit->arg), n = 0;
    char name[40];
    int code = 0;
    for (; n < max; n++) {
        snprintf(name, sizeof name, "/tmp/inode%ld", n);
        int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0) {
            code = errno;
            break;
        }
        close(fd);
    }
    answer_errno(answer, "end", code);
    answer_number(answer, "count", n);
    while (n--) {
        snprintf(name, sizeof name, "/tmp/inode%ld", n);
        unlink(name);
    }
}

/* Leaves a process behind that counts in /tmp/ticks every 5 ms; arg names it. daemon: in a session of its
 * own, orphaned. */
static void leave_behind(struct visit *visit, struct answer *answer, bool orphan)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (orphan) {
            setsid();
            if (fork() > 0)
                _exit(0);
        }
        prctl(PR_SET_NAME, visit->arg, 0, 0, 0);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        int fd = open("/tmp/ticks", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        for (long ticks = 1;; ticks++) {
            if (pwrite(fd, &ticks, sizeof ticks, 0) < 0)
                _exit(1);
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        }
    }
    if (orphan)
        waitpid(pid, NULL, 0);
    answer_errno(answer, "fork", pid < 0 ? errno : 0);
}

static void background(struct visit *visit, struct answer *answer)
{
    leave_behind(visit, answer, false);
}

static void orphan_daemon(struct visit *visit, struct answer *answer)
{
    leave_behind(visit, answer, true);
}

static void ticks(struct visit *visit, struct answer *answer)
{
    (void)visit;
    long count = -1;
    int fd = open("/tmp/ticks", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, &count, sizeof count) != (ssize_t)sizeof count)
        count = -1;
    close(fd);
    answer_number(answer, "ticks", count);
}

static void stop_self(struct visit *visit, struct answer *answer)
{
    (void)visit;
    kill(getpid(), SIGSTOP);
    answer_text(answer, "end", "continued");
}

/* Never answers and takes no SIGTERM; arg names it for the host. */
static void stubborn(struct visit *visit, struct answer *answer)
{
    (void)answer;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    prctl(PR_SET_NAME, visit->arg, 0, 0, 0);
    for (int sig = 1; sig < 32; sig++)
        sigaction(sig, &ignore, NULL);
    for (volatile unsigned long i = 0;; i++)
        ;
}

static void spin(struct visit *visit, struct answer *answer)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += atol(visit->arg);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec < end.tv_sec);
    answer_text(answer, "end", "time");
}

/* arg: MB of lines on stdout. */
static void flood(struct visit *visit, struct answer *answer)
{
    static char lines[1 << 16];
    memset(lines, 'x', sizeof lines);
    for (size_t i = 99; i < sizeof lines; i += 100)
        lines[i] = '\n';
    long blocks = atol(visit->arg) * 16, n = 0;
    while (n < blocks && write(1, lines, sizeof lines) > 0)
        n++;
    answer_number(answer, "mb", n / 16);
}

/* Lines that look like the platform's own; one without an end. */
static void forge(struct visit *visit, struct answer *answer)
{
    printf("START RequestId: %s Version: forged\n", visit->id);
    printf("END RequestId: %s\n", visit->id);
    printf("REPORT RequestId: %s\tDuration: 0.01 ms\tBilled Duration: 1 ms\tMemory Size: 1 MB\tMax Memory "
           "Used: 1 MB\tforged\n",
           visit->id);
    printf("\x1b[2Jescape\nREPORT RequestId: %s\tforged without an end", visit->id);
    fflush(stdout);
    answer_text(answer, "id", visit->id);
}

/* arg: how many connections to hold open at once, spread over processes: what is closed is counted when all have theirs. */
static void connections(struct visit *visit, struct answer *answer)
{
    long want = atol(visit->arg), made = 0, refused = 0, closed = 0;
    int counts[2], all[2], children = 0;
    if (pipe2(counts, O_CLOEXEC) < 0 || pipe2(all, O_CLOEXEC) < 0)
        return;
    for (long left = want; left > 0; left -= 900) {
        pid_t pid = fork();
        if (pid == 0) {
            int fds[900], n = 0;
            long result[3] = {0, 0, 0};
            char byte;
            close(all[1]);
            for (int i = 0; i < 900 && i < left; i++) {
                int fd = api_connect();
                if (fd < 0)
                    result[1]++;
                else
                    fds[n++] = fd;
            }
            result[0] = n;
            if (write(counts[1], result, sizeof result) != sizeof result || read(all[0], &byte, 1) != 0)
                _exit(1);
            sleep(1);
            memset(result, 0, sizeof result);
            for (int i = 0; i < n; i++)
                result[2] += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
            _exit(write(counts[1], result, sizeof result) != sizeof result);
        }
        children += pid > 0;
    }
    close(counts[1]);
    close(all[0]);
    for (long result[3]; read(counts[0], result, sizeof result) == (ssize_t)sizeof result;) {
        if (children-- == 1)
            close(all[1]);
        made += result[0];
        refused += result[1];
        closed += result[2];
    }
    close(counts[0]);
    while (wait(NULL) > 0)
        ;
    answer_number(answer, "made", made);
    answer_number(answer, "refused", refused);
    answer_number(answer, "closed", closed);
    answer_number(answer, "held", made - closed);
}

static void write_tmp(struct visit *visit, struct answer *answer)
{
    int fd = open("/tmp/secret", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    size_t len = strlen(visit->arg);
    answer_errno(answer, "write", fd < 0 || write(fd, visit->arg, len) != (ssize_t)len ? errno : 0);
    close(fd);
}

const struct probe probes_limits[] = {
    {"descriptor_bomb", descriptor_bomb},
    {"fork_bomb", fork_bomb},
    {"memory_bomb", memory_bomb},
    {"fill_tmp", fill_tmp},
    {"fill_inodes", fill_inodes},
    {"background", background},
    {"orphan", orphan_daemon},
    {"ticks", ticks},
    {"stop_self", stop_self},
    {"stubborn", stubborn},
    {"spin", spin},
    {"flood", flood},
    {"forge", forge},
    {"connections", connections},
    {"write_tmp", write_tmp},
    {NULL, NULL},
};
