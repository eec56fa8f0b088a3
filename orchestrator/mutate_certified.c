// SPDX-License-Identifier: MIT
// mutate_certified.c - certified mutants of whole packages: which packages, and how far each is.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "orchestrator/certify.h"
#include "orchestrator/mutate_parts.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"

#define ARENA_BYTES ((size_t)16 << 30)
#define DRAWN_TIMES                                                                                \
    4u // so many mutants are drawn for each that may be tried: twins, what is not reached

struct packages {
    struct mutate_making making;
    const struct assay_instance **instances;
    const struct assay_certificate *certificates;
    struct assay_mutate_result *results;
    struct assay_progress *progress;
    size_t count;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- one package --------------------------------------------------------------------------------

static void count_end(struct mutate_package *p, const struct mutate_entry *entry)
{
    size_t *const counts[MUTATE_ENDS] = {
            [MUTATE_KEPT] = &p->result->kept,
            [MUTATE_SURVIVED] = &p->result->survived,
            [MUTATE_SPOILED] = &p->result->spoiled,
            [MUTATE_GROSS] = &p->result->gross,
            [MUTATE_TWIN] = &p->result->twins,
            [MUTATE_UNSTEADY] = &p->result->unsteady,
            [MUTATE_WITHDRAWN] = &p->result->withdrawn,
    };

    p->result->tried++;
    ++*counts[entry->end];
    if (entry->end == MUTATE_KEPT)
        p->twins.items[p->twins.count++] = entry->twin;
}

// As the ledger has it, or tried now.
static enum assay_status settle(struct mutate_entry *entry, struct mutate_package *p,
        const struct mutate_draft *draft, struct assay_error *err)
{
    const struct mutate_entry *known =
            mutate_ledger_find(p->m->ledger, p->parent->instance_id, draft->number);
    enum assay_status status;

    if (known) {
        *entry = *known;
        if (known->end == MUTATE_KEPT &&
                faccessat(p->m->writer.dir_fd, known->task_id, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
            entry->end = MUTATE_WITHDRAWN;
        return ASSAY_OK;
    }
    *entry = (struct mutate_entry){
            .instance_id = p->parent->instance_id, .number = draft->number, .task_id = ""};
    status = mutate_try(entry, p, draft, err);
    return status == ASSAY_OK ? mutate_ledger_put(p->m->ledger, entry, err) : status;
}

static enum assay_status break_package(struct mutate_package *p, struct assay_error *err)
{
    const struct assay_mutate_options *o = p->m->options;
    const volatile bool *stop = assay_context_interrupted(p->m->context);
    struct mutate_drafts drafts;
    enum assay_status status = mutate_draw(&drafts, p->tree_fd, p->parent->framework, o->seed,
            o->tries * DRAWN_TIMES, p->arena, err);

    if (status != ASSAY_OK)
        return status;
    p->result->made = drafts.count;
    p->twins.items = assay_arena_array(p->arena, drafts.count + 1, sizeof(*p->twins.items));
    p->kept.items = assay_arena_array(p->arena, drafts.count + 1, sizeof(*p->kept.items));
    if (!p->twins.items || !p->kept.items)
        return no_memory(err);
    for (size_t i = 0; i < drafts.count && p->result->kept < o->count &&
            p->result->tried < o->tries && status == ASSAY_OK;
            i++) {
        struct mutate_entry entry;

        if (!mutate_is_reached(&p->reach, &drafts.items[i]))
            continue;
        status = *stop ? assay_fail(err, ASSAY_EINTERRUPTED, "interrupted")
                       : settle(&entry, p, &drafts.items[i], err);
        if (status != ASSAY_OK)
            break;
        count_end(p, &entry);
        if (entry.end != MUTATE_SPOILED &&
                !mutate_note_reach(
                        &p->reach, &drafts.items[i], entry.end != MUTATE_SURVIVED, p->arena))
            status = no_memory(err);
    }
    return status;
}

static enum assay_status work(void *user, size_t index, struct assay_error *err)
{
    struct packages *all = user;
    const uint64_t started_ms = assay_clock_ms();
    struct mutate_package p = {.m = &all->making,
            .parent = all->instances[index],
            .certificate = &all->certificates[index],
            .result = &all->results[index],
            .tree_fd = -1};
    enum assay_status status = assay_arena_create(&p.arena, ARENA_BYTES, err);

    assay_progress_begin(all->progress);
    if (status == ASSAY_OK)
        status = mutate_make_ground(&p, err);
    if (status == ASSAY_OK && !p.result->reason)
        status = break_package(&p, err);
    assay_progress_end(all->progress, status == ASSAY_OK, p.result->kept > 0);
    p.result->wall_ms = assay_clock_ms() - started_ms;
    if (p.tree_fd >= 0)
        close(p.tree_fd);
    assay_arena_destroy(p.arena);
    if (status == ASSAY_OK || status == ASSAY_EINTERRUPTED || status == ASSAY_ENOMEM ||
            status == ASSAY_EREFUSED)
        return status == ASSAY_OK ? ASSAY_OK : assay_wrap(err, "%s", p.parent->instance_id);
    // One package's trouble is not the others': typed again, the command goes on there.
    (void)snprintf(p.result->trouble, sizeof(p.result->trouble), "%s", err->message);
    p.result->reason = p.result->trouble;
    assay_log(assay_context_log(all->making.context), ASSAY_LOG_WARN, "orchestrator",
            "package given up", "instance", p.parent->instance_id, "reason", p.result->trouble,
            NULL);
    return ASSAY_OK;
}

// --- the whole ----------------------------------------------------------------------------------

// Every check, once for each package.
static enum assay_status certify_packages(
        struct packages *all, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_mutate_options *o = all->making.options;
    const char **ids = assay_arena_array(arena, all->count, sizeof(*ids));
    struct assay_certify_options certify = {.suite = o->suite,
            .instance_ids = ids,
            .instance_count = all->count,
            .runs = o->runs,
            .threads = o->threads};
    struct assay_certificate *certificates = NULL;
    size_t count = 0;

    if (!ids)
        return no_memory(err);
    for (size_t i = 0; i < all->count; i++)
        ids[i] = all->instances[i]->instance_id;
    all->certificates = NULL;
    {
        const enum assay_status status = assay_certify(
                &certificates, &count, all->making.context, &certify, true, arena, err);

        all->certificates = certificates;
        return status;
    }
}

// What the tasks depend on beside the packages; more of them may be asked for at any time.
static enum assay_status identify(
        char hex[65], const struct assay_mutate_options *options, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    char suite[65];
    enum assay_status status = assay_suite_hash(suite, options->suite, err);

    if (status == ASSAY_OK)
        status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "certified mutants 1");
    assay_sha256_field_text(sha, suite);
    assay_sha256_field(sha, &options->seed, sizeof(options->seed));
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

static enum assay_status open_folder(struct mutate_making *m, struct assay_error *err)
{
    char identity[65], path[PATH_MAX];
    bool fresh;
    enum assay_status status = identify(identity, m->options, err);

    (void)snprintf(path, sizeof(path), "%.*s/suite.json", PATH_MAX - 32, m->options->dir);
    fresh = access(path, F_OK) != 0;
    if (status == ASSAY_OK)
        status = fresh ? assay_suite_writer_open(&m->writer, m->options->dir, &m->named, err)
                       : assay_suite_writer_reopen(&m->writer, m->options->dir, err);
    if (status == ASSAY_OK)
        status = mutate_ledger_open(&m->ledger, m->options->dir, identity, err);
    return status;
}

static enum assay_status run_packages(struct packages *all, struct assay_error *err)
{
    struct mutate_making *m = &all->making;
    enum assay_status status =
            assay_progress_start(&all->progress, "mutate", "with mutants", all->count, 0, 0, err);

    if (status != ASSAY_OK)
        return status;
    assay_context_log_around(m->context, assay_progress_around, all->progress);
    status = assay_jobs_run(
            m->options->threads, all->count, work, all, assay_context_interrupted(m->context), err);
    assay_context_log_around(m->context, NULL, NULL);
    assay_progress_stop(all->progress);
    return status;
}

enum assay_status assay_mutate_certified(struct assay_mutate_result **out, size_t *count,
        struct assay_context *context, const struct assay_mutate_options *options,
        struct assay_arena *arena, struct assay_error *err)
{
    struct packages all = {.making = {.context = context,
                                   .options = options,
                                   .named = *options->suite,
                                   .writer = {-1}}};
    struct mutate_making *m = &all.making;
    enum assay_status status = assay_mutate_choose(&all.instances, &all.count, options, arena, err);

    m->named.name = options->name
            ? options->name
            : assay_arena_printf(arena, "%.90s-mutants", options->suite->name);
    all.results = assay_arena_array(arena, all.count + 1, sizeof(*all.results));
    if (status == ASSAY_OK && (!m->named.name || !all.results))
        status = no_memory(err);
    for (size_t i = 0; i < all.count && status == ASSAY_OK; i++)
        all.results[i].instance_id = assay_arena_strdup(arena, all.instances[i]->instance_id);
    if (status == ASSAY_OK)
        status = open_folder(m, err);
    if (status == ASSAY_OK)
        status = certify_packages(&all, arena, err);
    if (status == ASSAY_OK)
        status = run_packages(&all, err);
    mutate_ledger_close(m->ledger);
    assay_suite_writer_close(&m->writer);
    *out = all.results;
    *count = all.count;
    return status;
}
