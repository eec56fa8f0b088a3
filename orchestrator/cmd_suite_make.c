// SPDX-License-Identifier: MIT
// cmd_suite_make.c - commands that write a suite folder: `suite mutate`, `suite make-repair`.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/certify.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/gate.h"
#include "orchestrator/mutate.h"
#include "orchestrator/page.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"
#include "orchestrator/selection.h"
#include "orchestrator/suite_add.h"
#include "orchestrator/suite_write.h"
#include "tasks/repair.h"

#define ARENA_BYTES ((size_t)4 << 30)
#define COUNT_MAX 4096
#define MUTANTS_DEFAULT 4
#define TRIES_TIMES 6 // runs for each that is wanted, unless told
#define RUNS_DEFAULT 2
#define TASKS_DEFAULT 64
#define TASKS_MAX 100000

const struct assay_option assay_suite_mutate_options[] = {
        {"count", 0, "N", "tasks of each instance, at most (4)", false},
        {"tries", 0, "N", "runs of each instance, at most (6 times the tasks)", false},
        {"seed", 0, "N", "of the draw (0)", false},
        {"name", 0, "NAME", "of the new suite (SUITE-mutants)", false},
        {"certify", 0, NULL, "break whole packages, certify each task, and add the suite", false},
        {"runs", 0, "N", "with --certify: of the instances' own certification (2)", false},
        {"newest", 0, NULL, "only the last instance of each repository", false},
        ASSAY_SELECTION_OPTIONS,
        {"no-zygote", 0, NULL, "start every interpreter anew: slower, the same tasks", false},
        {"jobs", 'j', "N", "boxes at once (the number of CPUs)", false},
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_suite_make_repair_options[] = {
        {"count", 0, "N", "how many tasks (64)", false},
        {"seed", 0, "N", "of the draw (0)", false},
        {"split", 0, "NAME", "sft, rl, unseen-seeds, unseen-faults or unseen-families (rl)", false},
        {"name", 0, "NAME", "of the suite (repair)", false},
        {NULL, 0, NULL, NULL, false},
};

// --- mutate -------------------------------------------------------------------------------------

static enum assay_status print_json(
        const struct assay_mutate_result *results, size_t count, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_begin_array(w, "instances");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "instance_id", results[i].instance_id);
        assay_json_put_u64(w, "kept", results[i].kept);
        assay_json_put_u64(w, "tried", results[i].tried);
        assay_json_put_u64(w, "survived", results[i].survived);
        assay_json_put_u64(w, "spoiled", results[i].spoiled);
        assay_json_put_u64(w, "gross", results[i].gross);
        assay_json_put_u64(w, "twins", results[i].twins);
        assay_json_put_u64(w, "unsteady", results[i].unsteady);
        assay_json_put_u64(w, "withdrawn", results[i].withdrawn);
        assay_json_put_u64(w, "mixed", results[i].mixed);
        assay_json_put_u64(w, "wall_ms", results[i].wall_ms);
        assay_json_put_u64(w, "cpu_ms", results[i].cpu_ms);
        assay_json_put_text(w, "reason", results[i].reason);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static void print_results(const struct assay_mutate_result *results, size_t count, const char *dir)
{
    size_t kept = 0, tried = 0;

    printf("%-44s %5s %6s %9s %8s\n", "", "tasks", "tried", "survived", "spoiled");
    for (size_t i = 0; i < count; i++) {
        printf("%-44s %5zu %6zu %9zu %8zu  %s\n", results[i].instance_id, results[i].kept,
                results[i].tried, results[i].survived, results[i].spoiled,
                results[i].reason ? results[i].reason : "");
        kept += results[i].kept;
        tried += results[i].tried;
    }
    printf("%zu tasks of %zu mutants in %s: `assay suite add` it, then `assay suite certify`\n",
            kept, tried, dir);
}

static void print_certified(const struct assay_mutate_result *results, size_t count,
        const char *suite, uint64_t wall_ms)
{
    size_t kept = 0, tried = 0, packages = 0;
    char wall[ASSAY_DURATION_BYTES];

    printf("%-44s %5s %6s %8s %7s %5s %5s %8s %6s %6s %6s\n", "", "tasks", "tried", "survived",
            "spoiled", "gross", "twins", "unsteady", "mixed", "s", "cpu s");
    for (size_t i = 0; i < count; i++) {
        const struct assay_mutate_result *r = &results[i];

        printf("%-44.44s %5zu %6zu %8zu %7zu %5zu %5zu %8zu %6zu %6llu %6llu  %s\n", r->instance_id,
                r->kept, r->tried, r->survived, r->spoiled, r->gross, r->twins,
                r->unsteady + r->withdrawn, r->mixed, (unsigned long long)(r->wall_ms / 1000),
                (unsigned long long)(r->cpu_ms / 1000), r->reason ? r->reason : "");
        kept += r->kept;
        tried += r->tried;
        packages += r->kept > 0;
    }
    assay_duration_text(wall, wall_ms);
    printf("%zu certified tasks of %zu mutants of %zu packages in %s (%.1f a minute): suite %s\n",
            kept, tried, packages, wall,
            wall_ms > 0 ? (double)kept * 60000.0 / (double)wall_ms : 0.0, suite);
}

static enum assay_status read_options(struct assay_mutate_options *out,
        const struct assay_invocation *in, struct assay_error *err)
{
    uint64_t count = MUTANTS_DEFAULT, tries = 0, threads = assay_jobs_default_threads();
    uint64_t runs = RUNS_DEFAULT;
    enum assay_status status = assay_cli_number(&count, in, "count", 1, COUNT_MAX, err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&tries, in, "tries", 1, COUNT_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&out->seed, in, "seed", 0, UINT64_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&threads, in, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&runs, in, "runs", 1, ASSAY_CERTIFY_RUNS_MAX, err);
    if (status != ASSAY_OK)
        return status;
    out->runs = (unsigned)runs;
    out->newest = assay_cli_flag(in, "newest");
    out->count = (size_t)count;
    out->tries = (size_t)(tries ? tries : count * TRIES_TIMES);
    if (out->tries > COUNT_MAX)
        out->tries = COUNT_MAX;
    out->threads = (size_t)threads;
    out->name = assay_cli_value(in, "name");
    out->dir = in->arguments[1];
    return ASSAY_OK;
}

// What the folder holds becomes the suite, certificates and all.
static enum assay_status mutate_certified(struct assay_context *context,
        const struct assay_mutate_options *options, bool json, struct assay_arena *arena,
        struct assay_error *err)
{
    const uint64_t started_ms = assay_clock_ms();
    const struct assay_suite_add_options add = {
            .path = options->dir, .replace = true, .threads = options->threads};
    struct assay_mutate_result *results = NULL;
    struct assay_suite_add_result added = {.name = ""};
    size_t count = 0, kept = 0;
    enum assay_status status =
            assay_mutate_certified(&results, &count, context, options, arena, err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        kept += results[i].kept;
    if (status == ASSAY_OK && kept > 0)
        status = assay_suite_add(&added, context, &add, arena, err);
    if (status == ASSAY_OK && json)
        status = print_json(results, count, err);
    else if (status == ASSAY_OK)
        print_certified(results, count, added.name, assay_clock_ms() - started_ms);
    return status;
}

static enum assay_status mutate(struct assay_context *context, const struct assay_invocation *in,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_mutate_options options = {.seed = 0};
    struct assay_mutate_result *results = NULL;
    struct assay_suite *suite = NULL;
    struct assay_strings ids = {NULL, 0};
    size_t count = 0;
    enum assay_status status = read_options(&options, in, err);

    if (status == ASSAY_OK)
        status =
                assay_store_load_suite(assay_context_store(context), in->arguments[0], &suite, err);
    options.suite = suite;
    if (status == ASSAY_OK)
        status = assay_selection_read(&ids, in, suite, assay_context_store(context), arena, err);
    options.instance_ids = ids.items;
    options.instance_count = ids.count;
    if (status == ASSAY_OK && assay_cli_flag(in, "certify")) {
        status = mutate_certified(context, &options, assay_cli_flag(in, "json"), arena, err);
    } else if (status == ASSAY_OK) {
        status = assay_mutate(&results, &count, context, &options, arena, err);
        if (status == ASSAY_OK && assay_cli_flag(in, "json"))
            status = print_json(results, count, err);
        else if (status == ASSAY_OK)
            print_results(results, count, options.dir);
    }
    assay_suite_free(suite);
    return status;
}

enum assay_exit assay_cmd_suite_mutate(struct assay_invocation *invocation)
{
    struct assay_context *context = NULL;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_context_open(&context, invocation, true, &err);
    if (status == ASSAY_OK)
        status = mutate(context, invocation, arena, &err);
    assay_context_close(context);
    assay_arena_destroy(arena);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}

// --- make-repair --------------------------------------------------------------------------------

struct repair_draw {
    enum assay_repair_split split;
    uint64_t seed, count;
};

static enum assay_status read_draw(
        struct repair_draw *out, const struct assay_invocation *in, struct assay_error *err)
{
    const char *split = assay_cli_value(in, "split");
    enum assay_status status;

    *out = (struct repair_draw){ASSAY_REPAIR_RL, 0, TASKS_DEFAULT};
    if (split && !assay_repair_split_find(&out->split, split))
        return assay_fail(err, ASSAY_EUSAGE,
                "--split: '%s' is not sft, rl, unseen-seeds, unseen-faults or unseen-families",
                split);
    status = assay_cli_number(&out->count, in, "count", 1, TASKS_MAX, err);
    return status == ASSAY_OK ? assay_cli_number(&out->seed, in, "seed", 0, UINT64_MAX, err)
                              : status;
}

static enum assay_status write_task(struct assay_suite_writer *writer,
        const struct assay_repair_table *table, const struct repair_draw *draw, uint64_t index,
        struct assay_error *err)
{
    struct assay_repair_task task;
    struct assay_instance instance;
    struct assay_arena *arena = NULL;
    enum assay_status status = assay_arena_create(&arena, (size_t)64 << 20, err);

    if (status == ASSAY_OK)
        status = assay_repair_draw(&task, table, draw->split, draw->seed, index, arena, err);
    if (status == ASSAY_OK)
        status = assay_repair_instance(&instance, &task, arena, err);
    if (status == ASSAY_OK) {
        struct assay_edit file = {
                .path = task.path, .kind = ASSAY_FILE_REGULAR, .content = task.broken};
        const struct assay_edits edits = {.items = &file, .count = 1};

        status = assay_suite_writer_add(writer, &instance, -1, &edits, err);
    }
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status make_repair(struct assay_invocation *in, struct assay_error *err)
{
    const char *name = assay_cli_value(in, "name");
    struct assay_suite_writer writer = {-1};
    struct assay_repair_table *table = NULL;
    struct assay_suite *suite = NULL;
    struct repair_draw draw;
    enum assay_status status = read_draw(&draw, in, err);

    if (status == ASSAY_OK)
        status = assay_suite_create(&suite, name ? name : "repair", err);
    if (status == ASSAY_OK)
        status = assay_repair_recipe(suite, err);
    if (status == ASSAY_OK)
        status = assay_repair_open(&table, &(struct assay_repair_choice){0}, err);
    if (status == ASSAY_OK)
        status = assay_suite_writer_open(&writer, in->arguments[0], suite, err);
    for (uint64_t i = 0; i < draw.count && status == ASSAY_OK; i++)
        status = *in->interrupted ? assay_fail(err, ASSAY_EINTERRUPTED, "interrupted")
                                  : write_task(&writer, table, &draw, i, err);
    if (status == ASSAY_OK)
        printf("%llu tasks in %s\n", (unsigned long long)draw.count, in->arguments[0]);
    assay_suite_writer_close(&writer);
    assay_repair_close(table);
    assay_suite_free(suite);
    return status;
}

enum assay_exit assay_cmd_suite_make_repair(struct assay_invocation *invocation)
{
    struct assay_error err = {0};

    return make_repair(invocation, &err) == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}
