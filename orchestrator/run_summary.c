// SPDX-License-Identifier: MIT
#include "orchestrator/run_summary.h"

#include <inttypes.h>
#include <string.h>

#include "orchestrator/rates.h"
#include "orchestrator/report.h"

#define BOOTSTRAP_SEED 1

// --- counting ------------------------------------------------------------------------------------

// One instance's samples: rows[first .. first + count).
struct cluster {
    size_t first, count, resolved;
};

static size_t make_clusters(const struct assay_run_summary *s, struct cluster *clusters)
{
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (i == 0 || strcmp(s->rows[i].instance_id, s->rows[i - 1].instance_id) != 0)
            clusters[count++] = (struct cluster){.first = i};
        clusters[count - 1].count++;
        clusters[count - 1].resolved += s->rows[i].resolved;
    }
    return count;
}

static enum assay_status add_pass_at(struct assay_run_summary *s, const struct cluster *clusters,
        size_t k, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_pass_at *pass = &s->pass_at[s->pass_at_count];
    double *values = assay_arena_array(arena, s->instances, sizeof(*values));
    double sum = 0;
    enum assay_status status;

    if (values == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "summary: out of memory");
    for (size_t i = 0; i < s->instances; i++) {
        values[i] = assay_pass_at_k(clusters[i].count, clusters[i].resolved, k);
        sum += values[i];
    }
    status = assay_cluster_bootstrap(
            &pass->low, &pass->high, values, s->instances, BOOTSTRAP_SEED, err);
    pass->k = k;
    pass->value = sum / (double)s->instances;
    s->pass_at_count++;
    return status;
}

static enum assay_status add_rates(
        struct assay_run_summary *s, struct assay_arena *arena, struct assay_error *err)
{
    struct cluster *clusters = assay_arena_array(arena, s->count, sizeof(*clusters));
    enum assay_status status = ASSAY_OK;
    size_t k = 1;

    if (clusters == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "summary: out of memory");
    s->instances = make_clusters(s, clusters);
    s->samples = clusters[0].count;
    for (size_t i = 1; i < s->instances; i++)
        if (clusters[i].count < s->samples)
            s->samples = clusters[i].count;
    for (; k <= s->samples && s->pass_at_count < ASSAY_PASS_AT_MAX - 1 && status == ASSAY_OK;
            k *= 2)
        status = add_pass_at(s, clusters, k, arena, err);
    if (status == ASSAY_OK && s->pass_at[s->pass_at_count - 1].k != s->samples)
        status = add_pass_at(s, clusters, s->samples, arena, err);
    return status;
}

static void add_row(struct assay_run_summary *s, const struct assay_episode_row *row)
{
    enum assay_cause cause;

    s->resolved += row->resolved;
    s->scored += row->scored;
    s->causes[row->cause]++;
    if (row->verdict_cause != NULL && assay_cause_from_name(&cause, row->verdict_cause))
        s->verdicts[cause]++;
    s->turns += row->turn_count;
    s->prompt_tokens += row->prompt_tokens;
    s->answer_tokens += row->answer_tokens;
    s->command_us += row->wall_us;
    s->actor_us += row->actor_us;
}

enum assay_status assay_run_summary_load(struct assay_run_summary *out, struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status;

    memset(out, 0, sizeof(*out));
    status = assay_store_list_episodes(store, run_id, arena, &out->rows, &out->count, err);
    if (status != ASSAY_OK)
        return status;
    if (out->count == 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "run %.100s has no episodes", run_id);
    out->run_id = out->rows[0].run_id;
    out->suite = out->rows[0].suite;
    out->actor = out->rows[0].actor;
    for (size_t i = 0; i < out->count; i++)
        add_row(out, &out->rows[i]);
    assay_wilson(&out->wilson_low, &out->wilson_high, out->resolved, out->count);
    return add_rates(out, arena, err);
}

// --- telling -------------------------------------------------------------------------------------

static void put_interval(struct assay_json_writer *w, const char *key, double low, double high)
{
    assay_json_begin_array(w, key);
    assay_json_put_double(w, NULL, low);
    assay_json_put_double(w, NULL, high);
    assay_json_end_array(w);
}

static void put_causes(struct assay_json_writer *w, const struct assay_run_summary *s)
{
    assay_json_begin_object(w, "causes");
    for (size_t i = 0; i < ASSAY_EPISODE_CAUSES; i++)
        if (s->causes[i] > 0)
            assay_json_put_u64(
                    w, assay_episode_cause_name((enum assay_episode_cause)i), s->causes[i]);
    assay_json_end_object(w);
    assay_json_begin_object(w, "verdicts");
    for (size_t i = 0; i < ASSAY_RUN_VERDICTS; i++)
        if (s->verdicts[i] > 0)
            assay_json_put_u64(w, assay_cause_name((enum assay_cause)i), s->verdicts[i]);
    assay_json_end_object(w);
}

