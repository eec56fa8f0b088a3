// SPDX-License-Identifier: MIT
// What must hold: no patch of a few MiB keeps the engine busy without end, however it
// was made; it is applied or refused. The backstop is ctest's; times are in bench/.
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "envs/apply.h"
#include "support/harness.h"

struct one_file {
    struct assay_bytes content;
};

static enum assay_status read_one(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    const struct one_file *file = user;

    (void)arena;
    (void)err;
    *out = (struct assay_file){.kind = ASSAY_FILE_NONE};
    if (strcmp(path, "f") == 0)
        *out = (struct assay_file){.kind = ASSAY_FILE_REGULAR, .content = file->content};
    return ASSAY_OK;
}

// "" when applied, otherwise the message.
static void run(const char *name, const struct assay_buf *content, const struct assay_buf *text,
        enum assay_apply_mode mode, char message[256])
{
    struct one_file file = {.content = {.data = content->data, .len = content->len}};
    const struct assay_apply_options options = {.mode = mode};
    struct assay_arena *arena = NULL;
    struct assay_patch *patch = NULL;
    struct assay_edits *edits = NULL;
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;

    assert_int_equal(assay_arena_create(&arena, (size_t)2 << 30, NULL), ASSAY_OK);
    status = assay_patch_parse(&patch, text->data, text->len, arena, &err);
    if (status == ASSAY_OK)
        status = assay_patch_apply(&edits, patch, read_one, &file, &options, arena, &err);
    print_message(
            "%s: %zu bytes: %s\n", name, text->len, status == ASSAY_OK ? "applied" : err.message);
    assay_arena_destroy(arena);
    (void)snprintf(message, 256, "%s", status == ASSAY_OK ? "" : err.message);
}

static void fill(struct assay_buf *content, size_t count, const char *line, bool numbered)
{
    assay_buf_init(content, (size_t)64 << 20);
    for (size_t i = 0; i < count; i++) {
        if (numbered)
            (void)assay_buf_addf(content, "%zu\n", i + 1);
        else
            (void)assay_buf_adds(content, line);
    }
}

static void start(struct assay_buf *text)
{
    assay_buf_init(text, (size_t)64 << 20);
    (void)assay_buf_adds(text, "--- a/f\n+++ b/f\n");
}

static void a_hundred_thousand_hunks_are_applied(void **state)
{
    struct assay_buf content, text;
    char message[256];

    (void)state;
    fill(&content, 400000, NULL, true);
    start(&text);
    for (size_t i = 1; i < 300000; i += 3)
        (void)assay_buf_addf(
                &text, "@@ -%zu,2 +%zu,2 @@\n-%zu\n+x\n %zu\n", i + 1, i + 1, i + 1, i + 2);
    run("in order", &content, &text, ASSAY_APPLY_EXACT, message);
    assert_string_equal(message, "");
    assay_buf_free(&text);
    start(&text);
    for (size_t i = 300000; i > 3; i -= 3)
        (void)assay_buf_addf(&text, "@@ -%zu,2 +2,2 @@\n-%zu\n+x\n %zu\n", i + 1, i + 1, i + 2);
    run("backwards, with wrong numbers", &content, &text, ASSAY_APPLY_EXACT, message);
    assert_string_equal(message, "");
    assay_buf_free(&text);
    assay_buf_free(&content);
}

static void repeated_context_is_bounded(void **state)
{
    static const enum assay_apply_mode modes[] = {ASSAY_APPLY_EXACT, ASSAY_APPLY_TOLERANT};
    struct assay_buf content, text;
    char message[256];

    (void)state;
    fill(&content, 1000000, "x\n", false);
    for (size_t m = 0; m < 2; m++) {
        start(&text); // every hunk finds its place behind all those before it
        for (size_t i = 0; i < 100000; i++)
            (void)assay_buf_adds(&text, "@@ -2,3 +2,3 @@\n x\n-x\n+y\n x\n");
        run("same place each time", &content, &text, modes[m], message);
        assay_buf_free(&text);
        start(&text); // a long run that matches nowhere, but nearly everywhere
        (void)assay_buf_adds(&text, "@@ -2,100001 +2,100002 @@\n");
        for (size_t i = 0; i < 100000; i++)
            (void)assay_buf_adds(&text, " x\n");
        (void)assay_buf_adds(&text, "+y\n z\n");
        run("a long near match", &content, &text, modes[m], message);
        assert_string_not_equal(message, "");
        assay_buf_free(&text);
    }
    assay_buf_free(&content);
}

static void many_small_parts_are_bounded(void **state)
{
    struct assay_buf content, text;
    char message[256];

    (void)state;
    fill(&content, 10, NULL, true);
    start(&text);
    for (size_t i = 0; i < 260000; i++)
        (void)assay_buf_adds(&text, "@@ -1 +1 @@\n-\n+\n");
    run("tiny hunks", &content, &text, ASSAY_APPLY_TOLERANT, message);
    assert_string_not_equal(message, "");
    assay_buf_free(&text);
    start(&text);
    for (size_t i = 0; i < 4000000; i++)
        (void)assay_buf_addc(&text, '\n');
    run("blank lines", &content, &text, ASSAY_APPLY_TOLERANT, message);
    assert_string_not_equal(message, "");
    assay_buf_free(&text);
    assay_buf_init(&text, (size_t)64 << 20);
    for (size_t i = 0; i < 100000; i++)
        (void)assay_buf_adds(&text, "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+1\n 2\n");
    run("one file, again and again", &content, &text, ASSAY_APPLY_EXACT, message);
    assert_string_equal(message, "line 196614: more than 32768 files");
    assay_buf_free(&text);
    assay_buf_free(&content);
}

static void a_large_file_patched_again_and_again_is_bounded(void **state)
{
    struct assay_buf content, text;
    char message[256];

    (void)state;
    fill(&content, 1000000, NULL, true);
    assay_buf_init(&text, (size_t)64 << 20);
    for (size_t i = 0; i < 30000; i++)
        (void)assay_buf_adds(&text, "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+1\n 2\n");
    run("a large file, again and again", &content, &text, ASSAY_APPLY_EXACT, message);
    assert_non_null(strstr(message, "the patch makes too much content"));
    assay_buf_free(&text);
    assay_buf_free(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_hundred_thousand_hunks_are_applied),
            cmocka_unit_test(repeated_context_is_bounded),
            cmocka_unit_test(many_small_parts_are_bounded),
            cmocka_unit_test(a_large_file_patched_again_and_again_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
