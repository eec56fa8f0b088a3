// SPDX-License-Identifier: MIT
#include "orchestrator/report_train.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/cli.h"
#include "orchestrator/report.h"
#include "orchestrator/train.h"

#define TAIL_POSITIONS 64
#define BODY_BYTES_MAX ((size_t)1 << 20)

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "training report: out of memory");
}

enum assay_status assay_train_row_read(struct assay_train_row *row, const struct assay_json *body,
        struct assay_arena *arena, struct assay_error *err)
{
    row->count = 0;
    row->numbers = assay_arena_array(arena, assay_json_count(body), sizeof(*row->numbers));
    if (!row->numbers)
        return no_memory(err);
    for (const struct assay_json *at = assay_json_first(body); at; at = assay_json_next(at)) {
        struct assay_train_number *number = &row->numbers[row->count];

        if (assay_json_type(at) != ASSAY_JSON_NUMBER)
            continue;
        number->name = assay_arena_strdup(arena, assay_json_key(at));
        number->value = assay_json_number(at);
        row->count++;
        if (!number->name)
            return no_memory(err);
    }
    return ASSAY_OK;
}

static enum assay_status read_row(struct assay_train_row *out,
        const struct assay_training_step *step, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json_limits limits = {BODY_BYTES_MAX, 4};
    struct assay_json *json = NULL;
    enum assay_status status =
            assay_json_parse(&json, step->body, strlen(step->body), limits, "metrics", 1, err);

    if (status != ASSAY_OK)
        return assay_fail(err, ASSAY_EIO, "store: step %" PRIu64 " of %s is not as it was written",
                step->step, step->phase);
    *out = (struct assay_train_row){.position = step->position,
            .step = step->step,
            .phase = step->phase,
            .recorded_at = step->recorded_at,
            .body = step->body};
    status = assay_train_row_read(out, json, arena, err);
    assay_json_free(json);
    return status;
}

void assay_train_report_setting(char out[ASSAY_TRAIN_SETTING_BYTES],
        const struct assay_train_report *report, const char *key)
{
    const size_t len = strlen(key);
    const char *at = report->training.config;

    *out = '\0';
    while (at && *at) {
        const char *end = strchr(at, '\n');

        if (strncmp(at, key, len) == 0 && at[len] == ' ') {
            at += len + strspn(at + len, " ");
            (void)snprintf(out, ASSAY_TRAIN_SETTING_BYTES, "%.*s", (int)strcspn(at, " \n"), at);
            return;
        }
        at = end ? end + 1 : NULL;
    }
}

static uint64_t number_setting(const struct assay_train_report *report, const char *key)
{
    char text[ASSAY_TRAIN_SETTING_BYTES];

    assay_train_report_setting(text, report, key);
    return (uint64_t)strtod(text, NULL); // as "1e3" may stand there, too
}

enum assay_status assay_train_report_load(struct assay_train_report *out, struct assay_store *store,
        const char *run_id, enum assay_train_report_part part, struct assay_arena *arena,
        struct assay_error *err)
{
    struct assay_train_report report = {0};
    struct assay_training_step *steps = NULL;
    enum assay_status status =
            assay_store_get_training(store, run_id, arena, &report.training, err);

    if (status == ASSAY_OK)
        status = part == ASSAY_TRAIN_TAIL
                ? assay_store_training_tail(
                          store, run_id, TAIL_POSITIONS, arena, &steps, &report.row_count, err)
                : assay_store_training_steps(store, run_id, arena, &steps, &report.row_count, err);
    if (status == ASSAY_OK && part == ASSAY_TRAIN_ALL)
        status = assay_store_training_rollouts(
                store, run_id, arena, &report.rollouts, &report.rollout_count, err);
    if (status == ASSAY_OK) {
        report.rows = assay_arena_array(arena, report.row_count, sizeof(*report.rows));
        status = report.rows ? ASSAY_OK : no_memory(err);
    }
    for (size_t i = 0; i < report.row_count && status == ASSAY_OK; i++)
        status = read_row(&report.rows[i], &steps[i], arena, err);
    if (status != ASSAY_OK)
        return status;
    report.rl_steps = number_setting(&report, "rl.steps");
    report.sft_steps = (number_setting(&report, "sft.updates") + ASSAY_SFT_STEP_UPDATES - 1) /
            ASSAY_SFT_STEP_UPDATES;
    *out = report;
    return ASSAY_OK;
}

double assay_train_row_get(const struct assay_train_row *row, const char *name)
{
    for (size_t i = 0; row && i < row->count; i++)
        if (strcmp(row->numbers[i].name, name) == 0)
            return row->numbers[i].value;
    return (double)NAN;
}

static bool matches(const struct assay_train_row *row, const char *phase, const char *name)
{
    return strcmp(row->phase, phase) == 0 && (!name || !isnan(assay_train_row_get(row, name)));
}

const struct assay_train_row *assay_train_report_last(
        const struct assay_train_report *report, const char *phase, const char *name)
{
    for (size_t i = report->row_count; i > 0; i--)
        if (matches(&report->rows[i - 1], phase, name))
            return &report->rows[i - 1];
    return NULL;
}

const struct assay_train_row *assay_train_report_first(
        const struct assay_train_report *report, const char *phase, const char *name)
{
    for (size_t i = 0; i < report->row_count; i++)
        if (matches(&report->rows[i], phase, name))
            return &report->rows[i];
    return NULL;
}

uint64_t assay_train_report_done(const struct assay_train_report *report)
{
    for (size_t i = report->row_count; i > 0; i--)
        if (strcmp(report->rows[i - 1].phase, "eval") != 0)
            return report->rows[i - 1].position + 1;
    return 0;
}

