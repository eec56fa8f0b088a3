// SPDX-License-Identifier: MIT
// train_plan.c - what a run would take, before it begins: counted, or measured by an earlier run.
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "orchestrator/device.h"
#include "orchestrator/train_parts.h"
#include "policy/pass.h"

#define MEBI 1e6
#define BODY_BYTES_MAX ((size_t)1 << 20)

// --- counted -------------------------------------------------------------------------------------

// Of each rank: weights and gradients are whole, moments are cut (ZeRO-1).
static enum assay_status count_memory(struct assay_train_plan *plan, uint32_t world,
        const struct assay_train_config *c, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_pass_options train = {.rows_max = (size_t)c->rows_max,
            .sequences_max = 2 * (size_t)c->sequences_max, // spans: trainer.c
            .training = true};
    const struct assay_pass_options sample = {.rows_max = (size_t)c->sample_sequences_max + 512,
            .sequences_max = (size_t)c->sample_sequences_max};
    const struct assay_ops *ops = NULL;
    struct assay_model_config config;
    struct assay_params params;
    enum assay_status status = assay_device_find(&ops, c->device, err);

    if (status == ASSAY_OK)
        status = *c->model_path ? assay_model_config_load(&config, c->model_path, NULL, arena, err)
                                : training_config_of(&config, c, (uint32_t)c->vocab, arena, err);
    if (status == ASSAY_OK)
        status = assay_params_lay_out(&params, &config, ops, arena, err);
    if (status != ASSAY_OK)
        return status;

    const double weights = (double)params.element_count * 4;

    plan->device = ops->name;
    plan->on_gpu = strcmp(c->device, "cuda") == 0;
    plan->parameters = params.element_count;
    plan->layers = config.layer_count;
    plan->world = world;
    plan->shards = c->shards;
    plan->moments_bytes = 2 * weights / world;
    // Shards that one process adds to each other; of several ranks, in a rank's own range.
    plan->state_bytes =
            2 * weights + plan->moments_bytes + (c->shards > world ? weights / world : 0);
    plan->train_pass_bytes = (double)assay_pass_bytes(&config, ops, &train);
    plan->sample_pass_bytes = (double)assay_pass_bytes(&config, ops, &sample);
    plan->ahead_bytes = c->staleness > 0 ? weights * (double)(c->staleness + 2) : 0;
    plan->memory_bytes = plan->state_bytes + plan->train_pass_bytes + plan->sample_pass_bytes +
            plan->ahead_bytes;
    plan->ram_bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    plan->checkpoint_bytes = 3 * weights;
    plan->disk_bytes = plan->checkpoint_bytes * (double)(c->checkpoint_keep + 1) + weights +
            (c->objective.kl > 0 ? weights : 0);
    return ASSAY_OK;
}

static enum assay_status look_at_disk(
        struct assay_train_plan *plan, struct assay_context *context, struct assay_error *err)
{
    const char *home = assay_depot_home(assay_context_depot(context));
    struct statvfs stat;

    if (statvfs(home, &stat) != 0)
        return assay_fail_errno(err, errno, "%s", home);
    plan->free_bytes = (double)stat.f_bavail * (double)stat.f_frsize;
    return ASSAY_OK;
}

static void count_steps(struct assay_train_plan *plan, const struct assay_train_config *c)
{
    plan->sft_steps = (c->sft_updates + ASSAY_SFT_STEP_UPDATES - 1) / ASSAY_SFT_STEP_UPDATES;
    plan->rl_steps = c->steps;
    plan->rollouts = c->groups * c->group_size;
    plan->rollouts_max = plan->rollouts * (c->dynamic ? c->rounds_max : 1);
    if (c->eval_count == 0)
        return;
    plan->evaluations = 1; // where rl begins; then every so often, and at the end
    if (c->steps > 0)
        plan->evaluations += c->eval_every > 0 ? (c->steps + c->eval_every - 1) / c->eval_every : 1;
}

// --- measured ------------------------------------------------------------------------------------

struct mean {
    double sum, count;
};

static double mean_of(struct mean m)
{
    return m.count > 0 ? m.sum / m.count : (double)NAN;
}

