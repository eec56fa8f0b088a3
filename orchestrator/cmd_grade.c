// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rng.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/gate.h"
#include "orchestrator/grade.h"
#include "orchestrator/shape.h"
#include "tasks/predictions.h"

const struct assay_option assay_grade_options[] = {
        {"gold", 0, NULL, "grade the instance's gold patch", false},
        {"empty", 0, NULL, "run the tests on the unchanged tree", false},
        {"timeout", 't', "SECONDS", "wall time of the test run (the instance's own)", false},
        {"no-cache", 0, NULL, "ignore a stored verdict: run the tests", false},
        {"no-zygote", 0, NULL, "start every interpreter anew: slower, the same verdicts", false},
        ASSAY_COMPAT_OPTION,
        ASSAY_PATCH_OPTIONS,
        ASSAY_SHAPE_OPTIONS,
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print the verdict as one line of JSON", false},
        {NULL, 0, NULL, NULL, false},
};

#define VERDICT_BYTES_MAX ((size_t)256 << 20)

struct grade_command {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    struct assay_suite *suite;
    struct assay_buf patch;
    struct assay_shaper shaper;
};

static enum assay_status read_patch(
        struct grade_command *g, struct assay_grade_request *request, struct assay_error *err)
{
    const char *file = g->invocation->argument_count > 2 ? g->invocation->arguments[2] : "-";
    enum assay_status status;

    if (strcmp(file, "-") == 0)
        status = assay_fs_read_fd(&g->patch, STDIN_FILENO, err);
    else
        status = assay_fs_read_file(&g->patch, file, err);
    if (status != ASSAY_OK && !g->patch.failed)
        return status;
    request->candidate = ASSAY_CANDIDATE_PATCH;
    if (g->patch.failed)
        request->candidate = ASSAY_CANDIDATE_TOO_BIG;
    else if (strspn(g->patch.data, " \t\r\n") == g->patch.len)
        request->candidate = ASSAY_CANDIDATE_EMPTY;
    request->patch = (struct assay_bytes){g->patch.data, g->patch.len};
    return ASSAY_OK;
}

static enum assay_status make_request(
        struct grade_command *g, struct assay_grade_request *request, struct assay_error *err)
{
    const struct assay_invocation *in = g->invocation;
    const bool gold = assay_cli_flag(in, "gold"), empty = assay_cli_flag(in, "empty");
    uint64_t seconds = 0;
    enum assay_status status = assay_cli_number(&seconds, in, "timeout", 1, 1000000, err);

    if (status == ASSAY_OK)
        status = assay_compat_option(&request->compat, in, err);
    if (status == ASSAY_OK)
        status = assay_patch_options_read(&request->how, in, err);
    if (status != ASSAY_OK)
        return status;
    request->suite = g->suite;
    request->instance = assay_suite_find(g->suite, in->arguments[1]);
    request->wall_ms_max = seconds * 1000;
    request->no_cache = assay_cli_flag(in, "no-cache");
    if (!request->instance)
        return assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%s'", g->suite->name,
                in->arguments[1]);
    if (gold + empty + (in->argument_count > 2) > 1)
        return assay_fail(err, ASSAY_EUSAGE, "give one of PATCH, --gold, --empty");
    if (!gold && !empty)
        return read_patch(g, request, err);
    request->candidate = gold ? ASSAY_CANDIDATE_GOLD : ASSAY_CANDIDATE_NONE;
    return ASSAY_OK;
}

static void print_list(const char *title, const struct assay_strings *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        printf("  %s ", title);
        assay_cli_put(stdout, ids->items[i]);
        putchar('\n');
    }
}

static void print_shaped(const struct assay_shaped_reward *shaped)
{
    if (!shaped || !shaped->reward_class)
        return;
    printf("reward %g (%s", shaped->reward, shaped->reward_class);
    for (size_t i = 0; i < shaped->component_count; i++)
        printf(", %s %+g", shaped->components[i].name, shaped->components[i].value);
    printf(")\n");
}

static void print_level(const char *name, const struct assay_localize_level *level)
{
    printf("%s: %zu right of %zu named, of %zu to be found\n", name, level->right, level->answered,
            level->gold);
}

static void print_counts(const struct assay_verdict *v)
{
    if (v->localize) {
        print_level("files", &v->localize->files);
        print_level("functions", &v->localize->functions);
        print_level("lines", &v->localize->lines);
        printf("first right place %zu, score %.3f\n", v->localize->rank, v->localize->score);
    } else if (v->write_tests) {
        printf("new tests: %zu fail before, %zu pass after, %zu flaky; mutants: %zu of %zu killed, "
               "%zu needed\n",
                v->write_tests->fails_before.count, v->write_tests->passes_after.count,
                v->write_tests->flaky.count, v->write_tests->mutants_killed,
                v->write_tests->mutants_valid, v->write_tests->mutants_needed);
    } else {
        printf("FAIL_TO_PASS %zu of %zu, PASS_TO_PASS %zu of %zu\n", v->f2p_success.count,
                v->f2p_success.count + v->f2p_failure.count, v->p2p_success.count,
                v->p2p_success.count + v->p2p_failure.count);
    }
}

