// SPDX-License-Identifier: MIT
#include "orchestrator/certify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "orchestrator/grade.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"

#define DETAILS_BYTES_MAX ((size_t)4 << 20)

// One run of one instance, boiled down.
struct cell {
    bool scored, resolved;
    size_t before_passed;   // NONE: FAIL_TO_PASS tests that passed although nothing was fixed
    char first_passed[200]; // one of them
    char vector[65];        // hash over the statuses of the expected tests
    char reason[200];
    uint64_t wall_ms;
};

struct certified {
    const struct assay_instance *instance;
    struct cell *gold, *none; // runs of each
    size_t left;              // runs still to come
};

struct certification {
    struct assay_context *context;
    const struct assay_certify_options *options;
    struct assay_arena *arena;
    struct assay_progress *progress;
    struct certified *items;
    size_t count;
    struct assay_certificate *certificates; // of all selected, in suite order
    size_t *slots;                          // items[i] -> certificates[]
    bool record;
    pthread_mutex_t lock;
};

static enum assay_status hash_vector(struct cell *cell, const struct assay_instance *instance,
        const struct assay_outcome *outcome, struct assay_error *err)
{
    const struct assay_strings *lists[2] = {&instance->fail_to_pass, &instance->pass_to_pass};
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            const enum assay_test_status test = assay_outcome_find(outcome, lists[l]->items[i]);

            assay_sha256_field_text(sha, assay_test_status_name(test));
        }
    }
    assay_sha256_hex(sha, cell->vector);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

static enum assay_status fill_cell(struct cell *cell, const struct assay_instance *instance,
        const struct assay_grade *grade, bool gold, struct assay_error *err)
{
    const struct assay_verdict *v = &grade->verdict;

    cell->scored = v->scored;
    cell->resolved = v->resolved;
    cell->wall_ms = v->usage.wall_ms;
    snprintf(cell->reason, sizeof(cell->reason), "%s", v->reason ? v->reason : "");
    if (!gold && v->f2p_success.count > 0) {
        cell->before_passed = v->f2p_success.count;
        snprintf(cell->first_passed, sizeof(cell->first_passed), "%s", v->f2p_success.items[0]);
    }
    return hash_vector(cell, instance, &grade->outcome, err);
}

// The first thing that speaks against the certificate; "" when nothing does.
static void find_fault(char *out, size_t size, const struct certified *item, unsigned runs)
{
    out[0] = '\0';
    for (unsigned i = 0; i < runs && !out[0]; i++) {
        const struct cell *gold = &item->gold[i], *none = &item->none[i];

        if (!gold->scored || !none->scored)
            snprintf(out, size, "run %u has no verdict: %s", i + 1,
                    gold->scored ? none->reason : gold->reason);
        else if (!gold->resolved)
            snprintf(out, size, "gold did not resolve in run %u: %s", i + 1, gold->reason);
        else if (none->resolved)
            snprintf(out, size, "the unchanged tree resolved in run %u", i + 1);
        else if (none->before_passed)
            snprintf(out, size, "%zu FAIL_TO_PASS tests pass before the fix in run %u: %s",
                    none->before_passed, i + 1, none->first_passed);
        else if (strcmp(gold->vector, item->gold[0].vector) != 0 ||
                strcmp(none->vector, item->none[0].vector) != 0)
            snprintf(out, size, "per-test results of run %u differ from run 1", i + 1);
    }
}

