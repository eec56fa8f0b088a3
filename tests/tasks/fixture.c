// SPDX-License-Identifier: MIT
#include "tests/tasks/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"

const char *in_dir(void *const *state, const char *path)
{
    static char texts[8][512];
    static unsigned next;
    const struct assay_temp *temp = *state;
    char *text = texts[next++ % 8];

    snprintf(text, sizeof(texts[0]), "%s/%s", temp->path, path);
    return text;
}

void make_folder(void *const *state, const char *path)
{
    const struct assay_temp *temp = *state;

    assert_int_equal(assay_fs_mkdirs(temp->fd, path, 0755, NULL), ASSAY_OK);
}

void write_bytes(void *const *state, const char *path, const char *bytes, size_t len)
{
    char parent[512];
    char *slash;

    snprintf(parent, sizeof(parent), "%s", path);
    slash = strrchr(parent, '/');
    if (slash != NULL) {
        *slash = '\0';
        make_folder(state, parent);
    }
    assert_int_equal(assay_fs_replace_file(in_dir(state, path), bytes, len, 0644, NULL), ASSAY_OK);
}

void write_file(void *const *state, const char *path, const char *text)
{
    write_bytes(state, path, text, strlen(text));
}

struct assay_arena *make_arena(void)
{
    struct assay_arena *arena = NULL;

    assert_int_equal(assay_arena_create(&arena, (size_t)1 << 30, NULL), ASSAY_OK);
    return arena;
}

static struct assay_strings strings_of(struct assay_arena *arena, const char *one, const char *two)
{
    const char **items = assay_arena_array(arena, 2, sizeof(items[0]));

    items[0] = one;
    items[1] = two;
    return (struct assay_strings){items, two == NULL ? 1 : 2};
}

static void fill_instance(
        struct assay_suite *suite, struct assay_instance *instance, size_t number, const char *salt)
{
    struct assay_arena *arena = suite->arena;

    instance->instance_id = assay_arena_printf(arena, "demo__thing-%05zu", number);
    instance->repo = "demo/thing";
    instance->base = (struct assay_base){.kind = ASSAY_BASE_DIR, .where = "/demo"};
    memset(instance->tree, 'a', 64);
    instance->recipe = "plain";
    instance->test_cmd = strings_of(arena, "prove", "-v");
    instance->framework = "tap";
    instance->fail_to_pass = strings_of(arena, "t::one", salt);
    instance->pass_to_pass = strings_of(arena, "t::three", NULL);
    instance->protected_allowed = strings_of(arena, "conf/**", NULL);
    instance->limits = (struct assay_instance_limits){60000, 30000, 1 << 29};
    instance->tags = strings_of(arena, "c", "easy");
    instance->problem = (struct assay_bytes){"It fails.\r\n\xff", 12};
    instance->gold_patch = (struct assay_bytes){"gold\r\n\0bytes", 12};
    instance->test_patch = (struct assay_bytes){"", 0};
    if (number % 2 == 1) // every other one was a row of something
        instance->row = (struct assay_bytes){"{\"odd\" : 1.50, \"x\":null}", 24};
}

struct assay_suite *make_suite(size_t count, const char *salt)
{
    struct assay_suite *suite = NULL;
    struct assay_error err;

    assert_int_equal(assay_suite_create(&suite, "demo", &err), ASSAY_OK);
    suite->version = "1";
    suite->source = "made by hand";
    suite->recipes = assay_arena_array(suite->arena, 1, sizeof(suite->recipes[0]));
    suite->recipe_count = 1;
    suite->recipes[0] = (struct assay_recipe){.name = "plain",
            .base = "host",
            .setup = strings_of(suite->arena, "apt-get install \"x\"", "true"),
            .env = strings_of(suite->arena, "LANG=C", NULL),
            .workdir = "/testbed"};
    suite->instances = assay_arena_array(suite->arena, count, sizeof(suite->instances[0]));
    suite->instance_count = count;
    for (size_t i = 0; i < count; i++)
        fill_instance(suite, &suite->instances[i], i + 1, salt);
    if (assay_suite_check(suite, NULL, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return suite;
}

void make_verdict(
        struct assay_verdict *verdict, const char *run_id, const char *instance_id, bool resolved)
{
    static const char *const passed[] = {"t::one", "t::three"};
    static const char *const failed[] = {"t::two \"quoted\"\n"};
    static const char *const denied[] = {"ptrace"};
    static struct assay_hunk_record hunks[] = {
            {.path = "src/a.c", .hunk_index = 0, .offset = -3, .tolerance = "offset"},
            {.path = "src/a.c", .hunk_index = 1, .offset = 0, .tolerance = "exact"}};

    static struct assay_attempt attempts[] = {
            {.cause = ASSAY_CAUSE_INFRA_ERROR, .reason = "no box"},
            {.scored = true,
                    .cause = ASSAY_CAUSE_TESTS_FAILED,
                    .reason = "1 test failed",
                    .wall_ms = 1234}};

    *verdict = (struct assay_verdict){.run_id = run_id,
            .instance_id = instance_id,
            .scored = true,
            .resolved = resolved,
            .reward = resolved ? 1.0 : 0.0,
            .reason = resolved ? "all expected tests passed" : "1 test failed",
            .cause = resolved ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED,
            .resolution = resolved ? ASSAY_RESOLUTION_FULL : ASSAY_RESOLUTION_NO,
            .f2p_success = {passed, resolved ? 1 : 0},
            .f2p_failure = {failed, resolved ? 0 : 1},
            .p2p_success = {passed + 1, 1},
            .denied = {denied, 1},
            .patch_applied = true,
            .hunks = hunks,
            .hunk_count = 2,
            .tier = "A",
            .evidence = ASSAY_EVIDENCE_STRONG,
            .usage = {.wall_ms = 1234,
                    .cpu_ms = 1000,
                    .memory_bytes_peak = 1 << 30,
                    .pids_peak = 7},
            .attempts = attempts,
            .attempt_count = resolved ? 0 : 2};
    snprintf(verdict->key, sizeof(verdict->key), "%064x", resolved ? 1u : 2u);
}

void assert_fails(enum assay_status actual, const struct assay_error *err,
        enum assay_status expected, const char *message)
{
    assert_string_equal(assay_status_name(actual), assay_status_name(expected));
    assert_int_equal(err->status, expected);
    assert_string_equal(err->message, message);
}
