/* Turns policy.list into the BPF programs of policy.h, as C source; runs while building. libseccomp makes the
 * big filter (a binary tree, OPTIMIZE=2) and pid 1's. Two things it cannot say are added here: what a call
 * gets when none of its conditional lines holds (libseccomp has one default for all calls), and the last
 * filter, which is short and made by hand. For the former its default is a mark that is replaced by a jump to
 * a table of our own behind its program; only calls that are refused, and fcntl, setsockopt and those of limits,
 * ever come there. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROGRAM_MAX 4096 /* the kernel's BPF_MAXINSNS */
#define CONDITIONS_MAX 3
#define LINES_MAX 600
#define MARK_ERRNO 0xffe /* no errno of Linux: stands for "no line held" until it is replaced */

enum action { ALLOW, EPERM_, ZERO, ZYGOTE, LAST, PID1, OTHERWISE_ALLOW, OTHERWISE_EPERM, OTHERWISE_ENOMEM, ACTIONS };

struct condition {
    unsigned arg;
    bool is_pointer; /* aN!=0, on all 64 bits; mask and value do not count */
    uint32_t mask, value;
};

struct line {
    enum action action;
    char call[64];
    int nr;
    unsigned conditions;
    struct condition condition[CONDITIONS_MAX];
};

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned len;
};

static struct line lines[LINES_MAX];
static unsigned line_count;

static void __attribute__((noreturn, format(printf, 2, 3))) fail(unsigned at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "policy.list:%u: ", at);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    exit(1);
}

/* ---- reading policy.list */

static enum action parse_action(const char *word, char **rest, unsigned at)
{
    static const char *const names[] = {"allow", "eperm", "zero", "zygote", "last", "pid1"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0)
            return (enum action)i;
    if (strcmp(word, "otherwise") == 0) {
        const char *what = strtok_r(NULL, " \t", rest);
        if (what && strcmp(what, "allow") == 0)
            return OTHERWISE_ALLOW;
        if (what && strcmp(what, "eperm") == 0)
            return OTHERWISE_EPERM;
        if (what && strcmp(what, "enomem") == 0)
            return OTHERWISE_ENOMEM;
    }
    fail(at, "unknown action '%s'", word);
}

/* CALL or CALL@NUMBER. The number has to agree with libseccomp's where that knows the call. */
static void parse_call(struct line *line, char *word, unsigned at)
{
    char *number = strchr(word, '@');
    if (number)
        *number++ = '\0';
    snprintf(line->call, sizeof line->call, "%s", word);
    line->nr = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, word);
    if (number) {
        int given = atoi(number);
        if (line->nr >= 0 && line->nr != given)
            fail(at, "%s is %d for libseccomp, not %d", word, line->nr, given);
        line->nr = given;
    }
    if (line->nr < 0)
        fail(at, "libseccomp does not know '%s': write %s@NUMBER", word, word);
}

static void parse_condition(struct line *line, const char *word, unsigned at)
{
    if (line->conditions == CONDITIONS_MAX)
        fail(at, "too many conditions");
    struct condition *c = &line->condition[line->conditions++];
    char *end;
    if (word[0] != 'a' || word[1] < '0' || word[1] > '5')
        fail(at, "bad condition '%s'", word);
    c->arg = (unsigned)(word[1] - '0');
    c->mask = 0xffffffff;
    word += 2;
    if (strcmp(word, "!=0") == 0) {
        if (line->action != ALLOW && line->action != EPERM_ && line->action != ZERO)
            fail(at, "only the big filter looks at pointers");
        c->is_pointer = true;
        return;
    }
    if (*word == '&') {
        c->mask = (uint32_t)strtoul(word + 1, &end, 0);
        word = end;
    }
    if (strncmp(word, "==", 2) != 0)
        fail(at, "bad condition at '%s'", word);
    c->value = (uint32_t)strtoul(word + 2, &end, 0);
    if (*end || (c->value & ~c->mask))
        fail(at, "bad value at '%s'", word);
}

