// SPDX-License-Identifier: MIT
// limits - how exactly a box counts and stops: CPU time, wall time. Beside timeout and prlimit.
//
//     benches/limits [--json] [--rounds N]
//
// Everything twice: with this host's control groups, and as if there were none. What runs in the
// boxes is bench_payloads/burn, which sums its own rusage.
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "sandbox/box.h"

#define ROUNDS_DEFAULT 5
#define ROUNDS_MAX 200
#define BURN_MS 2000.0
#define CPU_MS_MAX 1000
#define WALL_MS_MAX 200

struct bench {
    const char *build;
    size_t rounds;
    bool json, failed;
};

// One kind of box: with or without control groups.
struct side {
    struct assay_sandbox *sandbox;
    char name[32];
};

struct figure {
    char metric[96];
    const char *unit;
    double values[ROUNDS_MAX];
    size_t count;
    double bound;
    const char *peer;
    double peer_value;
};

// --- figures -------------------------------------------------------------------------------------

static int compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;

    return (left > right) - (left < right);
}

static void print_json(const struct figure *figure, double value, const char *spread)
{
    struct assay_buf buf;
    struct assay_json_writer w;
    char bound[48];

    (void)snprintf(bound, sizeof(bound), "<= %g", figure->bound);
    assay_buf_init(&buf, 4096);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "limits");
    assay_json_put_text(&w, "metric", figure->metric);
    assay_json_put_double(&w, "value", value);
    assay_json_put_text(&w, "unit", figure->unit);
    assay_json_put_text(&w, "spread", spread);
    assay_json_put_text(&w, "peer", figure->peer);
    if (figure->peer != NULL) {
        assay_json_put_double(&w, "peer_value", figure->peer_value);
    } else {
        assay_json_put_null(&w, "peer_value");
    }
    // A peer may stop too soon: then there is nothing to divide by.
    if (figure->peer != NULL && figure->peer_value > 0)
        assay_json_put_double(&w, "ratio", value / figure->peer_value);
    else
        assay_json_put_null(&w, "ratio");
    assay_json_put_text(&w, "bound", figure->bound > 0 ? bound : NULL);
    if (figure->bound > 0)
        assay_json_put_bool(&w, "met", value <= figure->bound);
    else
        assay_json_put_null(&w, "met");
    assay_json_end_object(&w);
    (void)printf("%s\n", buf.data);
    assay_buf_free(&buf);
}

// The worst of all rounds is the figure: a limit is a promise, not a median.
static void print_figure(struct figure *figure, bool json)
{
    double worst = 0;
    char spread[64];

    if (figure->count == 0)
        return;
    qsort(figure->values, figure->count, sizeof(figure->values[0]), compare_doubles);
    worst = figure->values[figure->count - 1];
    (void)snprintf(spread, sizeof(spread), "worst of %zu; median %.2f, least %.2f", figure->count,
            figure->values[figure->count / 2], figure->values[0]);
    if (json) {
        print_json(figure, worst, spread);
        return;
    }
    (void)printf("%-64s %8.2f %-4s %s  (%s)", figure->metric, worst, figure->unit,
            figure->bound <= 0               ? "     "
                    : worst <= figure->bound ? "met  "
                                             : "MISSED",
            spread);
    if (figure->peer != NULL)
        (void)printf("  %s: %.2f", figure->peer, figure->peer_value);
    (void)printf("\n");
}

// --- ours ----------------------------------------------------------------------------------------

static bool run_box(struct assay_box_result *result, const struct bench *bench,
        const struct side *side, const char *const *argv, const struct assay_box_limits *limits)
{
    static const char *const env[] = {"PATH=/payloads:/usr/bin:/bin", NULL};
    char path[4096];
    const char *const lowers[] = {path};
    const struct assay_mount mount = {
            .kind = ASSAY_MOUNT_BIND_RO, .target = "/payloads", .lowers = lowers, .lower_count = 1};
    struct assay_box_plan plan;
    struct assay_error err;

    (void)snprintf(path, sizeof(path), "%s/bench_payloads", bench->build);
    assay_box_plan_default(&plan);
    plan.argv = argv;
    plan.env = env;
    plan.host_usr = true;
    plan.mounts = &mount;
    plan.mount_count = 1;
    plan.limits = *limits;
    if (assay_box_run(side->sandbox, &plan, result, &err) == ASSAY_OK)
        return true;
    (void)fprintf(stderr, "limits: %s\n", err.message);
    return false;
}

