// SPDX-License-Identifier: MIT
#include "orchestrator/certify.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "orchestrator/certify_parts.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"

#define DETAILS_BYTES_MAX ((size_t)256 << 20)
#define REASON_BYTES_MAX 1000
#define CELL_BYTES_MAX ((size_t)64 << 20)

// One run that is still to come.
struct certify_job {
    size_t item;
    enum assay_check check;
    unsigned run;
};

struct certification {
    struct assay_context *context;
    const struct assay_certify_options *options;
    unsigned checks;
    struct assay_arena *arena; // under lock once threads run
    struct assay_progress *progress;
    struct assay_certified *items;
    size_t count;
    struct assay_certificate *certificates; // of all selected, in suite order
    size_t *slots;                          // items[i] -> certificates[]
    struct certify_job *jobs;
    size_t job_count, done_before;
    bool record;
    pthread_mutex_t lock;
};

// --- the certificate -----------------------------------------------------------------------------

static const char *list_checks(unsigned checks, struct assay_arena *arena)
{
    struct assay_buf text;
    const char *list;

    assay_buf_init(&text, 256);
    for (unsigned i = 0; i < ASSAY_CHECKS; i++)
        if (checks & (1u << i))
            assay_buf_addf(
                    &text, "%s%s", text.len ? " " : "", assay_check_name((enum assay_check)i));
    list = assay_arena_strdup(arena, text.data);
    assay_buf_free(&text);
    return list;
}

static enum assay_status describe(struct certification *c, const struct assay_certified *item,
        struct assay_certificate *certificate, struct assay_error *err)
{
    struct assay_buf details, fault;
    enum assay_status status;

