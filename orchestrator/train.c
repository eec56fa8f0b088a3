// SPDX-License-Identifier: MIT
// train.c - the life of a training run.
//
// open [open_run] -> prepare (tokenizer, model) -> restore the newest checkpoint -> step by step
// [step], each recorded -> final model -> finished
#include "orchestrator/train.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "kernels/gpu.h"
#include "orchestrator/device.h"
#include "orchestrator/train_group.h"
#include "policy/save.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define TRAINER_VERSION "1" // raised when the same settings would give other numbers

bool training_interrupted(const struct training *t)
{
    const volatile bool *interrupted = t->options->interrupted;

    return t->stopped || (interrupted && __atomic_load_n(interrupted, __ATOMIC_RELAXED)) ||
            (t->stop && atomic_load(t->stop));
}

const char *training_name(const struct training *t)
{
    return t->stop ? "sampler" : "trainer";
}

// --- opening -------------------------------------------------------------------------------------

enum assay_status training_identify(
        char hex[65], const struct assay_train_options *options, struct assay_error *err)
{
    const struct assay_train_settings *settings = options->settings;
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, TRAINER_VERSION);
    assay_sha256_field_text(sha, options->source_hash);
    for (size_t i = 0; i < settings->count; i++) {
        if (!settings->values[i].counts)
            continue;
        assay_sha256_field_text(sha, settings->values[i].key);
        assay_sha256_field_text(sha, settings->values[i].value);
    }
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

// A rank but 0 has a directory of its own, in its own home, for what others told it.
static enum assay_status make_run_directory(struct training *t, struct assay_error *err)
{
    const char *home = assay_depot_home(assay_context_depot(t->context));
    const char *lock = NULL;
    enum assay_status status;
    int home_fd;

    t->relative = t->ranks.rank > 0
            ? assay_arena_printf(t->arena, "runs/%s/ranks/%u", t->run_id, t->ranks.rank)
            : assay_arena_printf(t->arena, "runs/%s", t->run_id);
    t->dir = t->relative ? assay_arena_printf(t->arena, "%s/%s", home, t->relative) : NULL;
    lock = t->dir ? assay_arena_printf(t->arena, "%s/lock", t->dir) : NULL;
    if (!lock)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (home_fd < 0)
        return assay_fail_errno(err, errno, "%s", home);
    status = assay_fs_mkdirs(home_fd, t->relative, 0755, err);
    close(home_fd);
    if (status != ASSAY_OK)
        return status;
    status = assay_fs_lock(&t->lock_fd, lock, false, err);
    if (status == ASSAY_ECONFLICT)
        status = assay_fail(err, ASSAY_ECONFLICT, "another process is training %s", t->run_id);
    return status;
}

static enum assay_status open_row(struct training *t, const char *identity,
        struct assay_train_result *result, struct assay_error *err)
{
    const struct assay_train_options *o = t->options;
    struct assay_training wanted = {.identity = identity, .command = o->command_line}, opened;
    struct assay_buf config;
    enum assay_status status;

    assay_buf_init(&config, TEXT_BYTES_MAX);
    assay_train_config_print(o->settings, &config);
    wanted.config = config.data;
    wanted.run_id = *t->config->name ? t->config->name : NULL;
    status = assay_store_open_training(assay_context_store(t->context), &wanted, o->again, t->arena,
            &opened, &result->resumed, err);
    assay_buf_free(&config);
    if (status != ASSAY_OK)
        return status;
    t->run_id = opened.run_id;
    result->was_finished = opened.state == ASSAY_RUN_FINISHED;
    return ASSAY_OK;
}

static enum assay_status open_run(
        struct training *t, struct assay_train_result *result, struct assay_error *err)
{
    char identity[65];
    enum assay_status status = training_identify(identity, t->options, err);

    if (status != ASSAY_OK)
        return status;
    if (*t->config->name &&
            (strchr(t->config->name, '/') || !assay_fs_path_is_plain(t->config->name) ||
                    strlen(t->config->name) > 100))
        return assay_fail(
                err, ASSAY_EINVAL, "name: \"%.60s\" is no name of a directory", t->config->name);
    status = training_compare(t, identity, err);
    if (status == ASSAY_OK && t->ranks.rank == 0)
        status = open_row(t, identity, result, err);
    if (status == ASSAY_OK && t->collective)
        status = training_tell_text(t, &t->run_id, t->run_id, err);
    if (status == ASSAY_OK)
        status = training_tell(t, &result->was_finished, sizeof(result->was_finished), err);
    return status == ASSAY_OK ? make_run_directory(t, err) : status;
}

