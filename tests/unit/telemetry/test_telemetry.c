/* Log storage and streams: lines and their origin, bounds, rotation, reading back, following. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/telemetry/log_stream.h"
#include "host/telemetry/report.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

static struct loop *loop;
static struct logs *logs;
static char dir[64];
static const struct log_name name = {"123456789012", "us-east-1", "hello"};

static void open_logs(uint64_t file_bytes)
{
    struct err err;
    struct logs_options options = {.loop = loop, .dir = dir, .file_bytes_max = file_bytes};
    CU_ASSERT_FATAL(logs_new(&options, &logs, &err) == 0);
}

static void begin(uint64_t file_bytes)
{
    struct err err;
    strcpy(dir, "/tmp/stoke-logs-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(dir) && loop_new(&loop, &err) == 0);
    open_logs(file_bytes);
}

static void end(void)
{
    logs_free(logs);
    loop_free(loop);
    CLEANUP(freep) char *rm = str_format("rm -rf %s", dir);
    CU_ASSERT(system(rm) == 0);
}

static struct log_stream *open_stream(void)
{
    struct log_stream *stream = NULL;
    struct err err;
    CU_ASSERT_FATAL(log_stream_open(logs, &name, "2026/11/21/[$LATEST]00", &stream, &err) == 0);
    return stream;
}

struct seen {
    size_t count, platform, longest;
    char first[64], last[64], all[8192];
};

static void see(void *arg, const struct log_record *r)
{
    struct seen *s = arg;
    snprintf(s->last, sizeof s->last, "%.*s", (int)r->len, r->text);
    if (s->count == 0)
        strcpy(s->first, s->last);
    s->count++;
    s->platform += r->platform;
    s->longest = r->len > s->longest ? r->len : s->longest;
    size_t n = strlen(s->all);
    if (n + r->len + 100 < sizeof s->all)
        snprintf(s->all + n, sizeof s->all - n, "%c|%s|%s|%.*s\n", r->platform ? 'P' : 'F', r->stream, r->request_id, (int)r->len, r->text);
}

static struct seen read_all(int64_t since, size_t limit)
{
    struct seen seen = {0};
    struct err err;
    CU_ASSERT(logs_read(logs, &name, &(struct log_span){.since_us = since, .limit = limit}, see, &seen, &err) == 0);
    return seen;
}

static void test_lines(void)
{
    begin(0);
    CU_ASSERT(read_all(0, 10).count == 0);
    struct log_stream *s = open_stream();
    log_stream_feed(s, "init\n", 5);
    log_stream_begin(s, "r-1", NULL);
    log_stream_feed(s, "a\nb", 3);
    log_stream_feed(s, "c\n\n", 3);
    log_stream_feed(s, "back\\slash\ttab", 14);
    log_stream_platform(s, "r-1", "END RequestId: r-1\nsecond", NULL);
    log_stream_feed(s, "P\tforged", 8);
    log_stream_end(s);
    log_stream_close(s);
    struct seen seen = read_all(0, 100);
    CU_ASSERT_STRING_EQUAL(seen.all, "F|2026/11/21/[$LATEST]00||init\nF|2026/11/21/[$LATEST]00|r-1|a\nF|2026/11/21/[$LATEST]00|r-1|"
                                     "bc\nF|2026/11/21/[$LATEST]00|r-1|\nF|2026/11/21/[$LATEST]00|r-1|back\\slash\ttab\nP|2026/11/21/"
                                     "[$LATEST]00|r-1|END RequestId: r-1\nsecond\nF|2026/11/21/[$LATEST]00|r-1|P\tforged\n");
    CU_ASSERT(read_all(0, 2).count == 2 && str_eq(read_all(0, 2).last, "P\tforged"));
    CU_ASSERT(read_all(clock_wall_us() + 1000000, 10).count == 0);
    end();
}

static void test_long_line(void)
{
    begin(0);
    struct log_stream *s = open_stream();
    char *big = malloc(600 * 1024);
    memset(big, 'x', 600 * 1024);
    for (int i = 0; i < 600; i += 60)
        log_stream_feed(s, big + (size_t)i * 1024, 60 * 1024);
    log_stream_feed(s, "\n", 1);
    log_stream_feed(s, big, 300 * 1024);
    log_stream_end(s);
    struct seen seen = read_all(0, 100);
    CU_ASSERT(seen.count == 5 && seen.longest == LOG_LINE_BYTES_MAX);
    log_stream_close(s);
    free(big);
    end();
}

static void test_tail(void)
{
    struct log_tail *tail = calloc(1, sizeof *tail);
    char out[LOG_TAIL_BYTES + 1];
    CU_ASSERT(log_tail_copy(tail, out) == 0);
    log_tail_add(tail, "abc", 3);
    CU_ASSERT(log_tail_copy(tail, out) == 3 && str_eq(out, "abc"));
    char *big = malloc(10000);
    for (int i = 0; i < 10000; i++)
        big[i] = (char)('a' + i % 26);
    log_tail_add(tail, big, 10000);
    CU_ASSERT(log_tail_copy(tail, out) == LOG_TAIL_BYTES && memcmp(out, big + 10000 - LOG_TAIL_BYTES, LOG_TAIL_BYTES) == 0);
    log_tail_add(tail, "END", 3);
    CU_ASSERT(log_tail_copy(tail, out) == LOG_TAIL_BYTES && str_ends(out, "END") && out[0] == big[10000 - LOG_TAIL_BYTES + 3]);
    free(big);
    free(tail);
}

/* The files are read from their ends, in growing parts, across the two of them. */
static void test_read_parts(void)
{
    enum { LINES = 12000 };
    begin(700 * 1024);
    struct log_stream *s = open_stream();
    int64_t halfway = 0;
    for (int i = 0; i < LINES; i++) {
        char line[128];
        if (i == LINES / 2) {
            log_stream_platform(s, "r", "half", NULL);
            read_all(0, 1); /* flushes */
            usleep(2000);
            halfway = clock_wall_us();
        }
        int n = snprintf(line, sizeof line, "line %d %060d\n", i, 0);
        log_stream_feed(s, line, (size_t)n);
    }
    log_stream_close(s);
    static const size_t limits[] = {1, 10, 1000, 5000, LINES};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct seen seen = read_all(0, limits[i]);
        CU_ASSERT_EQUAL(seen.count, limits[i]);
        CU_ASSERT_EQUAL(atoi(seen.last + strlen("line ")), LINES - 1);
        if (limits[i] < LINES / 2)
            CU_ASSERT_EQUAL(atoi(seen.first + strlen("line ")), LINES - (int)limits[i]);
    }
    struct seen later = read_all(halfway, LINES);
    CU_ASSERT_EQUAL(later.count, LINES / 2);
    CU_ASSERT_EQUAL(atoi(later.first + strlen("line ")), LINES / 2);
    end();
}

