/* Turns are posted on the loop, so that whoever ends a write is not called back from inside it. */
#include "host/registry/wait_line.h"

#include <assert.h>
#include <stdlib.h>

#include "host/registry/function_record.h"
#include "lib/base/loop.h"

struct wait_line_turn {
    STAILQ_ENTRY(wait_line_turn) link;
    void (*fn)(void *arg);
    void *arg;
    struct registry *registry;
    struct wait_line *line; /* NULL: it is gone */
    bool runs;
};

void wait_line_init(struct wait_line *line, struct registry *registry)
{
    *line = (struct wait_line){.registry = registry};
    STAILQ_INIT(&line->waiting);
}

static void call_next(struct wait_line *line);

static void run(void *arg)
{
    struct wait_line_turn *turn = arg;
    if (registry_enter(turn->registry)) {
        turn->runs = true;
        turn->fn(turn->arg);
    }
    if (turn->line != NULL) {
        turn->line->called = NULL;
        if (!turn->line->busy)
            call_next(turn->line);
    }
    free(turn);
}

static void post(struct wait_line_turn *turn)
{
    turn->registry->posted++;
    loop_post(turn->registry->loop, run, turn);
}

static struct wait_line_turn *take_first(struct wait_line *line)
{
    struct wait_line_turn *turn = STAILQ_FIRST(&line->waiting);
    if (turn != NULL)
        STAILQ_REMOVE_HEAD(&line->waiting, link);
    return turn;
}

static void call_next(struct wait_line *line)
{
    line->called = take_first(line);
    if (line->called != NULL)
        post(line->called);
}

bool wait_line_wait(struct wait_line *line, void (*fn)(void *arg), void *arg)
{
    if (!line->busy && (line->called == NULL || line->called->runs))
        return false;
    struct wait_line_turn *turn = calloc(1, sizeof(*turn));
    if (turn == NULL)
        abort();
    *turn = (struct wait_line_turn){.fn = fn, .arg = arg, .registry = line->registry, .line = line};
    STAILQ_INSERT_TAIL(&line->waiting, turn, link);
    return true;
}

void wait_line_begin(struct wait_line *line)
{
    assert(!line->busy);
    line->busy = true;
}

void wait_line_end(struct wait_line *line)
{
    assert(line->busy);
    line->busy = false;
    if (line->called == NULL)
        call_next(line);
}

static void forget_called(struct wait_line *line)
{
    if (line->called != NULL)
        line->called->line = NULL;
    line->called = NULL;
}

void wait_line_close(struct wait_line *line)
{
    struct wait_line_turn *turn;
    forget_called(line);
    while ((turn = take_first(line)) != NULL) {
        turn->line = NULL;
        post(turn);
    }
}

void wait_line_drop(struct wait_line *line)
{
    struct wait_line_turn *turn;
    forget_called(line);
    while ((turn = take_first(line)) != NULL)
        free(turn);
}