static void print_text(const struct assay_verdict *v, const char *home, const char *log_path)
{
    printf("%s: %s (%s)\n", v->instance_id,
            !v->scored            ? "no verdict"
                    : v->resolved ? "resolved"
                                  : "not resolved",
            assay_cause_name(v->cause));
    assay_cli_put(stdout, v->reason);
    putchar('\n');
    print_counts(v);
    print_list("FAIL_TO_PASS failed:", &v->f2p_failure);
    print_list("PASS_TO_PASS failed:", &v->p2p_failure);
    print_list("left out of the patch (protected):", &v->patch_dropped);
    print_list("evidence:", &v->tamper);
    if (v->compat)
        printf("judged as %s does\n", v->compat);
    print_shaped(v->shaped);
    printf("tier %s, %s evidence, %llu ms wall, %llu ms cpu%s\n", v->tier,
            v->evidence == ASSAY_EVIDENCE_STRONG ? "strong" : "weak",
            (unsigned long long)v->usage.wall_ms, (unsigned long long)v->usage.cpu_ms,
            v->cached ? ", from the cache" : "");
    if (log_path)
        printf("log %s/%s\n", home, log_path);
}

static enum assay_status print_grade(
        struct grade_command *g, const struct assay_grade *grade, struct assay_error *err)
{
    struct assay_buf line;

    if (!assay_cli_flag(g->invocation, "json")) {
        print_text(&grade->verdict, assay_depot_home(assay_context_depot(g->context)),
                grade->log_path);
        return ASSAY_OK;
    }
    assay_buf_init(&line, VERDICT_BYTES_MAX);
    assay_verdict_write(&line, &grade->verdict, 0);
    return assay_cli_print(&line, err);
}

// A grade is a run of one instance: it is recorded like any other.
static enum assay_status record(struct grade_command *g, const struct assay_grade_request *request,
        const struct assay_grade *grade, struct assay_error *err)
{
    const char *ids[] = {request->instance->instance_id};
    const struct assay_run wanted = {.run_id = request->run_id,
            .suite = g->suite->name,
            .identity = request->run_id,
            .model = "grade",
            .command = g->invocation->command_line};
    const struct assay_evaluation evaluation = {.verdict = &grade->verdict,
            .outcome = grade->outcome.count ? &grade->outcome : NULL,
            .log_path = grade->log_path,
            .model_patch = request->patch,
            .evidence = grade->evidence,
            .evidence_count = grade->evidence_count,
            .claim = grade->claim,
            .cacheable = grade->cacheable};
    struct assay_store *store = assay_context_store(g->context);
    struct assay_run recorded;
    bool resumed;
    enum assay_status status =
            assay_store_open_run(store, &wanted, ids, 1, true, g->arena, &recorded, &resumed, err);

    if (status == ASSAY_OK)
        status = assay_store_put_verdict(store, &evaluation, err);
    assay_grade_release(g->context, grade, status == ASSAY_OK);
    if (status == ASSAY_OK)
        status = assay_store_finish_run(store, request->run_id, err);
    return status;
}

static enum assay_status run(
        struct grade_command *g, enum assay_exit *code, struct assay_error *err)
{
    struct assay_grade_request request = {0};
    struct assay_grade grade;
    char run_id[ASSAY_ID_BYTES];
    enum assay_status status = assay_shaper_read(&g->shaper, g->invocation, err);

    if (status == ASSAY_OK)
        status = assay_context_open(&g->context, g->invocation, true, err);
    if (status == ASSAY_OK)
        status = assay_store_load_suite(
                assay_context_store(g->context), g->invocation->arguments[0], &g->suite, err);
    if (status == ASSAY_OK)
        status = make_request(g, &request, err);
    if (status == ASSAY_OK)
        status = assay_id_new(run_id, err);
    if (status != ASSAY_OK)
        return status;
    request.run_id = run_id;
    status = assay_grade(&grade, g->context, &request, g->arena, err);
    if (status == ASSAY_OK)
        status =
                assay_shaper_apply(&g->shaper, g->context, &request, &grade.verdict, g->arena, err);
    if (status == ASSAY_OK)
        status = record(g, &request, &grade, err);
    if (status == ASSAY_OK)
        status = print_grade(g, &grade, err);
    if (status == ASSAY_OK && !grade.verdict.scored)
        *code = ASSAY_EXIT_INCOMPLETE;
    return status;
}

enum assay_exit assay_cmd_grade(struct assay_invocation *invocation)
{
    struct grade_command g = {.invocation = invocation};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;
    enum assay_status status = assay_arena_create(&g.arena, ASSAY_GRADE_ARENA_BYTES, &err);

    assay_buf_init(&g.patch, ASSAY_MODEL_PATCH_BYTES_MAX);
    if (status == ASSAY_OK)
        status = run(&g, &code, &err);
    if (status != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(g.context);
    assay_suite_free(g.suite);
    assay_buf_free(&g.patch);
    assay_arena_destroy(g.arena);
    return code;
}
