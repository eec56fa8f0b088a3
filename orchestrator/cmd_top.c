// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/top_remote.h"

const struct assay_option assay_top_options[] = {
        {"once", 0, NULL, "print it once", false},
        {"every", 0, "SECONDS", "between two looks (2 on a terminal, else 10)", false},
        {"json", 0, NULL, "print one JSON object a line", false},
        {"url", 0, "URL", "of a service (assay serve), instead of this machine's store", false},
        {"token-file", 0, "FILE", "that has a token for it (role read; mode 0600)", false},
        {NULL, 0, NULL, NULL, false},
};

#define ARENA_BYTES ((size_t)1 << 30)
#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define SLICE_MS 100

struct top_command {
    struct assay_invocation *invocation;
    struct assay_context *context;   // NULL with a service
    struct assay_top_remote *remote; // NULL without one
    bool terminal, json, once;
    uint64_t every_s;
    size_t looks; // that went well
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

static void write_head(struct assay_buf *text, const struct top_command *c)
{
    char now[ASSAY_TIME_TEXT_BYTES];

    assay_clock_utc(now);
    if (c->drawn > 0) // up to where the last look began, and clear from there
        (void)assay_buf_addf(text, "\033[%zuA\r\033[J", c->drawn);
    (void)assay_buf_addf(text, "assay top  %.19sZ%s%s\n", now, c->remote ? "  " : "",
            c->remote ? assay_top_remote_url(c->remote) : "");
}

// Print a look, and free it.
static enum assay_status put(struct top_command *c, struct assay_buf *text, struct assay_error *err)
{
    enum assay_status status = assay_buf_check(text, "top", err);

    c->drawn = 0;
    for (size_t i = 0; c->terminal && !c->json && i < text->len; i++)
        c->drawn += text->data[i] == '\n';
    if (status == ASSAY_OK &&
            (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0))
        status = assay_fail_errno(err, errno, "standard output");
    assay_buf_free(text);
    return status;
}

static enum assay_status show(
        struct top_command *c, const struct assay_top *top, struct assay_error *err)
{
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    if (c->json) {
        assay_top_write_json(&text, top);
        (void)assay_buf_addc(&text, '\n');
    } else {
        write_head(&text, c);
        assay_top_write(
                &text, top, c->terminal ? terminal_width() : 0, c->terminal && knows_unicode());
    }
    return put(c, &text, err);
}

// A service that does not answer: the next look may find it again.
static enum assay_status show_trouble(
        struct top_command *c, const struct assay_error *trouble, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    if (c->json) {
        assay_json_writer_init(&w, &text, 0);
        assay_json_begin_object(&w, NULL);
        assay_json_put_u64(&w, "schema", 1);
        assay_json_begin_object(&w, "error");
        assay_json_put_text(&w, "code", "no_answer");
        assay_json_put_text(&w, "message", trouble->message);
        assay_json_end_object(&w);
        assay_json_end_object(&w);
    } else {
        write_head(&text, c);
        for (const char *at = trouble->message; *at; at++) // what a terminal would obey is gone
            (void)assay_buf_addc(&text, (char)(*at < ' ' || *at == 0x7f ? '?' : *at));
        (void)assay_buf_adds(&text, "; asking again");
    }
    (void)assay_buf_addc(&text, '\n');
    return put(c, &text, err);
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
    struct assay_error trouble = {0};
    struct assay_top top;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = c->remote ? assay_top_remote_load(&top, c->remote, run_id, arena, &trouble)
                           : assay_top_load(&top, assay_context_store(c->context),
                                     assay_depot_home(assay_context_depot(c->context)), run_id,
                                     assay_clock_now_ms(), arena, &trouble);
    if (status == ASSAY_OK) {
        status = show(c, &top, err);
        c->looks++;
        *over = c->once || (run_id && top.count > 0 && top.items[0].state >= ASSAY_TOP_STOPPED);
    } else if (c->remote && c->looks > 0 && (status == ASSAY_EIO || status == ASSAY_ETIMEOUT)) {
        status = show_trouble(c, &trouble, err);
    } else if (status == ASSAY_EINTERRUPTED) {
        status = ASSAY_OK;
    } else if (arena) {
        *err = trouble;
    }
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status begin(struct top_command *c, struct assay_error *err)
{
    const char *url = assay_cli_value(c->invocation, "url");
    const char *token_file = assay_cli_value(c->invocation, "token-file");

    if (url)
        return assay_top_remote_create(
                &c->remote, url, token_file, c->invocation->interrupted, err);
    if (token_file)
        return assay_fail(err, ASSAY_EUSAGE, "--token-file goes with --url");
    return assay_context_open(&c->context, c->invocation, false, err);
}

// Until it is stopped; one run: until that is finished, or stopped itself.
static enum assay_status run(struct top_command *c, struct assay_error *err)
{
    bool over = false;
    enum assay_status status = assay_cli_number(&c->every_s, c->invocation, "every", 1, 86400, err);

    if (status == ASSAY_OK)
        status = begin(c, err);
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
    assay_top_remote_destroy(c.remote);
    assay_context_close(c.context);
    return code;
}
