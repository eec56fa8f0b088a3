// SPDX-License-Identifier: MIT
// repair.c - verdicts a second on repair tasks, as a trainer asks for them: executed, isolated.
//
// Tasks are drawn from the RL split; for each there is a group of eight answers, four that are
// right and four that leave the fault where it is. Every answer is another program (comments tell
// them apart), so nothing is cached or joined. What is timed is grade() alone, from answers to
// verdicts, trees and workspaces among it, with three boxes at once on two processors.
//
//     repair [--json] [--tasks N] [--threads N]
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/rollout_reward.h"

#define TASKS_DEFAULT 12 // of a round
#define TASKS_MAX 4096
#define ROUNDS 7
#define PER_SECOND_MIN 120.0
#define ANSWERS 8
#define SEED 20261130

struct bench {
    char folder[32];
    struct assay_context *context;
    struct assay_rewarder *rewarder;
    struct assay_repair_table *table;
    struct assay_arena *arena;
    size_t tasks, threads;
    uint64_t drawn;
    double rates[ROUNDS];
};

static enum assay_status set_up(struct bench *bench, struct assay_error *err)
{
    static const struct assay_option home = {"home", 0, "DIR", "", false};
    static const volatile bool never = false;
    const struct assay_rewarder_options options = {.threads = bench->threads, .no_memory = true};
    char home_path[64], program[4096];
    const struct assay_given given = {&home, home_path};
    const struct assay_invocation invocation = {.given = &given,
            .given_count = 1,
            .log = {.fd = STDERR_FILENO, .level_max = ASSAY_LOG_WARN},
            .interrupted = &never};
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    enum assay_status status = ASSAY_OK;

    (void)snprintf(bench->folder, sizeof(bench->folder), "/tmp/assay-bench-XXXXXX");
    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    if (mkdtemp(bench->folder) == NULL || setenv("ASSAY_BOX_PROGRAM", program, 0) != 0)
        return assay_fail(err, ASSAY_EIO, "make a home");
    (void)snprintf(home_path, sizeof(home_path), "%s/home", bench->folder);
    status = assay_arena_create(&bench->arena, (size_t)1 << 30, err);
    if (status == ASSAY_OK)
        status = assay_context_open(&bench->context, &invocation, true, err);
    if (status == ASSAY_OK)
        status = assay_rewarder_create(&bench->rewarder, bench->context, &options, err);
    if (status == ASSAY_OK)
        status = assay_repair_open(&bench->table, &(struct assay_repair_choice){0}, err);
    return status;
}

static bool is_right(size_t answer)
{
    return answer % 2 == 0;
}

// The line as it should be, or as it is, with a comment behind it.
static struct assay_bytes answer_of(
        const struct assay_repair_task *task, size_t answer, struct assay_arena *arena)
{
    const char *line = task->broken.data;
    char *text = NULL;

    for (size_t i = 1; i < task->line; i++)
        line = strchr(line, '\n') + 1;
    line = is_right(answer) ? task->gold_line : line;
    text = assay_arena_printf(
            arena, "%zu|%.*s  # %zu\n", task->line, (int)strcspn(line, "\n"), line, answer);
    return (struct assay_bytes){text, text != NULL ? strlen(text) : 0};
}