bool assay_train_report_rate(struct assay_train_report_rate *out,
        const struct assay_train_report *report, enum assay_train_split split)
{
    const char *name = assay_train_split_name(split);
    char solved[32], count[32];
    const struct assay_train_row *first, *last;

    (void)snprintf(solved, sizeof(solved), "%s_solved", name);
    (void)snprintf(count, sizeof(count), "%s_count", name);
    first = assay_train_report_first(report, "eval", count);
    last = assay_train_report_last(report, "eval", count);
    if (!first || !last)
        return false;
    *out = (struct assay_train_report_rate){.first_solved = assay_train_row_get(first, solved),
            .first_count = assay_train_row_get(first, count),
            .solved = assay_train_row_get(last, solved),
            .count = assay_train_row_get(last, count),
            .again = first != last};
    assay_wilson(&out->low, &out->high, (size_t)out->solved, (size_t)out->count);
    return true;
}

// --- for people ----------------------------------------------------------------------------------

static void print_rate(FILE *out, const struct assay_train_report *report,
        enum assay_train_split split, const char *words)
{
    struct assay_train_report_rate rate;

    if (!assay_train_report_rate(&rate, report, split))
        return;
    (void)fprintf(out, "%-18s %.0f of %.0f (%.1f %%, 95 %% between %.1f and %.1f)", words,
            rate.solved, rate.count, rate.count > 0 ? 100 * rate.solved / rate.count : 0.0,
            100 * rate.low, 100 * rate.high);
    if (rate.again)
        (void)fprintf(out, "; at first %.0f of %.0f", rate.first_solved, rate.first_count);
    (void)fputc('\n', out);
}

void assay_train_report_print(FILE *out, const struct assay_train_report *report)
{
    static const char *const shown[] = {"reward", "pass_rate", "groups_live", "groups_cliff",
            "groups_collapse", "entropy", "rescued", "grad_norm", "answer_tokens", "executed_per_s",
            "sampled_tokens_per_s", "idle_for_rewards", "idle_trainer", "idle_sampler"};
    const struct assay_train_row *last = assay_train_report_last(report, "rl", NULL);

    (void)fprintf(out, "training %s, %s: %" PRIu64 " of %" PRIu64 " steps, begun %s\n",
            report->training.run_id,
            report->training.state == ASSAY_RUN_FINISHED ? "finished" : "open",
            assay_train_report_done(report), report->sft_steps + report->rl_steps,
            report->training.started_at);
    print_rate(out, report, ASSAY_TRAIN_SEEDS, "held-out seeds");
    print_rate(out, report, ASSAY_TRAIN_FAMILIES, "held-out families");
    if (!last)
        return;
    (void)fprintf(out, "step %" PRIu64 " of rl:\n", last->step + 1);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        const double value = assay_train_row_get(last, shown[i]);

        if (!isnan(value))
            (void)fprintf(out, "  %-22s %.4g\n", shown[i], value);
    }
}

// --- JSON ----------------------------------------------------------------------------------------

static void put_rollout(struct assay_json_writer *w, const struct assay_training_rollout *r)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_u64(w, "position", r->position);
    assay_json_put_text(w, "phase", r->phase);
    assay_json_put_u64(w, "group", r->group);
    assay_json_put_u64(w, "version", r->version);
    assay_json_put_text(w, "task", r->task);
    assay_json_put_text(w, "family", r->family);
    assay_json_put_text(w, "cause", r->cause);
    assay_json_put_text(w, "reason", r->reason);
    assay_json_put_text(w, "finish", r->finish);
    assay_json_put_bool(w, "solved", r->solved);
    assay_json_put_double(w, "reward", r->reward);
    assay_json_put_double(w, "advantage", r->advantage);
    assay_json_put_bytes(w, "prompt", r->prompt.data, r->prompt.len);
    assay_json_put_bytes(w, "answer", r->answer.data, r->answer.len);
    assay_json_put_bytes(w, "patch", r->patch.data, r->patch.len);
    assay_json_put_u64(w, "token_count", r->token_count);
    assay_json_begin_array(w, "ids");
    for (size_t i = 0; i < r->tokens_kept; i++)
        assay_json_put_i64(w, NULL, r->tokens[i].id);
    assay_json_end_array(w);
    assay_json_begin_array(w, "logp");
    for (size_t i = 0; i < r->tokens_kept; i++)
        assay_json_put_double(w, NULL, (double)r->tokens[i].logp);
    assay_json_end_array(w);
    assay_json_begin_array(w, "versions");
    for (size_t i = 0; i < r->tokens_kept; i++)
        assay_json_put_u64(w, NULL, r->version + r->tokens[i].newer);
    assay_json_end_array(w);
    assay_json_end_object(w);
}

void assay_train_report_write(struct assay_buf *out, const struct assay_train_report *report)
{
    const struct assay_training *t = &report->training;
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "run_id", t->run_id);
    assay_json_put_text(&w, "state", t->state == ASSAY_RUN_FINISHED ? "finished" : "open");
    assay_json_put_u64(&w, "steps_done", assay_train_report_done(report));
    assay_json_put_u64(&w, "steps_total", report->sft_steps + report->rl_steps);
    assay_json_put_text(&w, "command", t->command);
    assay_json_put_text(&w, "started_at", t->started_at);
    assay_json_put_text(&w, "finished_at", t->finished_at);
    assay_json_put_text(&w, "config", t->config);
    assay_json_begin_array(&w, "steps");
    for (size_t i = 0; i < report->row_count; i++)
        assay_json_put_written(&w, NULL, report->rows[i].body);
    assay_json_end_array(&w);
    assay_json_begin_array(&w, "rollouts");
    for (size_t i = 0; i < report->rollout_count; i++)
        put_rollout(&w, &report->rollouts[i]);
    assay_json_end_array(&w);
    assay_json_end_object(&w);
}