static void parse_line(char *text, unsigned at)
{
    char *reason = strstr(text, " : "), *rest;
    if (!reason || !reason[3])
        fail(at, "no reason given");
    *reason = '\0';
    if (line_count == LINES_MAX)
        fail(at, "too many lines");
    struct line *line = &lines[line_count++];
    line->action = parse_action(strtok_r(text, " \t", &rest), &rest, at);
    char *word = strtok_r(NULL, " \t", &rest);
    if (!word)
        fail(at, "no call named");
    parse_call(line, word, at);
    while ((word = strtok_r(NULL, " \t", &rest)))
        parse_condition(line, word, at);
    if (line->conditions && (line->action == PID1 || line->action >= OTHERWISE_ALLOW))
        fail(at, "conditions make no sense here");
}

static const struct line *otherwise_of(int nr)
{
    for (unsigned i = 0; i < line_count; i++)
        if (lines[i].nr == nr && lines[i].action >= OTHERWISE_ALLOW)
            return &lines[i];
    return NULL;
}

/* A call is named once without conditions, or any number of times with them and once as `otherwise`. */
static void check_lines(void)
{
    for (unsigned i = 0; i < line_count; i++) {
        const struct line *a = &lines[i];
        if (a->action == PID1)
            continue;
        if (a->conditions && !otherwise_of(a->nr))
            fail(0, "%s has conditions and no `otherwise`", a->call);
        for (unsigned k = 0; k < i; k++)
            if (lines[k].nr == a->nr && lines[k].action != PID1 && (!lines[k].conditions && !a->conditions))
                fail(0, "%s is named twice", a->call);
    }
}

static void read_list(const char *path)
{
    FILE *f = fopen(path, "re");
    char text[512];
    if (!f)
        fail(0, "%s: %s", path, strerror(errno));
    for (unsigned at = 1; fgets(text, sizeof text, f); at++) {
        text[strcspn(text, "\n")] = '\0';
        if (text[0] && text[0] != '#')
            parse_line(text, at);
    }
    fclose(f);
    check_lines();
}

/* ---- making programs */

static void put(struct program *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (p->len == PROGRAM_MAX)
        fail(0, "the program is too long");
    p->code[p->len++] = (struct sock_filter){code, jt, jf, k};
}

static void put_load(struct program *p, size_t offset)
{
    put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static scmp_filter_ctx start(uint32_t default_action)
{
    scmp_filter_ctx ctx = seccomp_init(default_action);
    /* The native architecture of the context must be ours even when the generator runs elsewhere. */
    if (!ctx || seccomp_arch_native() != SCMP_ARCH_X86_64)
        fail(0, "the policy is written for x86-64");
    if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0 || seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0)
        fail(0, "libseccomp is older than 2.5");
    return ctx;
}

static void add_rule(scmp_filter_ctx ctx, const struct line *line, uint32_t action)
{
    struct scmp_arg_cmp cmp[CONDITIONS_MAX];
    for (unsigned i = 0; i < line->conditions; i++) {
        const struct condition *c = &line->condition[i];
        cmp[i] = c->is_pointer ? (struct scmp_arg_cmp){c->arg, SCMP_CMP_NE, 0, 0}
                               : (struct scmp_arg_cmp){c->arg, SCMP_CMP_MASKED_EQ, c->mask, c->value};
    }
    int rc = seccomp_rule_add_exact_array(ctx, action, line->nr, line->conditions, cmp);
    if (rc < 0)
        fail(0, "%s: libseccomp: %s", line->call, strerror(-rc));
}

static void export(scmp_filter_ctx ctx, struct program *p)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0 || seccomp_export_bpf(ctx, fd) < 0)
        fail(0, "libseccomp cannot export");
    ssize_t n = pread(fd, p->code, sizeof p->code, 0);
    close(fd);
    seccomp_release(ctx);
    if (n <= 0 || n % (ssize_t)sizeof *p->code || n == sizeof p->code)
        fail(0, "the exported program has %zd bytes", n);
    p->len = (unsigned)((size_t)n / sizeof *p->code);
}