// New tasks, graded; false with *err where a verdict is not what it must be.
static bool grade(struct bench *bench, size_t tasks, struct assay_error *err)
{
    const size_t count = tasks * ANSWERS;
    struct assay_repair_task *drawn = assay_arena_array(bench->arena, tasks, sizeof(*drawn));
    struct assay_rollout *rollouts = assay_arena_array(bench->arena, count, sizeof(*rollouts));
    struct assay_rollout_verdict *verdicts =
            assay_arena_array(bench->arena, count, sizeof(*verdicts));

    if (drawn == NULL || rollouts == NULL || verdicts == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory") == ASSAY_OK;
    for (size_t i = 0; i < tasks; i++) {
        if (assay_repair_draw(&drawn[i], bench->table, ASSAY_REPAIR_RL, SEED, bench->drawn++,
                    bench->arena, err) != ASSAY_OK)
            return false;
        for (size_t k = 0; k < ANSWERS; k++)
            rollouts[i * ANSWERS + k] =
                    (struct assay_rollout){&drawn[i], answer_of(&drawn[i], k, bench->arena)};
    }
    if (assay_rewarder_grade(bench->rewarder, verdicts, rollouts, count, err) != ASSAY_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        const bool right = is_right(i % ANSWERS);

        if (verdicts[i].source != ASSAY_ROLLOUT_EXECUTED || verdicts[i].resolved != right) {
            (void)assay_fail(err, ASSAY_EIO, "%s: a %s answer: %s", rollouts[i].task->id,
                    right ? "right" : "wrong", verdicts[i].reason);
            return false;
        }
    }
    return true;
}

static bool measure(struct bench *bench, struct assay_error *err)
{
    // The environment, and the zygote.
    if (!grade(bench, 4, err))
        return false;
    for (size_t i = 0; i < ROUNDS; i++) {
        const struct assay_rewarder_counts before = assay_rewarder_counts(bench->rewarder);
        struct assay_rewarder_counts after;

        if (!grade(bench, bench->tasks, err))
            return false;
        after = assay_rewarder_counts(bench->rewarder);
        bench->rates[i] = (double)(after.executed - before.executed) * 1e6 /
                (double)(after.wall_us - before.wall_us);
    }
    if (assay_warm_run_count(assay_context_warm(bench->context)) <
            ROUNDS * bench->tasks * ANSWERS) {
        (void)assay_fail(err, ASSAY_EIO, "runs did not come from a zygote");
        return false;
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;

    return (left > right) - (left < right);
}

static void print(struct bench *bench, bool json)
{
    struct assay_json_writer w;
    struct assay_buf text;
    char spread[48];
    double median;

    qsort(bench->rates, ROUNDS, sizeof(double), compare);
    median = bench->rates[ROUNDS / 2];
    (void)snprintf(spread, sizeof(spread), "%.0f..%.0f", bench->rates[0], bench->rates[ROUNDS - 1]);
    if (!json) {
        (void)printf("executed verdicts on repair, %zu threads: %.1f/s (%s), >= %.0f %s\n",
                bench->threads, median, spread, PER_SECOND_MIN,
                median >= PER_SECOND_MIN ? "met" : "NOT MET");
        return;
    }
    assay_buf_init(&text, 4096);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "train");
    assay_json_put_text(&w, "metric", "executed verdicts on repair, all isolation on");
    assay_json_put_double(&w, "value", median);
    assay_json_put_text(&w, "unit", "verdicts/s");
    assay_json_put_text(&w, "spread", spread);
    assay_json_put_null(&w, "peer");
    assay_json_put_null(&w, "peer_value");
    assay_json_put_null(&w, "ratio");
    assay_json_put_text(&w, "bound", ">= 120");
    assay_json_put_bool(&w, "met", median >= PER_SECOND_MIN);
    assay_json_end_object(&w);
    (void)printf("%s\n", text.data);
    assay_buf_free(&text);
}

static void clean_up(struct bench *bench)
{
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assay_rewarder_destroy(bench->rewarder);
    assay_repair_close(bench->table);
    assay_context_close(bench->context);
    assay_arena_destroy(bench->arena);
    if (assay_fs_remove_tree(tmp_fd, strrchr(bench->folder, '/') + 1, NULL) != ASSAY_OK)
        (void)fprintf(stderr, "repair: %s is left\n", bench->folder);
    close(tmp_fd);
}

int main(int argc, char **argv)
{
    struct bench bench = {.tasks = TASKS_DEFAULT, .threads = 3};
    struct assay_error err = {0};
    bool json = false;
    bool measured = false;

    for (int i = 1; i < argc; i++) {
        json = json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--tasks") == 0 && i + 1 < argc)
            bench.tasks = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            bench.threads = strtoul(argv[++i], NULL, 10);
    }
    if (bench.tasks == 0 || bench.tasks > TASKS_MAX || bench.threads == 0)
        return 2;
    if (set_up(&bench, &err) == ASSAY_OK)
        measured = measure(&bench, &err);
    if (measured)
        print(&bench, json);
    else
        (void)fprintf(stderr, "repair: %s\n", err.message);
    clean_up(&bench);
    return measured ? 0 : 1;
}