static void write_cells(
        struct assay_json_writer *w, const char *key, const struct cell *cells, unsigned runs)
{
    assay_json_begin_array(w, key);
    for (unsigned i = 0; i < runs; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_bool(w, "scored", cells[i].scored);
        assay_json_put_bool(w, "resolved", cells[i].resolved);
        assay_json_put_u64(w, "wall_ms", cells[i].wall_ms);
        assay_json_put_text(w, "vector", cells[i].vector);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

static enum assay_status describe(struct certification *c, const struct certified *item,
        struct assay_certificate *certificate, struct assay_error *err)
{
    const unsigned runs = c->options->runs;
    struct assay_json_writer w;
    struct assay_buf text;
    char fault[600];
    enum assay_status status;

    find_fault(fault, sizeof(fault), item, runs);
    assay_buf_init(&text, DETAILS_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_u64(&w, "runs", runs);
    write_cells(&w, "gold", item->gold, runs);
    write_cells(&w, "empty", item->none, runs);
    assay_json_end_object(&w);
    status = assay_buf_check(&text, "certificate", err);
    if (status == ASSAY_OK) {
        certificate->holds = fault[0] == '\0';
        certificate->runs = runs;
        certificate->reason = assay_arena_strdup(c->arena, fault);
        certificate->details = assay_arena_memdup(c->arena, text.data, text.len);
        if (!certificate->reason || !certificate->details)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    assay_buf_free(&text);
    return status;
}

static enum assay_status finish_item(struct certification *c, size_t index, struct assay_error *err)
{
    struct assay_certificate *certificate = &c->certificates[c->slots[index]];
    enum assay_status status = describe(c, &c->items[index], certificate, err);

    if (status == ASSAY_OK && !certificate->holds)
        assay_log(assay_context_log(c->context), ASSAY_LOG_WARN, "orchestrator",
                "certificate refused", "instance", certificate->instance_id, "reason",
                certificate->reason, NULL);
    if (status == ASSAY_OK && c->record)
        status = assay_store_put_certificate(assay_context_store(c->context), certificate, err);
    return status;
}

static enum assay_status certify_one(void *user, size_t index, struct assay_error *err)
{
    struct certification *c = user;
    const unsigned runs = c->options->runs;
    const size_t which = index / (2 * (size_t)runs);
    const size_t run = index % (2 * (size_t)runs);
    const bool gold = run % 2 == 0;
    struct certified *item = &c->items[which];
    struct cell *cell = gold ? &item->gold[run / 2] : &item->none[run / 2];
    char attempt[32], run_id[128];
    const struct assay_grade_request request = {.suite = c->options->suite,
            .instance = item->instance,
            .candidate = gold ? ASSAY_CANDIDATE_GOLD : ASSAY_CANDIDATE_NONE,
            .run_id = run_id,
            .attempt = attempt,
            .no_cache = true};
    struct assay_arena *arena = NULL;
    struct assay_grade grade;
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    snprintf(attempt, sizeof(attempt), "%s.%zu", gold ? "gold" : "empty", run / 2 + 1);
    snprintf(run_id, sizeof(run_id), "certify-%.100s", c->options->suite->name);
    assay_progress_begin(c->progress);
    status = assay_grade(&grade, c->context, &request, arena, err);
    if (status == ASSAY_OK)
        status = fill_cell(cell, item->instance, &grade, gold, err);
    if (status == ASSAY_OK)
        assay_progress_end(c->progress, grade.verdict.resolved, grade.verdict.scored);
    else
        assay_progress_drop(c->progress);
    assay_arena_destroy(arena);

    pthread_mutex_lock(&c->lock);
    if (status == ASSAY_OK && --item->left == 0)
        status = finish_item(c, which, err);
    pthread_mutex_unlock(&c->lock);
    return status;
}

static bool wanted(const struct assay_certify_options *o, const char *instance_id)
{
    for (size_t i = 0; i < o->instance_count; i++) {
        if (strcmp(o->instance_ids[i], instance_id) == 0)
            return true;
    }
    return o->instance_count == 0;
}

// A certificate of this very content that holds and ran as often: nothing to do.
static bool certified_before(struct certification *c, struct assay_certificate *certificate)
{
    struct assay_certificate stored = {0};

    if (c->options->again || !c->record)
        return false;
    if (assay_store_get_certificate(assay_context_store(c->context), certificate->suite,
                certificate->instance_id, certificate->instance_hash, c->arena, &stored,
                NULL) != ASSAY_OK)
        return false;
    if (!stored.holds || stored.runs < c->options->runs)
        return false;
    *certificate = stored;
    return true;
}

static enum assay_status add_item(struct certification *c, size_t *selected,
        const struct assay_instance *instance, struct assay_error *err)
{
    const size_t runs = c->options->runs;
    struct assay_certificate *certificate = &c->certificates[*selected];
    struct certified *item = &c->items[c->count];
    enum assay_status status;

    certificate->suite = c->options->suite->name;
    certificate->instance_id = instance->instance_id;
    status = assay_instance_hash(certificate->instance_hash, c->options->suite, instance, err);
    if (status != ASSAY_OK)
        return status;
    if (!certified_before(c, certificate)) {
        item->instance = instance;
        item->gold = assay_arena_array(c->arena, runs, sizeof(*item->gold));
        item->none = assay_arena_array(c->arena, runs, sizeof(*item->none));
        item->left = 2 * runs;
        if (!item->gold || !item->none)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        c->slots[c->count++] = *selected;
    }
    (*selected)++;
    return ASSAY_OK;
}

static enum assay_status select_items(
        struct certification *c, size_t *selected, struct assay_error *err)
{
    const struct assay_certify_options *o = c->options;
    const size_t room = o->suite->instance_count;
    enum assay_status status = ASSAY_OK;

    c->items = assay_arena_array(c->arena, room, sizeof(*c->items));
    c->slots = assay_arena_array(c->arena, room, sizeof(*c->slots));
    c->certificates = assay_arena_array(c->arena, room, sizeof(*c->certificates));
    if (!c->items || !c->slots || !c->certificates)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < o->instance_count; i++) {
        if (!assay_suite_find(o->suite, o->instance_ids[i]))
            return assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%s'", o->suite->name,
                    o->instance_ids[i]);
    }
    for (size_t i = 0; i < room && status == ASSAY_OK; i++) {
        if (wanted(o, o->suite->instances[i].instance_id))
            status = add_item(c, selected, &o->suite->instances[i], err);
    }
    return status;
}

static enum assay_status run_items(struct certification *c, struct assay_error *err)
{
    const size_t total = c->count * 2 * c->options->runs;
    char label[128];
    enum assay_status status;

    if (total == 0)
        return ASSAY_OK;
    snprintf(label, sizeof(label), "certify %.100s", c->options->suite->name);
    status = assay_progress_start(&c->progress, label, "resolved", total, 0, 0, err);
    if (status != ASSAY_OK)
        return status;
    assay_context_log_around(c->context, assay_progress_around, c->progress);
    status = assay_pool_run(
            c->options->threads, total, certify_one, c, assay_context_interrupted(c->context), err);
    assay_context_log_around(c->context, NULL, NULL);
    assay_progress_stop(c->progress);
    return status;
}

enum assay_status assay_certify(struct assay_certificate **certificates, size_t *count,
        struct assay_context *context, const struct assay_certify_options *options, bool record,
        struct assay_arena *arena, struct assay_error *err)
{
    struct certification c = {
            .context = context, .options = options, .arena = arena, .record = record};
    size_t selected = 0;
    enum assay_status status;

    if (options->runs == 0 || options->runs > ASSAY_CERTIFY_RUNS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "--runs: %u is not 1 to %u", options->runs,
                ASSAY_CERTIFY_RUNS_MAX);
    pthread_mutex_init(&c.lock, NULL);
    status = select_items(&c, &selected, err);
    if (status == ASSAY_OK)
        status = run_items(&c, err);
    pthread_mutex_destroy(&c.lock);
    if (status != ASSAY_OK)
        return status;
    *certificates = c.certificates;
    *count = selected;
    return ASSAY_OK;
}