static void test_rotation(void)
{
    begin(100 * 1024);
    struct log_stream *s = open_stream();
    for (int i = 0; i < 20000; i++) {
        char line[64];
        int n = snprintf(line, sizeof line, "line %d\n", i);
        log_stream_feed(s, line, (size_t)n);
    }
    log_stream_close(s);
    struct seen seen = read_all(0, 100000);
    CU_ASSERT(seen.count > 1000 && seen.count < 20000 && str_eq(seen.last, "line 19999"));
    int first = atoi(seen.first + 5);
    CU_ASSERT(first + (int)seen.count == 20000); /* no hole where the files meet */
    struct stat st;
    CLEANUP(freep) char *path = str_format("%s/123456789012/us-east-1/hello/previous.log", dir);
    CU_ASSERT(stat(path, &st) == 0 && st.st_size < 300 * 1024);
    end();
}

static void test_survives_restart(void)
{
    begin(0);
    struct log_stream *s = open_stream();
    log_stream_feed(s, "one\n", 4);
    log_stream_close(s);
    logs_free(logs);
    open_logs(0);
    s = open_stream();
    log_stream_feed(s, "two\n", 4);
    CU_ASSERT(read_all(0, 10).count == 2);
    log_stream_close(s);
    end();
}

static struct logs_follower *follower;
static void see_once(void *arg, const struct log_record *r)
{
    see(arg, r);
    logs_unfollow(follower);
}

static void test_follow(void)
{
    begin(0);
    struct seen seen = {0}, once = {0};
    struct logs_follower *other;
    struct err err;
    CU_ASSERT(logs_follow(logs, &name, see, &seen, &other, &err) == 0);
    CU_ASSERT(logs_follow(logs, &name, see_once, &once, &follower, &err) == 0);
    struct log_stream *s = open_stream();
    log_stream_feed(s, "one\ntwo\n", 8);
    CU_ASSERT(seen.count == 2 && once.count == 1);
    logs_unfollow(other);
    log_stream_feed(s, "three\n", 6);
    CU_ASSERT(seen.count == 2);
    log_stream_close(s);
    end();
}