static double cpu_ms(const struct assay_box_result *result)
{
    return (double)(result->usage.cpu_user_us + result->usage.cpu_system_us) / 1000;
}

static bool wanted(const struct assay_box_result *result, enum assay_box_cause cause)
{
    if (result->cause == cause)
        return true;
    (void)fprintf(stderr, "limits: %s instead of %s (step %s, errno %d): %s\n",
            assay_box_cause_name(result->cause), assay_box_cause_name(cause), result->step,
            result->sys_errno, result->output.data);
    return false;
}

// What the box counted against what the payload measured of itself.
static void measure_usage(struct bench *bench, const struct side *side, const char *mode)
{
    const char *const argv[] = {"burn", mode, "2000", "8", NULL};
    struct assay_box_limits limits;
    struct figure figure = {.unit = "ms", .bound = BURN_MS * 0.02};

    (void)snprintf(figure.metric, sizeof(figure.metric),
            "%s: CPU time off, 2 s over 8 processes, %s", side->name, mode);
    assay_box_limits_default(&limits);
    for (size_t i = 0; i < bench->rounds; i++) {
        struct assay_box_result result;
        double off_ms = 0;

        if (!run_box(&result, bench, side, argv, &limits) || !wanted(&result, ASSAY_BOX_EXITED)) {
            bench->failed = true;
            return;
        }
        off_ms = cpu_ms(&result) - (double)strtoull(result.output.data, NULL, 10) / 1000;
        figure.values[figure.count++] = off_ms < 0 ? -off_ms : off_ms;
        assay_box_result_release(&result);
    }
    print_figure(&figure, bench->json);
}

static void measure_cpu_limit(
        struct bench *bench, const struct side *side, const char *processes, double peer_value)
{
    const char *const argv[] = {"burn", "forever", "0", processes, NULL};
    struct assay_box_limits limits;
    struct figure figure = {
            .unit = "%", .bound = 5, .peer = "prlimit --cpu=1", .peer_value = peer_value};

    (void)snprintf(figure.metric, sizeof(figure.metric),
            "%s: CPU limit of 1 s overrun, %s processes", side->name, processes);
    assay_box_limits_default(&limits);
    limits.cpu_ms_max = CPU_MS_MAX;
    for (size_t i = 0; i < bench->rounds; i++) {
        struct assay_box_result result;

        if (!run_box(&result, bench, side, argv, &limits) ||
                !wanted(&result, ASSAY_BOX_CPU_LIMIT)) {
            bench->failed = true;
            return;
        }
        figure.values[figure.count++] = (cpu_ms(&result) / CPU_MS_MAX - 1) * 100;
        assay_box_result_release(&result);
    }
    print_figure(&figure, bench->json);
}

// From exec until everything is dead and reaped.
static void measure_wall_limit(struct bench *bench, const struct side *side, double peer_value)
{
    const char *const argv[] = {"sleep", "60", NULL};
    struct assay_box_limits limits;
    struct figure figure = {
            .unit = "ms", .bound = 20, .peer = "timeout -s KILL", .peer_value = peer_value};

    (void)snprintf(figure.metric, sizeof(figure.metric),
            "%s: wall limit of 200 ms overrun, until all is dead", side->name);
    assay_box_limits_default(&limits);
    limits.wall_ms_max = WALL_MS_MAX;
    for (size_t i = 0; i < bench->rounds * 4 && i < ROUNDS_MAX; i++) {
        struct assay_box_result result;

        if (!run_box(&result, bench, side, argv, &limits) ||
                !wanted(&result, ASSAY_BOX_WALL_LIMIT)) {
            bench->failed = true;
            return;
        }
        figure.values[figure.count++] = (double)result.usage.wall_ms - WALL_MS_MAX +
                (double)result.usage.teardown_us / 1000;
        assay_box_result_release(&result);
    }
    print_figure(&figure, bench->json);
}

// --- peers ---------------------------------------------------------------------------------------