static enum assay_status add_row(
        const struct assay_training_step *row, struct mean means[3], struct assay_error *err)
{
    const struct assay_json_limits limits = {BODY_BYTES_MAX, 4};
    const int which = strcmp(row->phase, "sft") == 0 ? 0 : strcmp(row->phase, "rl") == 0 ? 1 : 2;
    struct assay_json *json = NULL;
    enum assay_status status =
            assay_json_parse(&json, row->body, strlen(row->body), limits, "metrics", 1, err);

    if (status != ASSAY_OK)
        return status;
    if (which < 2) {
        means[which].sum += assay_json_number(assay_json_get(json, "step_ms"));
    } else {
        means[which].sum += assay_json_number(assay_json_get(json, "sample_ms"));
        means[which].sum += assay_json_number(assay_json_get(json, "grade_ms"));
    }
    means[which].count++;
    assay_json_free(json);
    return ASSAY_OK;
}

// What the newest run of these settings took, as far as it came.
static enum assay_status look_back(struct assay_train_plan *plan, struct assay_context *context,
        const struct assay_train_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    struct assay_training *runs = NULL;
    struct assay_training_step *rows = NULL;
    struct mean means[3] = {{0}};
    char identity[65];
    size_t count = 0, row_count = 0;
    enum assay_status status = training_identify(identity, options, err);

    if (status == ASSAY_OK)
        status =
                assay_store_list_trainings(assay_context_store(context), arena, &runs, &count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK && row_count == 0; i++) {
        if (strcmp(runs[i].identity, identity) != 0)
            continue;
        plan->measured_in = runs[i].run_id;
        status = assay_store_training_steps(
                assay_context_store(context), runs[i].run_id, arena, &rows, &row_count, err);
    }
    for (size_t i = 0; i < row_count && status == ASSAY_OK; i++)
        status = add_row(&rows[i], means, err);
    if (row_count == 0)
        plan->measured_in = NULL;
    plan->sft_ms = mean_of(means[0]);
    plan->rl_ms = mean_of(means[1]);
    plan->eval_ms = mean_of(means[2]);
    return status;
}

enum assay_status assay_train_plan_make(struct assay_train_plan *out, struct assay_context *context,
        const struct assay_train_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct assay_train_config *c = &options->settings->config;
    struct assay_train_plan plan = {0};
    enum assay_status status =
            count_memory(&plan, options->world > 0 ? options->world : 1, c, arena, err);

    if (status == ASSAY_OK)
        status = look_at_disk(&plan, context, err);
    count_steps(&plan, c);
    if (status == ASSAY_OK)
        status = look_back(&plan, context, options, arena, err);
    if (status == ASSAY_OK)
        *out = plan;
    return status;
}

// --- told ----------------------------------------------------------------------------------------

static double seconds_of(double ms, uint64_t count)
{
    return count > 0 ? ms * (double)count / 1000 : 0;
}

// NAN: a part that there would be was not measured.
static double all_seconds(const struct assay_train_plan *plan)
{
    return seconds_of(plan->sft_ms, plan->sft_steps) + seconds_of(plan->rl_ms, plan->rl_steps) +
            seconds_of(plan->eval_ms, plan->evaluations);
}

static void print_part(const char *name, double ms, uint64_t count, struct assay_buf *out)
{
    if (count == 0)
        return;
    if (isnan(ms))
        (void)assay_buf_addf(out, "; %s not measured", name);
    else
        (void)assay_buf_addf(out, "; %s %" PRIu64 " of %.2f s", name, count, ms / 1000);
}

static void print_time(const struct assay_train_plan *plan, struct assay_buf *out)
{
    const double all = all_seconds(plan);

    if (!plan->measured_in) {
        (void)assay_buf_adds(
                out, "time      not measured: the store has no run of these settings\n");
        return;
    }
    if (isnan(all))
        (void)assay_buf_adds(out, "time      not measured as a whole");
    else
        (void)assay_buf_addf(out, "time      %.1f minutes", all / 60);
    print_part("sft", plan->sft_ms, plan->sft_steps, out);
    print_part("rl", plan->rl_ms, plan->rl_steps, out);
    print_part("evaluations", plan->eval_ms, plan->evaluations, out);
    (void)assay_buf_addf(out, "; as run %s took\n", plan->measured_in);
}

