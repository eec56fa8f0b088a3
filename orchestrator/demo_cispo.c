// SPDX-License-Identifier: MIT
// demo_cispo.c - the plan of the demo, and what its runs come to.
#include "orchestrator/demo_cispo.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define TASKS_SEED 1
#define SETS_MAX 12
#define SET_BYTES 512
#define START "runs/demo-cispo-start"

// docs/cispo/*.yaml and docs/cispo/start/, part of the program.
extern const char assay_cispo_grpo[], assay_cispo_dapo[], assay_cispo_cispo[];
extern const char assay_cispo_start_weights[], assay_cispo_start_config[],
        assay_cispo_start_tokenizer[];
extern const size_t assay_cispo_start_weights_len, assay_cispo_start_config_len,
        assay_cispo_start_tokenizer_len;

static const struct {
    const char *name, *config;
} arms[ASSAY_DEMO_ARMS] = {
        {"grpo", assay_cispo_grpo}, {"dapo", assay_cispo_dapo}, {"cispo", assay_cispo_cispo}};

const char *assay_demo_arm(size_t arm)
{
    return arms[arm].name;
}

struct demo {
    struct assay_demo *out;
    struct assay_context *context;
    const struct assay_demo_plan *plan;
    void (*show)(void *user, const struct assay_demo *demo);
    void *user;
    struct assay_task_source source; // of rl: shared, so that equal answers are run once
    uint64_t began_ms, run_began_ms, told_ms, gap_ms_max; // gap: between two steps
    struct assay_demo_run *run;
    char model[SET_BYTES]; // directory
};

struct sets {
    char text[SETS_MAX][SET_BYTES];
    const char *items[SETS_MAX];
    size_t count;
};

static void add_set(struct sets *sets, const char *key, const char *value)
{
    (void)snprintf(sets->text[sets->count], SET_BYTES, "%s=%s", key, value);
    sets->items[sets->count] = sets->text[sets->count];
    sets->count++;
}

// --- what a run tells ----------------------------------------------------------------------------

static void add_point(struct demo *d, uint64_t step, double rate)
{
    struct assay_demo_run *run = d->run;

    if (isnan(rate) || run->point_count == ASSAY_DEMO_POINTS_MAX)
        return;
    run->points[run->point_count++] = (struct assay_demo_point){step, rate};
    if (run->reached || rate < ASSAY_DEMO_THRESHOLD)
        return;
    run->reached = true;
    run->reached_step = step;
    run->reached_rollouts = run->rollouts;
    run->reached_ms = assay_clock_ms() - d->run_began_ms;
}

static void add_step(struct demo *d, uint64_t step, const struct assay_metrics *m)
{
    struct assay_demo_run *run = d->run;
    const double masked = assay_metrics_get(m, "masked");
    const double branch = assay_metrics_get(m, "branch_right");
    const double k = (double)step;

    run->steps = step;
    run->rollouts += (uint64_t)assay_metrics_get(m, "rollouts");
    if (!isnan(branch)) {
        run->branch_last = branch;
        if (step == 1)
            run->branch_first = branch;
    }
    if (isnan(masked)) // every group was dead: nothing was trained on
        return;
    run->masked += (masked - run->masked) / k;
    run->rescued += (assay_metrics_get(m, "rescued") - run->rescued) / k;
    run->entropy_last = assay_metrics_get(m, "entropy");
}

// False when the next step would go past the end.
static bool on_step(
        void *user, const char *phase, uint64_t position, const struct assay_metrics *metrics)
{
    struct demo *d = user;
    const uint64_t now = assay_clock_ms();

    if (now - d->told_ms > d->gap_ms_max)
        d->gap_ms_max = now - d->told_ms;
    d->told_ms = now;
    d->out->wall_ms = now - d->began_ms;
    d->out->counts = d->source.counts(d->source.user);
    if (strcmp(phase, "eval") == 0)
        add_point(d, position, assay_metrics_get(metrics, "seeds_rate"));
    else
        add_step(d, position, metrics);
    d->run->wall_ms = now - d->run_began_ms;
    d->show(d->user, d->out);
    d->out->out_of_time = d->out->wall_ms + d->gap_ms_max >= d->plan->budget_ms;
    return !d->out->out_of_time;
}

// --- one training --------------------------------------------------------------------------------

static enum assay_status train(struct demo *d, const char *config, const struct sets *sets,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_train_result result;
    struct assay_train_settings settings;
    const struct assay_train_options options = {.settings = &settings,
            .source = &d->source,
            .command_line = d->plan->command_line,
            .cancel = d->plan->cancel,
            .interrupted = d->plan->interrupted,
            .on_step = on_step,
            .user = d};
    const uint64_t before = assay_clock_ms();
    enum assay_status status = assay_train_config_read(
            &settings, config, strlen(config), "demo", sets->items, sets->count, arena, err);

    d->told_ms = d->run_began_ms = before;
    d->gap_ms_max = 0;
    return status == ASSAY_OK ? assay_train(&result, d->context, &options, arena, err) : status;
}

