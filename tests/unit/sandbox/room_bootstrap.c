/* A custom runtime for tests: dials the Runtime API's address, then does what the test writes to it, one word a line, and answers
 * with one line each. Static, for the room's /usr need not hold anything for it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int dial(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&addr, sizeof addr) < 0)
        return -1;
    return sock;
}

static int first_line(const char *path, char *out, size_t cap)
{
    FILE *file = fopen(path, "r");
    if (!file || !fgets(out, (int)cap, file))
        snprintf(out, cap, "errno %d", errno);
    out[strcspn(out, "\n")] = '\0';
    if (file)
        fclose(file);
    return 0;
}

/* A child of a child, in a session of its own: pid 1's to reap, RESET's to kill. */
static void leave_a_daemon(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
}

static void eat_memory(void)
{
    for (;;) {
        volatile char *block = malloc(1 << 20); /* volatile: a compiler sees that nobody reads it */
        for (size_t i = 0; block && i < 1 << 20; i += 4096)
            block[i] = 1;
    }
}

static int write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    int rc = fd < 0 || write(fd, "kept", 4) != 4 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static void answer(const char *word, FILE *out)
{
    char line[256];
    cpu_set_t cpus;
    struct statvfs vfs;
    if (strcmp(word, "who") == 0) {
        fprintf(out, "%d %d %d %d\n", getpid(), getppid(), getuid(), getgid());
    } else if (strcmp(word, "meminfo") == 0) {
        first_line("/proc/meminfo", line, sizeof line);
        fprintf(out, "%s\n", line);
    } else if (strncmp(word, "read:", 5) == 0) {
        first_line(word + 5, line, sizeof line);
        fprintf(out, "%s\n", line);
    } else if (strncmp(word, "write:", 6) == 0) {
        fprintf(out, "%d\n", write_file(word + 6));
    } else if (strncmp(word, "open:", 5) == 0) {
        int fd = open(word + 5, O_RDONLY);
        fprintf(out, "%d\n", fd < 0 ? errno : 0);
        close(fd);
    } else if (strcmp(word, "tmp") == 0) {
        fprintf(out, "%ld\n", statvfs("/tmp", &vfs) < 0 ? -1 : (long)(vfs.f_blocks * vfs.f_frsize >> 20));
    } else if (strcmp(word, "cpus") == 0) {
        sched_getaffinity(0, sizeof cpus, &cpus);
        fprintf(out, "%d\n", CPU_COUNT(&cpus));
    } else if (strcmp(word, "daemon") == 0) {
        leave_a_daemon();
        fprintf(out, "ok\n");
    } else if (strcmp(word, "endpoint") == 0) {
        fprintf(out, "%d\n", dial(4566) < 0 ? errno : 0);
    } else if (strcmp(word, "eat") == 0) {
        eat_memory();
    } else if (strncmp(word, "exit:", 5) == 0) {
        _exit(atoi(word + 5));
    } else {
        fprintf(out, "unknown\n");
    }
    fflush(out);
}

int main(void)
{
    char word[512], where[256];
    int sock = dial(9001);
    FILE *in = sock < 0 ? NULL : fdopen(sock, "r"), *out = sock < 0 ? NULL : fdopen(dup(sock), "w");
    const char *greeting = getenv("GREETING");
    printf("hello %s in %s\n", greeting ? greeting : "nobody", getcwd(where, sizeof where) ? where : "nowhere");
    fflush(stdout);
    if (!in || !out)
        return 3;
    while (fgets(word, sizeof word, in)) {
        word[strcspn(word, "\n")] = '\0';
        answer(word, out);
    }
    return 0;
}