void assay_train_plan_print(const struct assay_train_plan *plan, const struct assay_train_config *c,
        struct assay_buf *out)
{
    (void)assay_buf_addf(out, "model     %" PRIu64 " parameters, %" PRIu64 " layers, on %s\n",
            plan->parameters, plan->layers, plan->device);
    (void)assay_buf_addf(out,
            "memory    %.0f MB weights, gradients and moments, %.0f MB a pass of training, "
            "%.0f MB a pass of sampling\n",
            plan->state_bytes / MEBI, plan->train_pass_bytes / MEBI,
            plan->sample_pass_bytes / MEBI);
    if (plan->world > 1)
        (void)assay_buf_addf(out,
                "          of each rank: %.0f MB moments: 1/%u of all; %u ranks, %" PRIu64
                " shards of an update\n",
                plan->moments_bytes / MEBI, plan->world, plan->world, plan->shards);
    if (plan->ahead_bytes > 0)
        (void)assay_buf_addf(out,
                "          %.0f MB weights of %" PRIu64 " versions and of the sampler\n",
                plan->ahead_bytes / MEBI, c->staleness + 1);
    if (plan->on_gpu)
        (void)assay_buf_addf(out, "          together %.0f MB of the device's (not compared)\n",
                plan->memory_bytes / MEBI);
    else
        (void)assay_buf_addf(out, "          together %.0f MB of %.0f MB: %s\n",
                plan->memory_bytes / MEBI, plan->ram_bytes / MEBI,
                plan->memory_bytes < plan->ram_bytes ? "fits" : "DOES NOT FIT");
    (void)assay_buf_addf(out,
            "disk      %.0f MB a checkpoint, %" PRIu64
            " kept; together %.0f MB, %.0f MB free: %s\n",
            plan->checkpoint_bytes / MEBI, c->checkpoint_keep, plan->disk_bytes / MEBI,
            plan->free_bytes / MEBI, plan->disk_bytes < plan->free_bytes ? "fits" : "DOES NOT FIT");
    print_time(plan, out);
    (void)assay_buf_addf(out, "sft       %" PRIu64 " updates of %" PRIu64 " demonstrations\n",
            c->sft_updates, c->sft_batch);
    (void)assay_buf_addf(out,
            "rl        %" PRIu64 " steps of %" PRIu64 " rollouts (%" PRIu64 " to %" PRIu64
            " sampled), %" PRIu64 " updates each\n",
            c->steps, plan->rollouts, plan->rollouts, plan->rollouts_max, c->updates * c->epochs);
    (void)assay_buf_addf(out,
            "answers   %" PRIu64 " to %" PRIu64 " graded for rewards, and %" PRIu64
            " an evaluation\n",
            c->steps * plan->rollouts, c->steps * plan->rollouts_max, 2 * c->eval_count);
}

static void put_known(struct assay_json_writer *w, const char *name, double value)
{
    if (isnan(value))
        assay_json_put_null(w, name);
    else
        assay_json_put_double(w, name, value);
}

void assay_train_plan_put(const struct assay_train_plan *plan, struct assay_json_writer *w)
{
    assay_json_begin_object(w, "plan");
    assay_json_put_text(w, "device", plan->device);
    assay_json_put_u64(w, "parameters", plan->parameters);
    assay_json_put_u64(w, "layers", plan->layers);
    assay_json_put_u64(w, "ranks", plan->world);
    assay_json_put_double(w, "memory_bytes", plan->memory_bytes);
    assay_json_put_double(w, "memory_bytes_host", plan->ram_bytes);
    if (plan->on_gpu)
        assay_json_put_null(w, "memory_fits");
    else
        assay_json_put_bool(w, "memory_fits", plan->memory_bytes < plan->ram_bytes);
    assay_json_put_double(w, "checkpoint_bytes", plan->checkpoint_bytes);
    assay_json_put_double(w, "disk_bytes", plan->disk_bytes);
    assay_json_put_double(w, "disk_bytes_free", plan->free_bytes);
    assay_json_put_bool(w, "disk_fits", plan->disk_bytes < plan->free_bytes);
    assay_json_put_u64(w, "sft_steps", plan->sft_steps);
    assay_json_put_u64(w, "rl_steps", plan->rl_steps);
    assay_json_put_u64(w, "evaluations", plan->evaluations);
    assay_json_put_u64(w, "rollouts", plan->rollouts);
    assay_json_put_u64(w, "rollouts_max", plan->rollouts_max);
    if (plan->measured_in)
        assay_json_put_text(w, "measured_in", plan->measured_in);
    else
        assay_json_put_null(w, "measured_in");
    put_known(w, "seconds", plan->measured_in ? all_seconds(plan) : (double)NAN);
    assay_json_end_object(w);
}