// The weights that all runs begin with, as files below the home.
static enum assay_status write_start(struct demo *d, struct assay_error *err)
{
    const struct {
        const char *name, *bytes;
        size_t len;
    } files[] = {{"model.safetensors", assay_cispo_start_weights, assay_cispo_start_weights_len},
            {"config.json", assay_cispo_start_config, assay_cispo_start_config_len},
            {"tokenizer.json", assay_cispo_start_tokenizer, assay_cispo_start_tokenizer_len}};
    const char *home = assay_depot_home(assay_context_depot(d->context));
    char path[SET_BYTES + 32];
    const int home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    enum assay_status status;

    if (home_fd < 0)
        return assay_fail_errno(err, errno, "%s", home);
    status = assay_fs_mkdirs(home_fd, START, 0755, err);
    close(home_fd);
    if (status == ASSAY_OK &&
            snprintf(d->model, sizeof(d->model), "%s/" START, home) >= (int)sizeof(d->model))
        status = assay_fail(err, ASSAY_EINVAL, "%.200s...: too long", home);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && status == ASSAY_OK; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", d->model, files[i].name);
        status = assay_fs_replace_file(path, files[i].bytes, files[i].len, 0644, err);
    }
    return status;
}

static enum assay_status train_arm(
        struct demo *d, struct assay_demo_run *run, size_t arm, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct sets sets = {.count = 0};
    char name[128], seed[24], steps[24];
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    (void)snprintf(name, sizeof(name), "%s-%s-%zu", d->plan->prefix, run->arm, run->seed);
    (void)snprintf(seed, sizeof(seed), "%zu", run->seed);
    (void)snprintf(steps, sizeof(steps), "%" PRIu64, d->plan->steps);
    add_set(&sets, "name", name);
    add_set(&sets, "seed", seed);
    add_set(&sets, "rl.steps", steps);
    add_set(&sets, "model.path", d->model);
    add_set(&sets, "eval.every", "1");
    add_set(&sets, "eval.count", "128");
    add_set(&sets, "checkpoint.every", "1000");
    d->run = run;
    if (status == ASSAY_OK)
        status = train(d, arms[arm].config, &sets, arena, err);
    run->finished = status == ASSAY_OK;
    assay_arena_destroy(arena);
    return status;
}

// --- the whole -----------------------------------------------------------------------------------

static enum assay_status run_arms(struct demo *d, struct assay_error *err)
{
    struct assay_demo *out = d->out;
    enum assay_status status = assay_task_mini_open(&d->source, d->context, TASKS_SEED, 1, err);

    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < out->run_count && status == ASSAY_OK; i++) {
        status = train_arm(d, &out->runs[i], i % ASSAY_DEMO_ARMS, err);
        if (i == 0 && out->runs[0].point_count > 0)
            out->start_rate = out->runs[0].points[0].rate;
    }
    out->counts = d->source.counts(d->source.user);
    d->source.close(d->source.user);
    return status;
}

enum assay_status assay_demo_cispo(struct assay_demo *out, struct assay_context *context,
        const struct assay_demo_plan *plan, void (*show)(void *user, const struct assay_demo *demo),
        void *user, struct assay_error *err)
{
    struct demo d = {.out = out,
            .context = context,
            .plan = plan,
            .show = show,
            .user = user,
            .began_ms = assay_clock_ms()};
    enum assay_status status;

    *out = (struct assay_demo){.run_count = plan->seeds * ASSAY_DEMO_ARMS};
    for (size_t i = 0; i < out->run_count; i++) {
        out->runs[i].arm = arms[i % ASSAY_DEMO_ARMS].name;
        out->runs[i].seed = 1 + i / ASSAY_DEMO_ARMS;
    }
    status = write_start(&d, err);
    if (status == ASSAY_OK)
        status = run_arms(&d, err);
    out->wall_ms = assay_clock_ms() - d.began_ms;
    if (status == ASSAY_EINTERRUPTED && out->out_of_time)
        status = ASSAY_OK; // what it did not reach is told, not an error
    return status;
}

struct assay_demo_pair assay_demo_compare(const struct assay_demo *demo, size_t arm, size_t with)
{
    struct assay_demo_pair pair = {0};

    for (size_t at = 0; at + ASSAY_DEMO_ARMS <= demo->run_count; at += ASSAY_DEMO_ARMS) {
        const struct assay_demo_run *a = &demo->runs[at + arm], *b = &demo->runs[at + with];

        if (a->reached && b->reached) {
            pair.sooner += a->reached_step < b->reached_step;
            pair.later += a->reached_step > b->reached_step;
            pair.same += a->reached_step == b->reached_step;
        } else if (a->reached && b->steps >= a->reached_step) {
            pair.sooner++;
        } else if (b->reached && a->steps >= b->reached_step) {
            pair.later++;
        } else if (a->finished && b->finished) {
            pair.same++; // neither reached it
        } else {
            pair.unknown++;
        }
    }
    return pair;
}