// Runs it to its end; false when it cannot be run. *used_ms is all its CPU time.
static bool run_peer(char *const *argv, double *wall_ms, double *used_ms)
{
    char path[] = "PATH=/usr/bin:/bin";
    char *environment[] = {path, NULL};
    const uint64_t before_us = assay_clock_us();
    struct rusage usage = {0};
    int status = 0;
    pid_t pid = -1;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environment) != 0)
        return false;
    while (wait4(pid, &status, 0, &usage) < 0)
        if (errno != EINTR)
            return false;
    *wall_ms = (double)(assay_clock_us() - before_us) / 1000;
    *used_ms = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    return true;
}

// A CPU limit of 1 s on one process, in per cent over it. Of several, each gets a second:
// nothing to compare, and nothing to wait for.
static double measure_prlimit(const struct bench *bench)
{
    char prlimit[] = "prlimit";
    char limit[] = "--cpu=1";
    char program[4096];
    char forever[] = "forever";
    char zero[] = "0";
    char one[] = "1";
    char *argv[] = {prlimit, limit, program, forever, zero, one, NULL};
    double wall_ms = 0;
    double used_ms = 0;

    (void)snprintf(program, sizeof(program), "%s/bench_payloads/burn", bench->build);
    return run_peer(argv, &wall_ms, &used_ms) ? (used_ms / CPU_MS_MAX - 1) * 100 : 0;
}

static double measure_timeout(const struct bench *bench)
{
    char timeout[] = "timeout";
    char option[] = "-s";
    char kill[] = "KILL";
    char time[] = "0.2";
    char sleep[] = "sleep";
    char sixty[] = "60";
    char *argv[] = {timeout, option, kill, time, sleep, sixty, NULL};
    double worst = 0;

    for (size_t i = 0; i < bench->rounds * 4; i++) {
        double wall_ms = 0;
        double used_ms = 0;

        if (!run_peer(argv, &wall_ms, &used_ms))
            return 0;
        worst = wall_ms - WALL_MS_MAX > worst ? wall_ms - WALL_MS_MAX : worst;
    }
    return worst;
}

// --- all of it -----------------------------------------------------------------------------------

static bool start(struct side *side, const struct bench *bench, bool hide_cgroups)
{
    char program[4096];
    const struct assay_sandbox_options options = {
            .box_program = program, .tier_min = ASSAY_TIER_A, .hide_cgroups = hide_cgroups};
    struct assay_error err;

    (void)snprintf(program, sizeof(program), "%s/assay-box", bench->build);
    if (assay_sandbox_start(&side->sandbox, &options, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "limits: %s\n", err.message);
        return false;
    }
    (void)snprintf(side->name, sizeof(side->name), "cgroups %s",
            assay_cgroup_shape_name(assay_sandbox_cgroup_shape(side->sandbox)));
    return true;
}

static void measure_side(
        struct bench *bench, const struct side *side, double prlimit_value, double timeout_value)
{
    static const char *const modes[] = {"waited", "orphans", "ignored"};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        measure_usage(bench, side, modes[i]);
    measure_cpu_limit(bench, side, "1", prlimit_value);
    measure_cpu_limit(bench, side, "8", prlimit_value);
    measure_wall_limit(bench, side, timeout_value);
}

int main(int argc, char **argv)
{
    struct bench bench = {.rounds = ROUNDS_DEFAULT, .build = secure_getenv("ASSAY_BUILD_DIR")};
    double prlimit_value = 0;
    double timeout_value = 0;

    for (int i = 1; i < argc; i++) {
        bench.json = bench.json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            bench.rounds = strtoul(argv[++i], NULL, 10);
    }
    if (bench.rounds == 0 || bench.rounds > ROUNDS_MAX)
        return 2;
    if (bench.build == NULL)
        bench.build = ".";
    prlimit_value = measure_prlimit(&bench);
    timeout_value = measure_timeout(&bench);
    for (int hide = 0; hide < 2; hide++) {
        struct side side = {.sandbox = NULL};

        if (!start(&side, &bench, hide != 0))
            return 1;
        if (hide != 0 ||
                assay_sandbox_cgroup_shape(side.sandbox) !=
                        ASSAY_CGROUP_NONE) // else twice the same
            measure_side(&bench, &side, prlimit_value, timeout_value);
        assay_sandbox_stop(side.sandbox);
    }
    return bench.failed ? 1 : 0;
}