    assay_buf_init(&details, DETAILS_BYTES_MAX);
    assay_buf_init(&fault, REASON_BYTES_MAX);
    assay_certify_fault(&fault, item);
    assay_certify_details(&details, item, c->checks, c->options->runs);
    status = assay_buf_check(&details, "certificate", err);
    if (status == ASSAY_OK) {
        certificate->holds = fault.len == 0 && !fault.failed;
        certificate->runs = c->options->runs;
        certificate->checks = list_checks(c->checks, c->arena);
        certificate->grader = ASSAY_GRADER_VERSION;
        certificate->reason = assay_arena_strdup(c->arena, fault.data);
        certificate->details = assay_arena_memdup(c->arena, details.data, details.len);
        if (!certificate->reason || !certificate->details || !certificate->checks)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    assay_buf_free(&fault);
    assay_buf_free(&details);
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

// --- one run -------------------------------------------------------------------------------------

// Into the cell, and into the store for the case that this command does not live to its end.
static enum assay_status keep_cell(struct certification *c, const struct certify_job *job,
        const struct assay_cell *made, struct assay_error *err)
{
    struct assay_certified *item = &c->items[job->item];
    struct assay_cell *cell = &item->checks[job->check].cells[job->run];
    struct assay_certificate_run run = {
            .check_name = assay_check_name(job->check), .run = job->run};
    struct assay_buf body;
    enum assay_status status;

    assay_buf_init(&body, CELL_BYTES_MAX);
    assay_cell_write(&body, made);
    run.body = body.data;
    status = assay_buf_check(&body, "run", err);
    if (status == ASSAY_OK) {
        pthread_mutex_lock(&c->lock);
        status = assay_cell_read(cell, body.data, strlen(made->vector), c->arena, err);
        pthread_mutex_unlock(&c->lock);
    }
    // What has no verdict is run again next time.
    if (status == ASSAY_OK && c->record && made->scored)
        status = assay_store_put_certificate_run(
                assay_context_store(c->context), item->hash, &run, err);
    assay_buf_free(&body);
    return status;
}

static enum assay_status certify_one(struct certification *c, const struct certify_job *job,
        struct assay_cell *cell, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_certified *item = &c->items[job->item];
    char attempt[32], run_id[128], room[16];
    struct assay_grade_variation variation;
    struct assay_grade_request request = {.suite = c->options->suite,
            .instance = item->instance,
            .run_id = run_id,
            .attempt = attempt,
            .no_cache = true,
            .once = true};
    struct assay_grade grade;
    enum assay_status status;

    snprintf(attempt, sizeof(attempt), "%s.%u", assay_check_name(job->check), job->run + 1);
    snprintf(run_id, sizeof(run_id), "certify-%.100s", c->options->suite->name);
    assay_check_request(&request, &variation, room, job->check, job->run);
    status = assay_grade(&grade, c->context, &request, arena, err);
    if (status != ASSAY_OK)
        return status;
    assay_grade_release(c->context, &grade, false);
    return assay_cell_fill(cell, item->instance, job->check, &grade, arena, err);
}

static enum assay_status certify_work(void *user, size_t index, struct assay_error *err)
{
    struct certification *c = user;
    const struct certify_job *job = &c->jobs[index];
    struct assay_certified *item = &c->items[job->item];
    struct assay_arena *arena = NULL;
    struct assay_cell cell = {0};
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    assay_progress_begin(c->progress);
    status = certify_one(c, job, &cell, arena, err);
    if (status == ASSAY_OK)
        status = keep_cell(c, job, &cell, err);
    if (status == ASSAY_OK)
        assay_progress_end(
                c->progress, cell.resolved == assay_check_wants_resolved(job->check), cell.scored);
    else
        assay_progress_drop(c->progress);
    assay_arena_destroy(arena);

    pthread_mutex_lock(&c->lock);
    if (status == ASSAY_OK && --item->left == 0)
        status = finish_item(c, job->item, err);
    pthread_mutex_unlock(&c->lock);
    return status;
}

// --- what is run ---------------------------------------------------------------------------------

static bool wanted(const struct assay_certify_options *o, const char *instance_id)
{
    for (size_t i = 0; i < o->instance_count; i++) {
        if (strcmp(o->instance_ids[i], instance_id) == 0)
            return true;
    }
    return o->instance_count == 0;
}

static bool has_word(const char *words, const char *word)
{
    const size_t len = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

bool assay_certificate_covers(const struct assay_certificate *certificate, unsigned checks)
{
    for (unsigned i = 0; i < ASSAY_CHECKS; i++)
        if ((checks & (1u << i)) &&
                !has_word(certificate->checks, assay_check_name((enum assay_check)i)))
            return false;
    return true;
}

// A certificate of this very content, by these rules, of these checks and as many runs: nothing to
// do, whatever it says. One that was refused for trouble of ours says nothing.
static bool certified_before(struct certification *c, struct assay_certificate *certificate)
{
    const char *trouble = assay_defect_name(ASSAY_DEFECT_NO_VERDICT);
    struct assay_certificate stored = {0};

    if (c->options->again || !c->record)
        return false;
    if (assay_store_get_certificate(assay_context_store(c->context), certificate->suite,
                certificate->instance_id, certificate->instance_hash, c->arena, &stored,
                NULL) != ASSAY_OK)
        return false;
    if (stored.runs < c->options->runs || strcmp(stored.grader, ASSAY_GRADER_VERSION) != 0 ||
            strncmp(stored.reason, trouble, strlen(trouble)) == 0)
        return false;
    if (!assay_certificate_covers(&stored, c->checks))
        return false;
    *certificate = stored;
    return true;
}

// Runs that an interrupted command has left: their cells are done. What cannot be read is run
// again.
static enum assay_status take_up(
        struct certification *c, struct assay_certified *item, struct assay_error *err)
{
    const struct assay_instance *instance = item->instance;
    const size_t tests = instance->fail_to_pass.count + instance->pass_to_pass.count;
    struct assay_certificate_run *runs = NULL;
    size_t count = 0;
    enum assay_status status = assay_store_certificate_runs(
            assay_context_store(c->context), item->hash, c->arena, &runs, &count, err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        for (unsigned check = 0; check < ASSAY_CHECKS; check++) {
            struct assay_cell *cells = item->checks[check].cells;

            if (strcmp(runs[i].check_name, assay_check_name((enum assay_check)check)) != 0 ||
                    runs[i].run >= item->checks[check].runs)
                continue;
            if (assay_cell_read(&cells[runs[i].run], runs[i].body, tests, c->arena, NULL) ==
                    ASSAY_OK)
                item->left--;
        }
    }
    return status;
}

static enum assay_status add_item(struct certification *c, size_t *selected,
        const struct assay_instance *instance, struct assay_error *err)
{
    struct assay_certificate *certificate = &c->certificates[*selected];
    struct assay_certified *item = &c->items[c->count];
    enum assay_status status;

    certificate->suite = c->options->suite->name;
    certificate->instance_id = instance->instance_id;
    status = assay_instance_hash(certificate->instance_hash, c->options->suite, instance, err);
    if (status != ASSAY_OK)
        return status;
    if (!certified_before(c, certificate)) {
        *item = (struct assay_certified){.instance = instance, .hash = certificate->instance_hash};
        for (unsigned check = 0; check < ASSAY_CHECKS && status == ASSAY_OK; check++)
            if (c->checks & (1u << check))
                status = assay_check_plan(item, (enum assay_check)check, c->options->suite,
                        c->options->runs, c->arena, err);
        if (status == ASSAY_OK && c->record)
            status = take_up(c, item, err);
        c->slots[c->count++] = *selected;
    }
    (*selected)++;
    return status;
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

// Every run that is still to come, instance by instance.
static enum assay_status list_jobs(struct certification *c, struct assay_error *err)
{
    size_t total = 0;

    for (size_t i = 0; i < c->count; i++)
        for (unsigned check = 0; check < ASSAY_CHECKS; check++)
            total += c->items[i].checks[check].runs;
    c->jobs = assay_arena_array(c->arena, total, sizeof(*c->jobs));
    if (!c->jobs)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < c->count; i++) {
        for (unsigned check = 0; check < ASSAY_CHECKS; check++) {
            for (unsigned run = 0; run < c->items[i].checks[check].runs; run++) {
                if (!c->items[i].checks[check].cells[run].done)
                    c->jobs[c->job_count++] = (struct certify_job){i, (enum assay_check)check, run};
            }
        }
    }
    c->done_before = total - c->job_count;
    return ASSAY_OK;
}

static enum assay_status run_jobs(struct certification *c, struct assay_error *err)
{
    char label[128];
    enum assay_status status = list_jobs(c, err);

    // Nothing left to run, but a certificate to write: of lists alone, or cut off at the last step.
    for (size_t i = 0; i < c->count && status == ASSAY_OK; i++)
        if (c->items[i].left == 0)
            status = finish_item(c, i, err);
    if (status != ASSAY_OK || c->job_count == 0)
        return status;
    snprintf(label, sizeof(label), "certify %.100s", c->options->suite->name);
    status = assay_progress_start(&c->progress, label, "as expected", c->done_before + c->job_count,
            c->done_before, c->done_before, err);
    if (status != ASSAY_OK)
        return status;
    assay_context_log_around(c->context, assay_progress_around, c->progress);
    status = assay_jobs_run(c->options->threads, c->job_count, certify_work, c,
            assay_context_interrupted(c->context), err);
    assay_context_log_around(c->context, NULL, NULL);
    assay_progress_stop(c->progress);
    return status;
}

enum assay_status assay_certify(struct assay_certificate **certificates, size_t *count,
        struct assay_context *context, const struct assay_certify_options *options, bool record,
        struct assay_arena *arena, struct assay_error *err)
{
    struct certification c = {.context = context,
            .options = options,
            .checks = options->checks ? options->checks : ASSAY_CHECKS_ALL,
            .arena = arena,
            .record = record};
    size_t selected = 0;
    enum assay_status status;

    if (options->runs == 0 || options->runs > ASSAY_CERTIFY_RUNS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "--runs: %u is not 1 to %u", options->runs,
                ASSAY_CERTIFY_RUNS_MAX);
    pthread_mutex_init(&c.lock, NULL);
    status = select_items(&c, &selected, err);
    if (status == ASSAY_OK)
        status = run_jobs(&c, err);
    pthread_mutex_destroy(&c.lock);
    if (status != ASSAY_OK)
        return status;
    *certificates = c.certificates;
    *count = selected;
    return ASSAY_OK;
}