static void make_big(struct program *p)
{
    scmp_filter_ctx ctx = start(SCMP_ACT_ERRNO(MARK_ERRNO));
    for (unsigned i = 0; i < line_count; i++) {
        const struct line *line = &lines[i];
        if (line->action == ALLOW || line->action == ZYGOTE)
            add_rule(ctx, line, SCMP_ACT_ALLOW);
        else if (line->action == EPERM_)
            add_rule(ctx, line, SCMP_ACT_ERRNO(EPERM));
        else if (line->action == ZERO)
            add_rule(ctx, line, SCMP_ACT_ERRNO(0));
    }
    export(ctx, p);

    unsigned table = p->len, marks = 0;
    for (unsigned i = 0; i < table; i++)
        if (p->code[i].code == (BPF_RET | BPF_K) && p->code[i].k == (SECCOMP_RET_ERRNO | MARK_ERRNO)) {
            p->code[i] = (struct sock_filter){BPF_JMP | BPF_JA, 0, 0, table - i - 1};
            marks++;
        }
    if (!marks)
        fail(0, "libseccomp's default action was not found in its program");
    put_load(p, offsetof(struct seccomp_data, nr));
    static const uint32_t answers[ACTIONS] = {[OTHERWISE_ALLOW] = SECCOMP_RET_ALLOW,
                                              [OTHERWISE_EPERM] = SECCOMP_RET_ERRNO | EPERM,
                                              [OTHERWISE_ENOMEM] = SECCOMP_RET_ERRNO | ENOMEM};
    for (enum action want = OTHERWISE_ALLOW; want < ACTIONS; want++)
        for (unsigned i = 0; i < line_count; i++)
            if (lines[i].action == want) {
                put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)lines[i].nr);
                put(p, BPF_RET | BPF_K, 0, 0, answers[want]);
            }
    put(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
}

static bool is_for_last(const struct line *line)
{
    return line->action == ZYGOTE || line->action == LAST;
}

/* Checks of the architecture are the big filter's: it runs as well, and the strictest answer counts. */
static void make_last(struct program *p)
{
    put_load(p, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < line_count; i++)
        if (is_for_last(&lines[i]) && !lines[i].conditions) {
            put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)lines[i].nr);
            put(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
        }
    for (unsigned i = 0; i < line_count; i++) {
        const struct line *line = &lines[i];
        if (!is_for_last(line) || !line->conditions)
            continue;
        /* per condition load, and, compare; then the refusal and reloading the number for the next line */
        unsigned skip = 3 * line->conditions + 1;
        put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(skip + 1), (uint32_t)line->nr);
        for (unsigned k = 0; k < line->conditions; k++) {
            const struct condition *c = &line->condition[k];
            put_load(p, offsetof(struct seccomp_data, args) + 8 * c->arg);
            put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, c->mask);
            put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(skip - 3 * (k + 1)), c->value);
        }
        put(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
        put_load(p, offsetof(struct seccomp_data, nr));
    }
    put(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

static void make_pid1(struct program *p)
{
    scmp_filter_ctx ctx = start(SCMP_ACT_KILL_PROCESS);
    for (unsigned i = 0; i < line_count; i++)
        if (lines[i].action == PID1)
            add_rule(ctx, &lines[i], SCMP_ACT_ALLOW);
    export(ctx, p);
}

static void print_program(FILE *out, const char *name, void (*make)(struct program *p))
{
    static struct program p;
    p.len = 0;
    make(&p);
    fprintf(out, "\nstatic const struct sock_filter %s_code[] = {\n", name);
    for (unsigned i = 0; i < p.len; i++)
        fprintf(out, "    {0x%04x, %u, %u, 0x%08x},\n", p.code[i].code, p.code[i].jt, p.code[i].jf, p.code[i].k);
    fprintf(out,
            "};\nconst struct sock_fprog policy_%s = {sizeof %s_code / sizeof *%s_code, (struct sock_filter "
            "*)(void "
            "*)(unsigned long)%s_code};\n",
            name, name, name, name);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: policy_gen policy.list policy_data.c\n");
        return 2;
    }
    read_list(argv[1]);
    FILE *out = fopen(argv[2], "we");
    if (!out)
        fail(0, "%s: %s", argv[2], strerror(errno));
    fputs("/* Made by policy_gen from policy.list: do not edit. */\n#include \"sandbox/policy/policy.h\"\n", out);
    print_program(out, "big", make_big);
    print_program(out, "last", make_last);
    print_program(out, "pid1", make_pid1);
    if (fclose(out) != 0)
        fail(0, "%s: %s", argv[2], strerror(errno));
    return 0;
}