// GPUs of a host go round its ranks. Large exchanges go through NCCL where it is.
static enum assay_status make_stream(struct training *t, struct assay_error *err)
{
    struct assay_stream_options stream = {.thread_count = (size_t)t->config->threads};
    struct assay_error why = {0};
    const bool gpu = strncmp(t->config->device, "cuda", 4) == 0;
    const int gpus = gpu ? assay_gpu_count() : 0;
    enum assay_status status;

    if (gpus > 0)
        stream.device_index = (int)(t->options->local % (uint32_t)gpus);
    status = t->ops->device.stream_create(&t->stream, &stream, err);
    if (status != ASSAY_OK || !gpu || !t->collective)
        return status;
    status = assay_collective_use_nccl(t->collective, t->stream, &why);
    if (status == ASSAY_ENOTFOUND) {
        assay_log(assay_context_log(t->context), ASSAY_LOG_WARN, "train", "without NCCL", "reason",
                why.message, NULL);
        return ASSAY_OK;
    }
    if (status != ASSAY_OK && err)
        *err = why;
    return status;
}

static enum assay_status prepare(struct training *t, struct assay_error *err)
{
    const struct assay_train_config *c = t->config;
    enum assay_status status;

    t->curriculum = assay_arena_array(t->arena, 1, sizeof(*t->curriculum));
    if (!t->curriculum)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    t->curriculum->count = 0;
    t->sft_steps = (c->sft_updates + ASSAY_SFT_STEP_UPDATES - 1) / ASSAY_SFT_STEP_UPDATES;
    t->total = t->sft_steps + c->steps;
    status = assay_device_find(&t->ops, c->device, err);
    if (status == ASSAY_OK)
        status = make_stream(t, err);
    if (status == ASSAY_OK)
        status = training_make_tokenizer(t, err);
    if (status == ASSAY_OK)
        status = training_make_model(t, err);
    if (status == ASSAY_OK)
        status = training_make_generator(t, err);
    if (status == ASSAY_OK)
        status = training_make_trainer(t, t->sft_steps == 0, err);
    if (status == ASSAY_OK)
        status = training_restore(t, err);
    if (status == ASSAY_OK && t->ranks.rank == 0)
        status = assay_train_log_open(
                &t->log, assay_context_store(t->context), t->run_id, t->dir, t->position, err);
    return status;
}

static void release(struct training *t)
{
    training_pipeline_stop(t);
    training_forget_rollouts(t);
    assay_train_log_close(t->log);
    training_drop_reference(t);
    assay_histories_destroy(t->histories);
    assay_generator_destroy(t->generator);
    assay_trainer_destroy(t->trainer);
    assay_model_destroy(t->model);
    assay_tokenizer_destroy(t->tokenizer);
    training_watch_stop(t);
    if (t->stream)
        t->ops->device.stream_destroy(t->stream);
    if (t->lock_fd >= 0)
        close(t->lock_fd);
}

// --- the live line -------------------------------------------------------------------------------

static void tell(struct training *t, const char *phase, const struct assay_metrics *m)
{
    const struct assay_train_options *o = t->options;
    const struct assay_log *log = assay_context_log(t->context);
    static const char *const sft[] = {"loss", "grad_norm", "rows_per_s", NULL};
    static const char *const rl[] = {"reward", "pass_rate", "groups_live", "groups", "entropy",
            "ratio_max", "rescued", "grad_norm", "agree_gap_max", "sample_ms", "grade_ms",
            "train_ms", "idle_for_rewards", "idle_trainer", "idle_sampler", NULL};
    static const char *const eval[] = {"seeds_rate", "seeds_low", "families_rate", "families_low",
            "sft_rate", "rl_rate", "variants_rate", "seeds_fault_form", "seeds_fault_place",
            "seeds_fault_text", "seeds_pass_1", "seeds_pass_16", NULL};
    const char *const *names = strcmp(phase, "sft") == 0 ? sft
            : strcmp(phase, "rl") == 0                   ? rl
                                                         : eval;
    char where[48], line[512];
    size_t at = 0;

    if (t->ranks.rank > 0)
        return;
    (void)snprintf(where, sizeof(where), "%" PRIu64 "/%" PRIu64, t->position, t->total);
    line[0] = 0;
    for (size_t i = 0; names[i] && at < sizeof(line); i++) {
        const double value = assay_metrics_get(m, names[i]);

        if (!isnan(value))
            at += (size_t)snprintf(
                    line + at, sizeof(line) - at, "%s%s %.4g", at ? ", " : "", names[i], value);
    }
    assay_log(log, ASSAY_LOG_INFO, "train", phase, "at", where, "measured", line, NULL);
    if (o->on_step && !o->on_step(o->user, phase, t->position, m))
        t->stopped = true;
}

