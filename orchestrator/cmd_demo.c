// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "orchestrator/commands.h"
#include "orchestrator/demo_cispo.h"
#include "orchestrator/progress.h"

const struct assay_option assay_demo_options[] = {
        {"seeds", 0, "N", "seeds of each arm (3)", false},
        {"steps", 0, "N", "steps of each run (24)", false},
        {"minutes", 0, "N", "stop after so many minutes, wherever it is (5)", false},
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print the result as one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define FEWEST_SEEDS                                                                               \
    6 // below, even all seeds on one side come by chance in more than 1 of 20 cases

// --- the chart -----------------------------------------------------------------------------------

struct chart {
    bool terminal;
    size_t lines;  // drawn, on a terminal
    size_t points; // told, elsewhere
};

static void put_curve(const struct assay_demo_run *run)
{
    static const char *const heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

    for (size_t i = 0; i < run->point_count; i++) {
        const double rate = run->points[i].rate;
        const size_t height = rate >= 1 ? 7 : (size_t)(rate * 8);

        (void)fputs(heights[height], stderr);
    }
}

static void draw_run(const struct assay_demo_run *run)
{
    (void)fprintf(
            stderr, "\033[K%-6s seed %zu  step %2" PRIu64 "  ", run->arm, run->seed, run->steps);
    put_curve(run);
    if (run->point_count > 0)
        (void)fprintf(stderr, "  %.2f", run->points[run->point_count - 1].rate);
    if (run->reached)
        (void)fprintf(stderr, "  %.2f at step %" PRIu64, ASSAY_DEMO_THRESHOLD, run->reached_step);
    (void)fputc('\n', stderr);
}

static void draw(struct chart *chart, const struct assay_demo *demo)
{
    char spent[ASSAY_DURATION_BYTES];

    assay_duration_text(spent, demo->wall_ms);
    if (chart->lines > 0)
        (void)fprintf(stderr, "\033[%zuA", chart->lines);
    (void)fprintf(stderr,
            "\033[Kheld-out solve rate by step, %s; %" PRIu64 " answers: %" PRIu64
            " run in boxes, %" PRIu64 " remembered\n",
            spent, demo->counts.answers, demo->counts.executed, demo->counts.remembered);
    for (size_t i = 0; i < demo->run_count; i++)
        draw_run(&demo->runs[i]);
    chart->lines = 1 + demo->run_count;
}

// Plain lines: one an evaluation.
static void tell(struct chart *chart, const struct assay_demo *demo)
{
    size_t points = 0;
    char spent[ASSAY_DURATION_BYTES];

    for (size_t i = 0; i < demo->run_count; i++)
        points += demo->runs[i].point_count;
    if (points == chart->points)
        return;
    chart->points = points;
    for (size_t i = demo->run_count; i-- > 0;) {
        const struct assay_demo_run *run = &demo->runs[i];

        if (run->point_count == 0)
            continue;
        assay_duration_text(spent, demo->wall_ms);
        (void)fprintf(stderr,
                "%s: %s seed %zu step %" PRIu64 ": held-out %.2f; %" PRIu64 " answers run, %" PRIu64
                " remembered\n",
                spent, run->arm, run->seed, run->points[run->point_count - 1].step,
                run->points[run->point_count - 1].rate, demo->counts.executed,
                demo->counts.remembered);
        return;
    }
}

static void show(void *user, const struct assay_demo *demo)
{
    struct chart *chart = user;

    if (chart->terminal)
        draw(chart, demo);
    else
        tell(chart, demo);
}

// --- the result ----------------------------------------------------------------------------------

static void print_run(const struct assay_demo_run *run)
{
    const double last = run->point_count ? run->points[run->point_count - 1].rate : (double)NAN;

    printf("%-6s %4zu %5" PRIu64 " %8.2f ", run->arm, run->seed, run->steps, last);
    if (run->reached)
        printf("%5" PRIu64 " %8" PRIu64 " %7.1f ", run->reached_step, run->reached_rollouts,
                (double)run->reached_ms / 1000);
    else
        printf("%5s %8s %7s ", "-", "-", "-");
    printf("%6.2f %6.2f %7.3f %8.3f %8.2f%s\n", run->branch_first, run->branch_last, run->masked,
            run->rescued, run->entropy_last, run->finished ? "" : "  stopped");
}

// How often a coin would be at least as far on one side, on either.
static double by_chance(size_t a, size_t b)
{
    const size_t n = a + b, fewer = a < b ? a : b;
    double ways = 1, sum = 0;

    for (size_t k = 0; k <= fewer; k++) {
        sum += ways;
        ways = ways * (double)(n - k) / (double)(k + 1);
    }
    return fmin(1, 2 * sum * pow(0.5, (double)n));
}

static void print_pair(const struct assay_demo *demo, size_t arm, size_t with)
{
    const struct assay_demo_pair p = assay_demo_compare(demo, arm, with);
    const size_t known = p.sooner + p.later + p.same;

    printf("%s against %s: sooner on %zu of %zu seeds, later on %zu, alike on %zu",
            assay_demo_arm(arm), assay_demo_arm(with), p.sooner, known, p.later, p.same);
    if (p.unknown > 0)
        printf(", %zu not comparable", p.unknown);
    if (p.sooner + p.later > 0)
        printf("; a coin does so in %.2g of cases", by_chance(p.sooner, p.later));
    printf("\n");
}

static void print_verdict(const struct assay_demo *demo)
{
    size_t over = 0, begun = 0;

    for (size_t i = 0; i < demo->run_count; i++) {
        over += demo->runs[i].finished;
        begun += demo->runs[i].steps > 0;
    }
    for (size_t with = 0; with + 1 < ASSAY_DEMO_ARMS; with++)
        print_pair(demo, ASSAY_DEMO_ARMS - 1, with);
    if (demo->out_of_time)
        printf("Out of time: %zu of %zu runs over, %zu begun. The rest was not reached.\n", over,
                demo->run_count, begun);
    if (demo->run_count / ASSAY_DEMO_ARMS < FEWEST_SEEDS)
        printf("%zu seeds show how it looks, not which is better: docs/cispo.md has the protocol "
               "that can.\n",
                demo->run_count / ASSAY_DEMO_ARMS);
}

static void print_result(const struct assay_demo *demo)
{
    char all[ASSAY_DURATION_BYTES];

    assay_duration_text(all, demo->wall_ms);
    printf("%s; held-out solve rate before rl %.2f\n", all, demo->start_rate);
    printf("answers %" PRIu64 ": %" PRIu64 " run in boxes, %" PRIu64
           " remembered, the rest equal to another or no patch\n\n",
            demo->counts.answers, demo->counts.executed, demo->counts.remembered);
    printf("                               to held-out %.2f       branch right    share of tokens, "
           "gradient\n",
            ASSAY_DEMO_THRESHOLD);
    printf("%-6s %4s %5s %8s %5s %8s %7s %6s %6s %7s %8s %8s\n", "arm", "seed", "steps", "held-out",
            "steps", "rollouts", "seconds", "first", "last", "masked", "rescued", "entropy");
    for (size_t i = 0; i < demo->run_count; i++)
        if (demo->runs[i].steps > 0)
            print_run(&demo->runs[i]);
    printf("\n");
    print_verdict(demo);
}

static void put_run(struct assay_json_writer *w, const struct assay_demo_run *run)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "arm", run->arm);
    assay_json_put_u64(w, "seed", run->seed);
    assay_json_put_u64(w, "steps", run->steps);
    assay_json_put_u64(w, "rollouts", run->rollouts);
    assay_json_put_u64(w, "wall_ms", run->wall_ms);
    assay_json_put_bool(w, "finished", run->finished);
    assay_json_put_bool(w, "reached", run->reached);
    if (run->reached) {
        assay_json_put_u64(w, "reached_step", run->reached_step);
        assay_json_put_u64(w, "reached_rollouts", run->reached_rollouts);
        assay_json_put_u64(w, "reached_ms", run->reached_ms);
    }
    assay_json_put_double(w, "branch_first", run->branch_first);
    assay_json_put_double(w, "branch_last", run->branch_last);
    assay_json_put_double(w, "masked", run->masked);
    assay_json_put_double(w, "rescued", run->rescued);
    assay_json_begin_array(w, "held_out");
    for (size_t i = 0; i < run->point_count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_u64(w, "step", run->points[i].step);
        assay_json_put_double(w, "rate", run->points[i].rate);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    assay_json_end_object(w);
}