static void test_names(void)
{
    begin(0);
    struct err err;
    struct log_name bad[] = {{"..", "us-east-1", "f"}, {"123456789012", "us-east-1", "../../etc"}, {"123456789012", "", "f"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT(logs_read(logs, &bad[i], &(struct log_span){.limit = 1}, see, NULL, &err) == -ERR_INVALID);
    end();
}

static void test_flood(void)
{
    begin(1 << 20);
    struct log_stream *s = open_stream();
    static char block[64 * 1024];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = i % 100 == 99 ? '\n' : 'y';
    CU_ASSERT(log_stream_pause_us(s) == 0);
    for (int i = 0; i < 12 * 16; i++) /* 12 MiB; the rate refills while we write */
        log_stream_feed(s, block, sizeof block);
    int64_t pause = log_stream_pause_us(s);
    CU_ASSERT(pause > 0 && pause < 1100 * 1000);
    for (int i = 0; i < 90 * 16; i++) /* 90 MiB more than a reader would: the store drops and says so */
        log_stream_feed(s, block, sizeof block);
    log_stream_end(s);
    struct seen seen = read_all(0, 1);
    CU_ASSERT(seen.platform == 1 && str_starts(seen.last, "LOGS_DROPPED Dropped Records: "));
    log_stream_close(s);
    end();
}

static void test_disk_trouble(void)
{
    begin(0);
    CLEANUP(freep) char *path = str_format("%s/123456789012", dir);
    FILE *file = fopen(path, "w"); /* where a directory should be */
    fclose(file);
    struct log_stream *s = open_stream();
    log_stream_feed(s, "lost\n", 5);
    struct seen seen = {0};
    struct err err;
    CU_ASSERT(logs_read(logs, &name, &(struct log_span){.limit = 10}, see, &seen, &err) < 0 || seen.count == 0);
    log_stream_close(s);
    end();
}

static void write_line(const char *line)
{
    struct log_stream *s = open_stream();
    log_stream_feed(s, line, strlen(line));
    log_stream_end(s);
    log_stream_close(s);
}

/* Whose records a reader sees after half a line was written, by whoever came first. */
static void test_torn_line(void)
{
    static const char torn[] = "1700000000000000\tP\tstream\tr-0\tEND Reque";
    begin(0);
    write_line("before\n");
    CLEANUP(freep) char *path = str_format("%s/%s/%s/%s/current.log", dir, name.account, name.region, name.key);
    logs_free(logs);
    FILE *file = fopen(path, "a");
    CU_ASSERT_FATAL(file != NULL);
    fwrite(torn, 1, sizeof torn - 1, file);
    fclose(file);
    open_logs(0);
    write_line("after\n");
    struct seen seen = read_all(0, 10);
    CU_ASSERT_STRING_EQUAL(seen.all, "F|2026/11/21/[$LATEST]00||before\nP|stream|r-0|END Reque\nF|2026/11/21/[$LATEST]00||after\n");
    end();
}

static void test_span(void)
{
    begin(0);
    struct log_stream *s = open_stream();
    for (char line[] = "0\n"; line[0] <= '9'; line[0]++)
        log_stream_feed(s, line, 2);
    log_stream_end(s);
    struct seen last = read_all(0, 3), first = {0};
    struct err err;
    CU_ASSERT(last.count == 3 && str_eq(last.first, "7") && str_eq(last.last, "9"));
    CU_ASSERT(logs_read(logs, &name, &(struct log_span){.limit = 3, .first = true}, see, &first, &err) == 0);
    CU_ASSERT(first.count == 3 && str_eq(first.first, "0") && str_eq(first.last, "2"));
    log_stream_close(s);
    end();
}

static void test_report(void)
{
    CU_ASSERT(report_billed_ms(3010, -1) == 4 && report_billed_ms(3010, 110100) == 114 && report_billed_ms(0, -1) == 1);
    CU_ASSERT(report_billed_ms(3000, -1) == 3);
    begin(0);
    struct log_stream *s = open_stream();
    struct report_to to = {.stream = s};
    struct report_invocation inv = {
        .request_id = "X", .duration_us = 3010, .init_us = 110100, .memory_mb = 128, .peak_bytes = (36 << 20) - 5};
    report_invocation(&to, &inv);
    CU_ASSERT_STRING_EQUAL(strrchr(read_all(0, 1).all, '|') + 1,
                           "REPORT RequestId: X\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 "
                           "MB\tInit Duration: 110.10 ms\t\n");
    inv.init_us = -1;
    inv.peak_bytes = 0;
    inv.status = "error";
    inv.error_type = "Evil\tMax Memory Used: 1 MB";
    report_invocation(&to, &inv);
    CU_ASSERT(str_ends(read_all(0, 1).all, "Max Memory Used: 1 MB\tStatus: error\tError Type: Runtime.Unknown\n"));
    log_stream_close(s);
    end();
}

static void test_logs_group_keys(void)
{
    char key[LOG_GROUP_KEY_BYTES], other[LOG_GROUP_KEY_BYTES];
    log_group_key("/aws/lambda/hello", key);
    CU_ASSERT_STRING_EQUAL(key, "hello");
    static const char *const groups[] = {"hello", "/aws/lambda/", "/aws/lambda/a/b", "/aws/lambda/..", "..", "", "/aws/lambda/=x"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        log_group_key(groups[i], key);
        CU_ASSERT_EQUAL(key[0], '=');
        CU_ASSERT_EQUAL(strspn(key + 1, "0123456789abcdef"), strlen(key) - 1);
        log_group_key(groups[(i + 1) % (sizeof groups / sizeof *groups)], other);
        CU_ASSERT_STRING_NOT_EQUAL(key, other);
    }
}

TEST_MAIN("telemetry", TEST(test_logs_group_keys), TEST(test_lines), TEST(test_long_line), TEST(test_tail), TEST(test_read_parts),
          TEST(test_rotation), TEST(test_survives_restart), TEST(test_follow), TEST(test_names), TEST(test_flood), TEST(test_disk_trouble),
          TEST(test_torn_line), TEST(test_span), TEST(test_report))
