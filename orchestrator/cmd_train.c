// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/commands.h"
#include "orchestrator/device.h"
#include "orchestrator/ranks.h"
#include "orchestrator/report.h"
#include "orchestrator/train.h"

const struct assay_option assay_train_options[] = {
        {"set", 's', "NAME=VALUE", "in place of the config's value", true},
        {"device", 0, "NAME", "in place of the config's: " ASSAY_DEVICE_NAMES, false},
        {"ranks", 0, "N",
                "train in N processes of this host; others by their launcher (docs/training.md)",
                false},
        {"again", 0, NULL, "start a new run although this one is finished", false},
        {"dry-run", 0, NULL, "print every setting with its origin, and what the run would take",
                false},
        {"explain-loss", 0, NULL, "print what the loss of this config means, in numbers", false},
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print the result as one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define ARENA_BYTES ((size_t)1 << 30)
#define SETS_MAX 256
#define TEXT_BYTES_MAX ((size_t)1 << 20)

struct train {
    struct assay_invocation *invocation;
    struct assay_arena *arena;
    struct assay_context *context;
    struct assay_train_settings settings;
    struct assay_task_source source;
    char source_hash[65];
    bool has_source;
    struct assay_place place;
    struct assay_collective *collective, *ahead;
    uint32_t world;       // ranks: those that are, or that --ranks is to start
    bool starts;          // them
    volatile bool cancel; // what the context is interrupted by (train.h)
};

static const char *origin_of(const struct train *t, const char *key)
{
    for (size_t i = 0; i < t->settings.count; i++)
        if (strcmp(t->settings.values[i].key, key) == 0)
            return t->settings.values[i].origin;
    return "";
}

static enum assay_status read_settings(struct train *t, struct assay_error *err)
{
    const char *path = t->invocation->arguments[0], *sets[SETS_MAX + 2];
    const char *device = assay_cli_value(t->invocation, "device");
    struct assay_buf text;
    size_t count = 0;
    enum assay_status status;

    for (const char *set; (set = assay_cli_value_at(t->invocation, "set", count)); count++) {
        if (count == SETS_MAX)
            return assay_fail(err, ASSAY_EUSAGE, "--set: more than %d", SETS_MAX);
        sets[count] = set;
    }
    if (device) {
        sets[count] = assay_arena_printf(t->arena, "device=%s", device);
        if (!sets[count++])
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    assay_buf_init(&text, ASSAY_TRAIN_CONFIG_BYTES_MAX);
    status = assay_fs_read_file(&text, path, err);
    if (status == ASSAY_OK)
        status = assay_train_config_read(
                &t->settings, text.data, text.len, path, sets, count, t->arena, err);
    // Where nobody says how many shards an update has, each rank has one.
    if (status == ASSAY_OK && t->world > 1 &&
            strcmp(origin_of(t, "batch.shards"), "default") == 0) {
        sets[count] = assay_arena_printf(t->arena, "batch.shards=%u", t->world);
        status = sets[count++] ? assay_train_config_read(&t->settings, text.data, text.len, path,
                                         sets, count, t->arena, err)
                               : assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    assay_buf_free(&text);
    return status;
}

// What this process is, and what it is asked to start.
static enum assay_status find_place(struct train *t, struct assay_error *err)
{
    uint64_t wanted = 1;
    enum assay_status status =
            assay_cli_number(&wanted, t->invocation, "ranks", 1, ASSAY_RANKS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_place_find(&t->place, err);
    if (status != ASSAY_OK)
        return status;
    if (t->place.is_started) // several write to one terminal: whole lines
        (void)setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    t->world = t->place.ranks.world;
    if (wanted > 1 && !t->place.is_started && t->world > 1)
        return assay_fail(err, ASSAY_EUSAGE,
                "--ranks %u, but the environment makes this process rank %u of %u already: one or "
                "the other",
                (unsigned)wanted, t->place.ranks.rank, t->world);
    t->starts = wanted > 1 && !t->place.is_started;
    if (t->starts)
        t->world = (uint32_t)wanted;
    return ASSAY_OK;
}

static enum assay_status check_ranks(const struct train *t, struct assay_error *err)
{
    const struct assay_train_config *c = &t->settings.config;

    if (c->shards % t->world != 0)
        return assay_fail(err, ASSAY_EUSAGE,
                "batch.shards: an update of %u shards cannot be shared by %u ranks alike",
                (unsigned)c->shards, t->world);
    if (t->world > 1 && c->swap == ASSAY_SWAP_TOKEN)
        return assay_fail(err, ASSAY_EUSAGE,
                "rl.swap: token is for one process: ranks would take weights at different tokens");
    return ASSAY_OK;
}

static enum assay_status print_text(struct assay_buf *text, struct assay_error *err)
{
    const enum assay_status status = assay_buf_check(text, "output", err);

    if (status == ASSAY_OK)
        (void)fputs(text->data, stdout);
    return status;
}

// The settings of a part ("loss."; "": all), with where they came from.
static void put_settings(const struct train *t, const char *part, struct assay_json_writer *w)
{
    assay_json_begin_array(w, "settings");
    for (size_t i = 0; i < t->settings.count; i++) {
        const struct assay_train_value *value = &t->settings.values[i];

        if (strncmp(value->key, part, strlen(part)) != 0)
            continue;
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "name", value->key);
        assay_json_put_text(w, "value", value->value);
        assay_json_put_text(w, "origin", value->origin);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

static enum assay_status explain_json(
        const struct train *t, const struct assay_buf *explanation, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status = assay_buf_check(explanation, "explanation", err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "loss", t->settings.config.objective.loss);
    put_settings(t, "loss.", &w);
    assay_json_put_text(&w, "explanation", explanation->data);
    assay_json_end_object(&w);
    (void)assay_buf_addc(&text, '\n');
    status = print_text(&text, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status explain(const struct train *t, struct assay_error *err)
{
    const struct assay_train_config *c = &t->settings.config;
    const struct assay_objective_setting setting = {.groups = (size_t)c->groups,
            .group_size = (size_t)c->group_size,
            .answer_tokens_max = (size_t)c->answer_tokens_max,
            .updates = (size_t)(c->updates * c->epochs)};
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_objective_explain(&c->objective, &setting, &text);
    if (assay_cli_flag(t->invocation, "json"))
        status = explain_json(t, &text, err);
    else
        status = print_text(&text, err);
    assay_buf_free(&text);
    return status;
}

static void print_rate(const char *name, const struct assay_train_rate *before,
        const struct assay_train_rate *after)
{
    double low, high;

    if (after->count == 0)
        return;
    assay_wilson(&low, &high, after->solved, after->count);
    printf("%-22s %zu of %zu (%.1f %%, 95 %% between %.1f and %.1f)", name, after->solved,
            after->count, 100.0 * (double)after->solved / (double)after->count, 100 * low,
            100 * high);
    printf("; before rl %zu of %zu (%.1f %%)\n", before->solved, before->count,
            100.0 * (double)before->solved / (double)before->count);
}

static void print_result(const struct assay_train_result *r)
{
    printf("run %s%s\n", r->run_id,
            r->was_finished      ? ": finished before; --again starts a new one"
                    : r->resumed ? ": gone on with, and finished"
                                 : ": finished");
    print_rate("held-out seeds", &r->before[0], &r->after[0]);
    print_rate("held-out families", &r->before[1], &r->after[1]);
    printf("model %s/final\nmetrics %s/metrics.jsonl\n", r->dir, r->dir);
}

static enum assay_status print_json(const struct assay_train_result *r, struct assay_error *err)
{
    static const char *const names[] = {"seeds", "families"};
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "run_id", r->run_id);
    assay_json_put_text(&w, "dir", r->dir);
    assay_json_put_bool(&w, "resumed", r->resumed);
    assay_json_put_bool(&w, "was_finished", r->was_finished);
    for (int s = 0; s < 2; s++) {
        assay_json_begin_object(&w, names[s]);
        assay_json_put_u64(&w, "solved_before", r->before[s].solved);
        assay_json_put_u64(&w, "count_before", r->before[s].count);
        assay_json_put_u64(&w, "solved", r->after[s].solved);
        assay_json_put_u64(&w, "count", r->after[s].count);
        assay_json_end_object(&w);
    }
    assay_json_end_object(&w);
    (void)assay_buf_addc(&text, '\n');
    status = print_text(&text, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status open_context(struct train *t, bool boxes, struct assay_error *err)
{
    struct assay_invocation inner = *t->invocation;

    inner.interrupted = &t->cancel;
    return assay_context_open(&t->context, &inner, boxes, err);
}

// What these settings draw from must be there before the first of them is drawn.
static enum assay_status check_splits(struct train *t, struct assay_error *err)
{
    const struct assay_train_config *c = &t->settings.config;
    const struct {
        enum assay_train_split split;
        bool wanted;
        const char *by;
    } rows[] = {{ASSAY_TRAIN_SFT, c->sft_updates > 0, "sft.updates"},
            {ASSAY_TRAIN_SFT, !*c->model_path, "the vocabulary (no model.path)"},
            {ASSAY_TRAIN_RL, c->steps > 0, "rl.steps"}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && status == ASSAY_OK; i++) {
        struct assay_train_task task;

        if (!rows[i].wanted)
            continue;
        status = t->source.draw(t->source.user, &task, rows[i].split, 0, t->arena, err);
        if (status == ASSAY_ENOTFOUND)
            status = assay_fail(err, ASSAY_EINVAL, "%s%s: no task of split %s, which %s needs",
                    *c->path ? c->path : "tasks.source ", *c->path ? "" : c->source,
                    assay_train_split_name(rows[i].split), rows[i].by);
    }
    return status;
}

static enum assay_status open_source(struct train *t, struct assay_error *err)
{
    const struct assay_train_config *c = &t->settings.config;
    const struct assay_task_repair_options repair = {.seed = c->tasks_seed,
            .choice = {.text_count = (size_t)c->tasks_texts,
                    .family_count = (size_t)c->tasks_families,
                    .shares_pairs = c->tasks_shared},
            .tests_ms = c->tests_ms,
            .turns_max = (uint32_t)c->turns_max,
            .seen_bytes_max = (size_t)c->seen_bytes_max};
    enum assay_status status = strcmp(c->source, "file") == 0
            ? assay_task_file_open(&t->source, t->source_hash, c->path, err)
            : strcmp(c->source, "mini") == 0
            ? assay_task_mini_open(&t->source, t->context, c->tasks_seed, c->rare, err)
            : assay_task_repair_open(&t->source, t->context, &repair, err);

    t->has_source = status == ASSAY_OK;
    return status == ASSAY_OK ? check_splits(t, err) : status;
}

static struct assay_train_options options_of(struct train *t)
{
    return (struct assay_train_options){.settings = &t->settings,
            .source = &t->source,
            .local = t->place.local,
            .world = t->world,
            .source_hash = *t->source_hash ? t->source_hash : NULL,
            .again = assay_cli_flag(t->invocation, "again"),
            .command_line = t->invocation->command_line,
            .cancel = &t->cancel,
            .interrupted = t->invocation->interrupted};
}

static enum assay_status dry_run(struct train *t, struct assay_error *err)
{
    const bool json = assay_cli_flag(t->invocation, "json");
    struct assay_train_options options;
    struct assay_train_plan plan;
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status = open_context(t, false, err);

    if (status == ASSAY_OK)
        status = open_source(t, err);
    options = options_of(t);
    if (status == ASSAY_OK)
        status = assay_train_plan_make(&plan, t->context, &options, t->arena, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, TEXT_BYTES_MAX);
    if (json) {
        assay_json_writer_init(&w, &text, 0);
        assay_json_begin_object(&w, NULL);
        assay_json_put_u64(&w, "schema", 1);
        assay_train_plan_put(&plan, &w);
        put_settings(t, "", &w);
        assay_json_end_object(&w);
        (void)assay_buf_addc(&text, '\n');
    } else {
        assay_train_config_print(&t->settings, &text);
        (void)assay_buf_addc(&text, '\n');
        assay_train_plan_print(&plan, &t->settings.config, &text);
    }
    status = print_text(&text, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status train(struct train *t, struct assay_error *err)
{
    const uint64_t wait_ms = (uint64_t)(t->settings.config.rank_wait_s_max * 1000);
    const bool boxes = strcmp(t->settings.config.source, "file") != 0;
    struct assay_train_options options;
    struct assay_train_result result;
    // The spawner of boxes first: before memory is shared and connections are made.
    enum assay_status status = open_context(t, boxes, err);

    if (status == ASSAY_OK)
        status = open_source(t, err);
    options = options_of(t);
    if (status == ASSAY_OK)
        status = assay_ranks_join(&t->collective, &t->place, NULL, wait_ms, err);
    if (status == ASSAY_OK && t->settings.config.staleness > 0)
        status = assay_ranks_join(&t->ahead, &t->place, t->collective, wait_ms, err);
    options.collective = t->collective;
    options.ahead = t->ahead;
    if (status == ASSAY_OK)
        status = assay_train(&result, t->context, &options, t->arena, err);
    if (status != ASSAY_OK || t->place.ranks.rank > 0)
        return status;
    if (assay_cli_flag(t->invocation, "json"))
        return print_json(&result, err);
    print_result(&result);
    return ASSAY_OK;
}

static enum assay_status perform(struct train *t, struct assay_error *err)
{
    enum assay_status status = assay_arena_create(&t->arena, ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = find_place(t, err);
    if (status == ASSAY_OK)
        status = read_settings(t, err);
    if (status == ASSAY_OK)
        status = check_ranks(t, err);
    if (status != ASSAY_OK)
        return status;
    if (assay_cli_flag(t->invocation, "explain-loss"))
        return explain(t, err);
    if (assay_cli_flag(t->invocation, "dry-run"))
        return dry_run(t, err);
    return t->starts ? assay_ranks_start(t->invocation, t->world, err) : train(t, err);
}

enum assay_exit assay_cmd_train(struct assay_invocation *invocation)
{
    struct train t = {.invocation = invocation};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;

    if (perform(&t, &err) != ASSAY_OK) {
        if (t.place.ranks.world > 1 && err.status != ASSAY_EINTERRUPTED)
            (void)assay_wrap(&err, "rank %u", t.place.ranks.rank);
        // Whoever started this rank was interrupted, too, and says so once.
        code = t.place.is_started && err.status == ASSAY_EINTERRUPTED ? ASSAY_EXIT_INTERRUPTED
                                                                      : assay_cli_fail(&err);
    }
    assay_collective_destroy(t.ahead);
    assay_collective_destroy(t.collective); // the others see it, whatever is still to be closed
    if (t.has_source)
        t.source.close(t.source.user);
    assay_context_close(t.context);
    assay_arena_destroy(t.arena);
    return code;
}