// --- steps ---------------------------------------------------------------------------------------

struct step_row {
    struct assay_metrics metrics;
    struct assay_buf body;
    struct assay_training_step step;
};

static enum assay_status fill_row(struct step_row *row, const char *phase, uint64_t step,
        uint64_t position, struct assay_error *err)
{
    enum assay_status status =
            assay_metrics_write(&row->body, &row->metrics, phase, step, position, err);

    row->step = (struct assay_training_step){position, phase, step, row->body.data};
    return status;
}

static bool evaluation_due(const struct training *t)
{
    const uint64_t c = t->config->eval_every;

    if (t->config->eval_count == 0)
        return false;
    if (t->position == t->sft_steps || t->position == t->total)
        return true;
    return c > 0 && t->position > t->sft_steps && (t->position - t->sft_steps) % c == 0;
}

static enum assay_status add_evaluation(
        struct training *t, struct step_row *row, struct assay_error *err)
{
    enum assay_status status = training_evaluate(t, &row->metrics, err);

    if (status == ASSAY_OK)
        status = fill_row(row, "eval", t->position, t->position, err);
    return status;
}

// One step, the evaluation behind it, and their record. The trainer of rl begins afresh.
static enum assay_status step(struct training *t, struct assay_error *err)
{
    const bool rl = t->position >= t->sft_steps;
    const char *phase = rl ? "rl" : "sft";
    const uint64_t number = rl ? t->position - t->sft_steps : t->position;
    struct step_row *rows = calloc(2, sizeof(*rows));
    struct assay_training_step steps[2];
    size_t count = 1;
    enum assay_status status = ASSAY_OK;

    if (!rows)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_buf_init(&rows[0].body, TEXT_BYTES_MAX);
    assay_buf_init(&rows[1].body, TEXT_BYTES_MAX);
    if (rl && !t->trainer_is_rl)
        status = training_make_trainer(t, true, err);
    if (status == ASSAY_OK)
        status = rl ? training_rl_step(t, &rows[0].metrics, err)
                    : training_sft_step(t, &rows[0].metrics, err);
    if (status == ASSAY_OK)
        status = fill_row(&rows[0], phase, number, t->position, err);
    if (status == ASSAY_OK) {
        t->position++;
        tell(t, phase, &rows[0].metrics);
        steps[0] = rows[0].step;
    }
    if (status == ASSAY_OK && evaluation_due(t)) {
        status = add_evaluation(t, &rows[1], err);
        if (status == ASSAY_OK)
            tell(t, "eval", &rows[1].metrics);
        steps[count++] = rows[1].step;
    }
    if (status == ASSAY_OK)
        status = training_record(t, steps, count,
                t->position == t->sft_steps || t->position == t->total ||
                        t->position % t->config->checkpoint_every == 0,
                err);
    assay_buf_free(&rows[0].body);
    assay_buf_free(&rows[1].body);
    free(rows);
    return status;
}

// What rl begins with, when there is no warm start behind which it would be measured.
static enum assay_status evaluate_first(struct training *t, struct assay_error *err)
{
    struct step_row *row = calloc(1, sizeof(*row));
    enum assay_status status;

    if (!row)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_buf_init(&row->body, TEXT_BYTES_MAX);
    status = add_evaluation(t, row, err);
    if (status == ASSAY_OK) {
        tell(t, "eval", &row->metrics);
        status = training_record(t, &row->step, 1, true, err);
    }
    assay_buf_free(&row->body);
    free(row);
    return status;
}

