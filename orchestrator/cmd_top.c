// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/top.h"

const struct assay_option assay_top_options[] = {
        {"once", 0, NULL, "print it once", false},
        {"every", 0, "SECONDS", "between two looks (2 on a terminal, else 10)", false},
        {"json", 0, NULL, "print one JSON object a line", false},
        {NULL, 0, NULL, NULL, false},
};

#define ARENA_BYTES ((size_t)1 << 30)
#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define SLICE_MS 100

struct top_command {
    struct assay_invocation *invocation;
    struct assay_context *context;
    bool terminal, json, once;
    uint64_t every_s;
    size_t drawn; // lines on the terminal that the next look takes the place of
};

static size_t terminal_width(void)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col - 1U;
    return 79;
}

static bool knows_unicode(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
        const char *value = getenv(names[i]);

        if (value && *value)
            return strstr(value, "UTF-8") || strstr(value, "utf8");
    }
    return false;
}

static enum assay_status show(
        struct top_command *c, const struct assay_top *top, struct assay_error *err)
{
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_clock_utc(now);
    if (c->json) {
        assay_top_write_json(&text, top);
        (void)assay_buf_addc(&text, '\n');
    } else {
        if (c->drawn > 0) // up to where the last look began, and clear from there
            (void)assay_buf_addf(&text, "\033[%zuA\r\033[J", c->drawn);
        (void)assay_buf_addf(&text, "assay top  %.19sZ\n", now);
        assay_top_write(
                &text, top, c->terminal ? terminal_width() : 0, c->terminal && knows_unicode());
    }
    c->drawn = 0;
    for (size_t i = 0; c->terminal && !c->json && i < text.len; i++)
        c->drawn += text.data[i] == '\n';
    status = assay_buf_check(&text, "top", err);
    if (status == ASSAY_OK &&
            (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0))
        status = assay_fail_errno(err, errno, "standard output");
    assay_buf_free(&text);
    return status;
}

static bool interrupted(const struct top_command *c)
{
    return c->invocation->interrupted && *c->invocation->interrupted;
}

static void wait_for_next(const struct top_command *c)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
    const uint64_t until = assay_clock_ms() + c->every_s * 1000;

    while (!interrupted(c) && assay_clock_left_ms(until) > 0)
        nanosleep(&slice, NULL);
}

static enum assay_status look(struct top_command *c, bool *over, struct assay_error *err)
{
    const char *run_id = c->invocation->argument_count > 0 ? c->invocation->arguments[0] : NULL;
    struct assay_arena *arena = NULL;
    struct assay_top top;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_top_load(
                &top, assay_context_store(c->context), run_id, assay_clock_now_ms(), arena, err);
    if (status == ASSAY_OK)
        status = show(c, &top, err);
    if (status == ASSAY_OK)
        *over = c->once || (run_id && top.items[0].state == ASSAY_TOP_FINISHED);
    assay_arena_destroy(arena);
    return status;
}

// Until it is stopped; one run: until that is finished.
static enum assay_status run(struct top_command *c, struct assay_error *err)
{
    bool over = false;
    enum assay_status status = assay_cli_number(&c->every_s, c->invocation, "every", 1, 86400, err);

    if (status == ASSAY_OK)
        status = assay_context_open(&c->context, c->invocation, false, err);
    while (status == ASSAY_OK && !over) {
        status = look(c, &over, err);
        if (status == ASSAY_OK && !over)
            wait_for_next(c);
        over |= interrupted(c);
    }
    return status;
}

enum assay_exit assay_cmd_top(struct assay_invocation *invocation)
{
    struct top_command c = {.invocation = invocation,
            .terminal = isatty(STDOUT_FILENO) == 1,
            .json = assay_cli_flag(invocation, "json"),
            .once = assay_cli_flag(invocation, "once")};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;

    c.every_s = c.terminal ? 2 : 10;
    if (run(&c, &err) != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(c.context);
    return code;
}