void assay_run_summary_write(
        struct assay_json_writer *w, const char *key, const struct assay_run_summary *s)
{
    assay_json_begin_object(w, key);
    assay_json_put_u64(w, "schema", 1);
    assay_json_put_text(w, "run_id", s->run_id);
    assay_json_put_text(w, "suite", s->suite);
    assay_json_put_text(w, "actor", s->actor);
    assay_json_put_u64(w, "instances", s->instances);
    assay_json_put_u64(w, "samples", s->samples);
    assay_json_put_u64(w, "episodes", s->count);
    assay_json_put_u64(w, "resolved", s->resolved);
    assay_json_put_u64(w, "scored", s->scored);
    put_interval(w, "wilson", s->wilson_low, s->wilson_high);
    assay_json_begin_array(w, "pass_at");
    for (size_t i = 0; i < s->pass_at_count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_u64(w, "k", s->pass_at[i].k);
        assay_json_put_double(w, "value", s->pass_at[i].value);
        put_interval(w, "bootstrap", s->pass_at[i].low, s->pass_at[i].high);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    put_causes(w, s);
    assay_json_put_u64(w, "turns", s->turns);
    assay_json_put_u64(w, "prompt_tokens", s->prompt_tokens);
    assay_json_put_u64(w, "answer_tokens", s->answer_tokens);
    assay_json_put_u64(w, "command_ms", s->command_us / 1000);
    assay_json_put_u64(w, "actor_ms", s->actor_us / 1000);
    assay_json_end_object(w);
}

struct assay_run_ending assay_run_ending(
        const struct assay_run_summary *s, enum assay_episode_cause cause)
{
    struct assay_run_ending ending = {.count = s->causes[cause]};

    for (size_t i = 0; i < s->count && ending.count > 0; i++) {
        if (s->rows[i].cause != cause)
            continue;
        ending.resolved += s->rows[i].resolved;
        ending.null += s->rows[i].has_verdict && !s->rows[i].scored;
    }
    return ending;
}

// How each ending of an episode was judged.
static void print_causes(FILE *out, const struct assay_run_summary *s)
{
    fprintf(out, "\n  %-14s %8s %9s %8s\n", "episode ended", "episodes", "resolved", "null");
    for (size_t c = 0; c < ASSAY_EPISODE_CAUSES; c++) {
        const struct assay_run_ending ending = assay_run_ending(s, (enum assay_episode_cause)c);

        if (ending.count > 0)
            fprintf(out, "  %-14s %8zu %9zu %8zu\n",
                    assay_episode_cause_name((enum assay_episode_cause)c), ending.count,
                    ending.resolved, ending.null);
    }
    fprintf(out, "\n  %-14s %8s\n", "verdict", "episodes");
    for (size_t c = 0; c < ASSAY_RUN_VERDICTS; c++)
        if (s->verdicts[c] > 0)
            fprintf(out, "  %-14s %8zu\n", assay_cause_name((enum assay_cause)c), s->verdicts[c]);
}

void assay_run_summary_print(FILE *out, const struct assay_run_summary *s)
{
    fprintf(out, "run %s: %s on %s, %zu instances, %zu episodes\n", s->run_id, s->actor, s->suite,
            s->instances, s->count);
    fprintf(out,
            "resolved %zu of %zu episodes (Wilson 95 %%: %.1f to %.1f %%); %zu have a verdict\n",
            s->resolved, s->count, 100 * s->wilson_low, 100 * s->wilson_high, s->scored);
    for (size_t i = 0; i < s->pass_at_count; i++)
        fprintf(out, "pass@%zu %.1f %% (95 %% over instances: %.1f to %.1f %%)\n", s->pass_at[i].k,
                100 * s->pass_at[i].value, 100 * s->pass_at[i].low, 100 * s->pass_at[i].high);
    print_causes(out, s);
    fprintf(out,
            "\n%" PRIu64 " turns, %" PRIu64 " prompt and %" PRIu64
            " answer tokens, %.1f s in commands, %.1f s in the actor\n",
            s->turns, s->prompt_tokens, s->answer_tokens, (double)s->command_us / 1e6,
            (double)s->actor_us / 1e6);
}

void assay_run_summary_write_predictions(
        struct assay_buf *out, const struct assay_run_summary *s, unsigned sample)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    for (size_t i = 0; i < s->count; i++) {
        const struct assay_episode_row *row = &s->rows[i];

        if (row->sample != sample || row->cause == ASSAY_EPISODE_RUNNING)
            continue;
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "instance_id", row->instance_id);
        assay_json_put_text(&w, "model_name_or_path", row->actor);
        assay_json_put_bytes(&w, "model_patch", row->answer.data != NULL ? row->answer.data : "",
                row->answer.len);
        assay_json_end_object(&w);
        assay_buf_addc(out, '\n');
    }
}
