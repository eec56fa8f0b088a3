// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/page.h"

const struct assay_option assay_store_prune_options[] = {
        {"older-than", 0, "DAYS",
                "evidence of runs that began before that; what no suite needs and is as old "
                "(ASSAY_KEEP_DAYS; 90)",
                false},
        {"logs-older-than", 0, "DAYS",
                "what tests printed, of runs that ended before that (ASSAY_KEEP_LOG_DAYS; as above)",
                false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define DAYS_DEFAULT 90
#define DAYS_MAX 36500
#define ARENA_BYTES ((size_t)1 << 30)

static enum assay_status print_pruned(const struct assay_invocation *in, const char *before,
        const struct assay_dropped *dropped, const struct assay_depot_collected *collected,
        struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *w;

    if (!assay_cli_flag(in, "json")) {
        printf("evidence of %zu runs of tests removed, %.1f MB; their verdicts stay\n",
                dropped->runs, (double)dropped->bytes / 1e6);
        if (collected->others > 0)
            printf("%zu other commands are at work here: nothing but evidence was removed\n",
                    collected->others);
        else
            printf("%zu trees, %zu layers, %zu downloads, %zu images, %zu logs and %zu file contents "
                   "removed, %.1f MB\n",
                    collected->trees, collected->layers, collected->downloads, collected->images,
                    collected->logs, collected->blobs, (double)collected->bytes / 1e6);
        return ASSAY_OK;
    }
    w = assay_page_begin(&page);
    assay_json_put_text(w, "before", before);
    assay_json_put_u64(w, "runs", dropped->runs);
    assay_json_put_u64(w, "bytes", dropped->bytes);
    assay_json_begin_object(w, "collected");
    assay_json_put_u64(w, "others", collected->others);
    assay_json_put_u64(w, "trees", collected->trees);
    assay_json_put_u64(w, "layers", collected->layers);
    assay_json_put_u64(w, "downloads", collected->downloads);
    assay_json_put_u64(w, "images", collected->images);
    assay_json_put_u64(w, "logs", collected->logs);
    assay_json_put_u64(w, "file_contents", collected->blobs);
    assay_json_put_u64(w, "bytes", collected->bytes);
    assay_json_end_object(w);
    return assay_page_print(&page, err);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

// A Harbor folder that is kept whole is named by the row that stands for it.
static const char *folder_of(const struct assay_instance *instance, struct assay_arena *arena)
{
    static const char front[] = "{\"harbor\": \"";
    const size_t len = strlen(front);

    return instance->row.len >= len + 64 && memcmp(instance->row.data, front, len) == 0
            ? assay_arena_printf(arena, "%.64s", instance->row.data + len)
            : NULL;
}

struct needed {
    const char **items;
    size_t count;
};

// What a suite needs, behind what others do.
static enum assay_status add_trees(struct needed *trees, const struct assay_suite *suite,
        struct assay_arena *arena, struct assay_error *err)
{
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    const char **items =
            assay_arena_array(arena, trees->count + 2 * suite->instance_count + 1, sizeof(*items));

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (trees->count > 0)
        memcpy(items, trees->items, trees->count * sizeof(trees->items[0]));
    trees->items = items;
    for (size_t i = 0; i < suite->instance_count; i++) {
        const char *folder = folder_of(&suite->instances[i], arena);

        items[trees->count] = assay_arena_strdup(arena, suite->instances[i].tree);
        if (items[trees->count++] == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        if (folder != NULL)
            items[trees->count++] = folder;
    }
    return ASSAY_OK;
}

// Images that recipes ask for by their ids; those with a name stay anyway.
static enum assay_status add_images(struct needed *images, const struct assay_suite *suite,
        struct assay_arena *arena, struct assay_error *err)
{
    static const char front[] = "image:";
    const size_t len = strlen(front);
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    const char **items =
            assay_arena_array(arena, images->count + suite->recipe_count + 1, sizeof(*items));

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (images->count > 0)
        memcpy(items, images->items, images->count * sizeof(images->items[0]));
    images->items = items;
    for (size_t i = 0; i < suite->recipe_count; i++) {
        if (strncmp(suite->recipes[i].base, front, len) != 0)
            continue;
        items[images->count] = assay_arena_strdup(arena, suite->recipes[i].base + len);
        if (items[images->count++] == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    return ASSAY_OK;
}

static enum assay_status collect(struct assay_depot_collected *out, struct assay_context *context,
        uint64_t days, uint64_t log_days, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(context);
    struct assay_depot_garbage garbage = {.age_s = days * 86400, .log_age_s = log_days * 86400};
    struct needed trees = {NULL, 0}, images = {NULL, 0};
    struct assay_suite_row *rows = NULL;
    size_t count = 0;
    enum assay_status status = assay_store_list_suites(store, arena, &rows, &count, err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        struct assay_suite *suite = NULL;

        status = assay_store_load_suite(store, rows[i].name, &suite, err);
        if (status == ASSAY_OK)
            status = add_trees(&trees, suite, arena, err);
        if (status == ASSAY_OK)
            status = add_images(&images, suite, arena, err);
        assay_suite_free(suite);
    }
    if (status != ASSAY_OK)
        return status;
    if (trees.count > 0)
        // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
        qsort(trees.items, trees.count, sizeof(*trees.items), by_text);
    garbage.trees = (struct assay_strings){trees.items, trees.count};
    garbage.images = (struct assay_strings){images.items, images.count};
    return assay_depot_collect(out, assay_context_depot(context), &garbage, err);
}

// A number of days: the option, else the variable, else what is there.
static enum assay_status read_days(uint64_t *days, const struct assay_invocation *in,
        const char *option, const char *variable, struct assay_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here sets variables
    const char *text = getenv(variable);
    char *end = NULL;

    if (text && *text) {
        *days = strtoull(text, &end, 10);
        if (*end != '\0' || *text == '-' || *days > DAYS_MAX)
            return assay_fail(err, ASSAY_EUSAGE, "%s: '%.60s' is no number of days from 0 to %d",
                    variable, text, DAYS_MAX);
    }
    return assay_cli_number(days, in, option, 0, DAYS_MAX, err);
}

static enum assay_status prune(struct assay_context **context, struct assay_invocation *invocation,
        struct assay_arena *arena, struct assay_error *err)
{
    char before[ASSAY_TIME_TEXT_BYTES];
    struct assay_depot_collected collected = {0};
    struct assay_dropped dropped;
    uint64_t days = DAYS_DEFAULT, log_days;
    enum assay_status status = read_days(&days, invocation, "older-than", "ASSAY_KEEP_DAYS", err);

    log_days = days;
    if (status == ASSAY_OK)
        status = read_days(&log_days, invocation, "logs-older-than", "ASSAY_KEEP_LOG_DAYS", err);
    if (status == ASSAY_OK)
        status = assay_context_open(context, invocation, false, err);
    if (status != ASSAY_OK)
        return status;
    assay_clock_utc_ago(before, days * 86400);
    status = assay_store_drop_evidence(assay_context_store(*context), NULL, before, &dropped, err);
    if (status == ASSAY_OK)
        status = collect(&collected, *context, days, log_days, arena, err);
    if (status == ASSAY_OK)
        status = print_pruned(invocation, before, &dropped, &collected, err);
    return status;
}

enum assay_exit assay_cmd_store_prune(struct assay_invocation *invocation)
{
    struct assay_context *context = NULL;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = prune(&context, invocation, arena, &err);
    assay_context_close(context);
    assay_arena_destroy(arena);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}

// --- check and backup

const struct assay_option assay_store_check_options[] = {
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define CHECK_JSON_BYTES_MAX ((size_t)16 << 20)
#define PROBLEMS_MAX 10000

struct checking {
    struct assay_context *context;
    struct assay_arena *arena;
    const char **problems;
    size_t problem_count, tree_count;
};

static enum assay_status add_problem(
        struct checking *c, const char *sentence, struct assay_error *err)
{
    if (sentence == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (c->problem_count < PROBLEMS_MAX)
        c->problems[c->problem_count++] = sentence;
    return ASSAY_OK;
}

static enum assay_status check_suite(struct checking *c, const char *name, struct assay_error *err)
{
    struct assay_suite *suite = NULL;
    enum assay_status status =
            assay_store_load_suite(assay_context_store(c->context), name, &suite, err);

    for (size_t i = 0; status == ASSAY_OK && i < suite->instance_count; i++) {
        struct assay_error why = {0};

        c->tree_count++;
        if (assay_depot_check_tree(
                    assay_context_depot(c->context), suite->instances[i].tree, &why) != ASSAY_OK)
            status = add_problem(c,
                    assay_arena_printf(c->arena, "suite %s: %s: %s", name,
                            suite->instances[i].instance_id, why.message),
                    err);
    }
    assay_suite_free(suite);
    return status;
}

static enum assay_status check_all(struct checking *c, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(c->context);
    struct assay_strings broken = {NULL, 0};
    struct assay_suite_row *rows = NULL;
    size_t count = 0;
    enum assay_status status = assay_store_check(store, c->arena, &broken, err);

    c->problems = assay_arena_array(c->arena, PROBLEMS_MAX, sizeof(*c->problems));
    if (c->problems == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < broken.count && status == ASSAY_OK; i++)
        status = add_problem(c, assay_arena_printf(c->arena, "database: %s", broken.items[i]), err);
    if (status == ASSAY_OK)
        status = assay_store_list_suites(store, c->arena, &rows, &count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = check_suite(c, rows[i].name, err);
    return status;
}

static enum assay_status print_check(
        const struct assay_invocation *in, const struct checking *c, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    if (!assay_cli_flag(in, "json")) {
        for (size_t i = 0; i < c->problem_count; i++)
            printf("%s\n", c->problems[i]);
        printf("database and %zu base trees looked at, %zu problem%s\n", c->tree_count,
                c->problem_count, c->problem_count == 1 ? "" : "s");
        return ASSAY_OK;
    }
    assay_buf_init(&text, CHECK_JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_u64(&w, "trees", c->tree_count);
    assay_json_begin_array(&w, "problems");
    for (size_t i = 0; i < c->problem_count; i++)
        assay_json_put_text(&w, NULL, c->problems[i]);
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

enum assay_exit assay_cmd_store_check(struct assay_invocation *invocation)
{
    struct checking c = {.context = NULL};
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&c.arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_context_open(&c.context, invocation, false, &err);
    if (status == ASSAY_OK)
        status = check_all(&c, &err);
    if (status == ASSAY_OK)
        status = print_check(invocation, &c, &err);
    assay_context_close(c.context);
    assay_arena_destroy(c.arena);
    if (status != ASSAY_OK)
        return assay_cli_fail(&err);
    return c.problem_count == 0 ? ASSAY_EXIT_OK : ASSAY_EXIT_FAILED;
}

enum assay_exit assay_cmd_store_backup(struct assay_invocation *invocation)
{
    struct assay_context *context = NULL;
    struct assay_error err = {0};
    enum assay_status status = assay_context_open(&context, invocation, false, &err);

    if (status == ASSAY_OK)
        status = assay_store_backup(assay_context_store(context), invocation->arguments[0], &err);
    if (status == ASSAY_OK)
        printf("the database is in %s; base trees and images come back by adding them again\n",
                invocation->arguments[0]);
    assay_context_close(context);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}