static enum assay_status save_final(struct training *t, struct assay_error *err)
{
    const struct assay_save_options save = {.type = ASSAY_WEIGHT_F32};
    const char *dir = assay_arena_printf(t->arena, "%s/final", t->dir);
    const char *to = assay_arena_printf(t->arena, "%s/final/tokenizer.json", t->dir);
    const char *from = assay_arena_printf(t->arena, "%s/tokenizer.json", t->dir);
    struct assay_buf text;
    enum assay_status status;

    if (!dir || !to || !from)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_buf_init(&text, (size_t)256 << 20);
    status = assay_model_save(t->model, t->stream, dir, &save, err);
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&text, from, err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(to, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status run(struct training *t, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (t->position == 0 && evaluation_due(t))
        status = evaluate_first(t, err);
    while (status == ASSAY_OK && t->position < t->total) {
        bool stops = false;

        status = step(t, err);
        if (status != ASSAY_OK && status != ASSAY_EINTERRUPTED && err)
            (void)assay_wrap(err, "step %" PRIu64 " of %" PRIu64, t->position + 1, t->total);
        // Ranks stop behind the same step, whoever was told first.
        stops = training_interrupted(t);
        if (status == ASSAY_OK)
            status = training_ask_all(t, &stops, err);
        if (status == ASSAY_OK && t->position < t->total && stops)
            status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    }
    // Others were gone sooner than we saw it.
    if (status != ASSAY_OK && t->collective && training_interrupted(t))
        status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (status != ASSAY_OK || t->ranks.rank > 0)
        return status;
    status = save_final(t, err);
    if (status == ASSAY_OK)
        status = assay_store_finish_training(assay_context_store(t->context), t->run_id, err);
    return status;
}

// --- the result ----------------------------------------------------------------------------------

static void read_rate(struct assay_train_rate *out, const struct assay_json *row, const char *split)
{
    char solved[32], count[32];

    (void)snprintf(solved, sizeof(solved), "%s_solved", split);
    (void)snprintf(count, sizeof(count), "%s_count", split);
    if (assay_json_get(row, count) && assay_json_get(row, solved))
        *out = (struct assay_train_rate){
                .solved = (size_t)assay_json_number(assay_json_get(row, solved)),
                .count = (size_t)assay_json_number(assay_json_get(row, count))};
}

static enum assay_status read_rates(
        struct assay_train_result *out, struct training *t, struct assay_error *err)
{
    const struct assay_json_limits limits = {TEXT_BYTES_MAX, 4};
    struct assay_training_step *rows = NULL;
    size_t count = 0;
    bool seen = false;
    enum assay_status status = assay_store_training_steps(
            assay_context_store(t->context), t->run_id, t->arena, &rows, &count, err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        struct assay_json *row = NULL;

        if (strcmp(rows[i].phase, "eval") != 0)
            continue;
        status = assay_json_parse(
                &row, rows[i].body, strlen(rows[i].body), limits, "metrics", 1, err);
        if (status != ASSAY_OK)
            break;
        for (int s = 0; s < 2; s++) {
            const char *split =
                    assay_train_split_name((enum assay_train_split)(ASSAY_TRAIN_SEEDS + s));

            read_rate(&out->after[s], row, split);
            if (!seen)
                read_rate(&out->before[s], row, split);
        }
        seen = true;
        assay_json_free(row);
    }
    return status;
}

enum assay_status assay_train(struct assay_train_result *out, struct assay_context *context,
        const struct assay_train_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    struct training t = {.context = context,
            .config = &options->settings->config,
            .options = options,
            .source = options->source,
            .arena = arena,
            .collective = options->collective,
            .ranks = {.rank = 0, .world = 1},
            .lock_fd = -1};
    struct assay_train_result result = {0};
    enum assay_status status;

    if (options->collective)
        t.ranks = assay_collective_ranks(options->collective);
    status = open_run(&t, &result, err);

    if (status == ASSAY_OK && !result.was_finished)
        status = training_watch_start(&t, err);
    if (status == ASSAY_OK && !result.was_finished)
        status = prepare(&t, err);
    if (status == ASSAY_OK && !result.was_finished)
        status = run(&t, err);
    status = training_watch_explain(&t, status, err);
    if (status == ASSAY_OK && t.ranks.rank == 0)
        status = read_rates(&result, &t, err);
    if (status == ASSAY_OK) {
        result.run_id = t.run_id;
        result.dir = t.dir;
        result.position = t.position;
        result.total = t.total;
        *out = result;
    }
    release(&t);
    return status;
}