static enum assay_status print_json(const struct assay_demo *demo, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_double(&w, "threshold", ASSAY_DEMO_THRESHOLD);
    assay_json_put_double(&w, "start_rate", demo->start_rate);
    assay_json_put_u64(&w, "wall_ms", demo->wall_ms);
    assay_json_put_bool(&w, "out_of_time", demo->out_of_time);
    assay_json_put_u64(&w, "answers", demo->counts.answers);
    assay_json_put_u64(&w, "executed", demo->counts.executed);
    assay_json_put_u64(&w, "remembered", demo->counts.remembered);
    assay_json_begin_array(&w, "runs");
    for (size_t i = 0; i < demo->run_count; i++)
        put_run(&w, &demo->runs[i]);
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    (void)assay_buf_addc(&text, '\n');
    status = assay_buf_check(&text, "output", err);
    if (status == ASSAY_OK)
        (void)fputs(text.data, stdout);
    assay_buf_free(&text);
    return status;
}

// --- the command ---------------------------------------------------------------------------------

static enum assay_status read_options(struct assay_demo_plan *out,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    uint64_t seeds = 3, minutes = 5;
    enum assay_status status =
            assay_cli_number(&seeds, invocation, "seeds", 1, ASSAY_DEMO_SEEDS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_cli_number(
                &out->steps, invocation, "steps", 1, ASSAY_DEMO_POINTS_MAX - 1, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&minutes, invocation, "minutes", 1, 1440, err);
    out->seeds = (size_t)seeds;
    out->budget_ms = minutes * 60000;
    return status;
}

static enum assay_status perform(struct assay_context *context,
        const struct assay_invocation *invocation, const struct assay_demo_plan *begun,
        struct assay_demo *demo, struct assay_error *err)
{
    struct chart chart = {.terminal = isatty(STDERR_FILENO)};
    struct assay_demo_plan plan = *begun;
    char prefix[64], now[ASSAY_TIME_TEXT_BYTES];
    enum assay_status status = read_options(&plan, invocation, err);

    if (status != ASSAY_OK)
        return status;
    // Each demo is a new one; what it ran before is remembered all the same.
    assay_clock_utc(now);
    (void)snprintf(prefix, sizeof(prefix), "demo-cispo-%.10s-%.2s%.2s%.2s-%d", now, now + 11,
            now + 14, now + 17, (int)getpid());
    plan.prefix = prefix;
    status = assay_demo_cispo(demo, context, &plan, show, &chart, err);
    if (status != ASSAY_OK)
        return status;
    if (assay_cli_flag(invocation, "json"))
        return print_json(demo, err);
    print_result(demo);
    return ASSAY_OK;
}

enum assay_exit assay_cmd_demo_cispo(struct assay_invocation *invocation)
{
    struct assay_demo *demo = calloc(1, sizeof(*demo));
    struct assay_invocation inner;
    struct assay_context *context = NULL;
    struct assay_error err = {0};
    volatile bool cancel = false;
    const struct assay_demo_plan plan = {.steps = 24,
            .command_line = invocation->command_line,
            .cancel = &cancel,
            .interrupted = invocation->interrupted};
    enum assay_exit code = ASSAY_EXIT_OK;
    enum assay_status status = demo ? ASSAY_OK : assay_fail(&err, ASSAY_ENOMEM, "out of memory");

    if (invocation->log.level_max == ASSAY_LOG_INFO) // the chart says it
        invocation->log.level_max = ASSAY_LOG_WARN;
    inner = *invocation;
    inner.interrupted = &cancel;
    if (status == ASSAY_OK)
        status = assay_context_open(&context, &inner, true, &err);
    if (status == ASSAY_OK)
        status = perform(context, invocation, &plan, demo, &err);
    if (status != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(context);
    free(demo);
    return code;
}
