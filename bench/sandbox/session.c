// SPDX-License-Identifier: MIT
// session - what a command costs in a warm session, over the command's own time. Beside bubblewrap.
//
//     benches/session [--json] [--rounds N]
//
// The command's own time is what a plain program sees: posix_spawn and wait. Every way to run it
// takes its turn in each round (A B A B): the plain program, one process in a session, the
// session's shell, a shell line with its state kept, the same line in a plain `bash -c`, and a
// bwrap for each command, which is what a session spares. Overheads are differences of
// medians.
#include "sandbox/session.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/json.h"

#define BATCH 20 // runs in a row before the next one's turn
#define ROUNDS_DEFAULT 15
#define ROUNDS_MAX 1000
#define BOUND_MS 1.0

enum way { PLAIN, PROCESS, SHELL, BUILTIN, BASH, LINE, BWRAP, WAYS };

struct bench {
    struct assay_session *session;
    uint64_t *us[WAYS]; // owned; samples
    size_t count[WAYS];
    bool has_bwrap;
};

// --- ways to run ---------------------------------------------------------------------------------

static bool run_plain(char *const argv[])
{
    char path[] = "PATH=/usr/bin:/bin";
    char *environment[] = {path, NULL};
    int status = 0;
    pid_t pid = -1;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environment) != 0)
        return false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return status == 0;
}

static bool run_words(enum way way)
{
    static char plain[][24] = {"/bin/true"};
    static char bash[][24] = {"/bin/bash", "-c", "/bin/true; true"};
    static char bwrap[][24] = {"bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink",
            "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/bin/true"};
    char(*words)[24] = way == PLAIN ? plain : way == BASH ? bash : bwrap;
    const size_t count = way == PLAIN ? 1 : way == BASH ? 3 : sizeof(bwrap) / sizeof(bwrap[0]);
    char *argv[sizeof(bwrap) / sizeof(bwrap[0]) + 1] = {NULL};

    for (size_t i = 0; i < count; i++)
        argv[i] = words[i];
    return run_plain(argv);
}

static bool run_in_session(const struct bench *bench, enum way way)
{
    static const char *const argv[] = {"/bin/true", NULL};
    const struct assay_command command = {.argv = way == PROCESS ? argv : NULL,
            .line = way == PROCESS   ? NULL
                    : way == BUILTIN ? "true"
                                     : "/bin/true; true",
            .wall_ms_max = 10000};
    struct assay_command_result result = {0};
    bool fine = false;

    if ((way == SHELL || way == BUILTIN ? assay_session_shell : assay_session_run)(
                bench->session, &command, &result, NULL) != ASSAY_OK)
        return false;
    fine = result.cause == ASSAY_BOX_EXITED && result.exit_code == 0;
    if (!fine)
        (void)fprintf(stderr, "session: %s, step %s, errno %d\n",
                assay_box_cause_name(result.cause), result.step, result.sys_errno);
    assay_command_result_release(&result);
    return fine;
}

static bool run_once(const struct bench *bench, enum way way)
{
    return way == PLAIN || way == BASH || way == BWRAP ? run_words(way)
                                                       : run_in_session(bench, way);
}

static bool measure(struct bench *bench, size_t rounds)
{
    for (size_t round = 0; round <= rounds; round++) { // the first is not counted
        for (int way = 0; way < WAYS; way++) {
            for (size_t i = 0; i < BATCH; i++) {
                const uint64_t before_us = assay_clock_us();

                if (way == BWRAP && !bench->has_bwrap)
                    continue;
                if (!run_once(bench, (enum way)way))
                    return false;
                if (round > 0)
                    bench->us[way][bench->count[way]++] = assay_clock_us() - before_us;
            }
        }
    }
    return true;
}

// --- figures -------------------------------------------------------------------------------------

static int compare_u64(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static double at_share(const struct bench *bench, enum way way, double share)
{
    return bench->count[way] == 0
            ? 0
            : (double)bench->us[way][(size_t)((double)(bench->count[way] - 1) * share)] / 1000;
}

struct figure {
    const char *metric;
    enum way way, own; // WAYS: the whole time, not what is over another's
    bool bound;
};

static void print_json(
        const struct bench *bench, const struct figure *figure, double value, const char *spread)
{
    struct assay_buf buf;
    struct assay_json_writer w;
    const double peer = at_share(bench, BWRAP, 0.5) -
            (figure->own == WAYS ? 0 : at_share(bench, figure->own, 0.5));

    assay_buf_init(&buf, 4096);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "session");
    assay_json_put_text(&w, "metric", figure->metric);
    assay_json_put_double(&w, "value", value);
    assay_json_put_text(&w, "unit", "ms");
    assay_json_put_text(&w, "spread", spread);
    assay_json_put_text(&w, "peer", bench->has_bwrap ? "bwrap --unshare-all for each" : NULL);
    if (bench->has_bwrap) {
        assay_json_put_double(&w, "peer_value", peer);
        assay_json_put_double(&w, "ratio", value / peer);
    } else {
        assay_json_put_null(&w, "peer_value");
        assay_json_put_null(&w, "ratio");
    }
    assay_json_put_text(&w, "bound", figure->bound ? "<= 1" : NULL);
    if (figure->bound)
        assay_json_put_bool(&w, "met", value <= BOUND_MS);
    else
        assay_json_put_null(&w, "met");
    assay_json_end_object(&w);
    (void)printf("%s\n", buf.data);
    assay_buf_free(&buf);
}

static void print_figures(struct bench *bench, bool json)
{
    static const struct figure figures[] = {
            {"process /bin/true: over fork and exec, median", PROCESS, PLAIN, true},
            {"shell /bin/true: over fork and exec, median", SHELL, PLAIN, true},
            {"line with state kept: over bash -c, median", LINE, BASH, true},
            {"shell builtin: whole time, median", BUILTIN, WAYS, false},
            {"fork and exec alone: median", PLAIN, WAYS, false},
    };

    for (int way = 0; way < WAYS; way++)
        qsort(bench->us[way], bench->count[way], sizeof(*bench->us[way]), compare_u64);
    if (!json)
        (void)printf("%-50s %8s %10s\n", "", "assay ms", "whole p99");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        const struct figure *figure = &figures[i];
        const double value = at_share(bench, figure->way, 0.5) -
                (figure->own == WAYS ? 0 : at_share(bench, figure->own, 0.5));
        char spread[64];

        (void)snprintf(spread, sizeof(spread), "whole: p25..p75 %.2f..%.2f, p99 %.2f",
                at_share(bench, figure->way, 0.25), at_share(bench, figure->way, 0.75),
                at_share(bench, figure->way, 0.99));
        if (json)
            print_json(bench, figure, value, spread);
        else
            (void)printf("%-50s %8.3f %10.3f  %s\n", figure->metric, value,
                    at_share(bench, figure->way, 0.99), spread);
    }
    if (!json && bench->has_bwrap)
        (void)printf("%-50s %8.3f %10.3f\n", "bwrap --unshare-all /bin/true: whole time, median",
                at_share(bench, BWRAP, 0.5), at_share(bench, BWRAP, 0.99));
}

static bool start(struct bench *bench, struct assay_sandbox **sandbox)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    static char program[4096];
    const struct assay_sandbox_options options = {.box_program = program, .tier_min = ASSAY_TIER_A};
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    struct assay_box_plan plan;
    struct assay_error err;

    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    assay_box_plan_default(&plan);
    plan.env = env;
    plan.host_usr = true;
    if (assay_sandbox_start(sandbox, &options, &err) != ASSAY_OK ||
            assay_session_start(&bench->session, *sandbox, &plan, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "session: %s\n", err.message);
        return false;
    }
    bench->has_bwrap = run_words(BWRAP);
    return true;
}

int main(int argc, char **argv)
{
    struct assay_sandbox *sandbox = NULL;
    struct bench bench = {0};
    size_t rounds = ROUNDS_DEFAULT;
    bool json = false;
    bool measured = true;

    for (int i = 1; i < argc; i++) {
        json = json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = strtoul(argv[++i], NULL, 10);
    }
    if (rounds == 0 || rounds > ROUNDS_MAX)
        return 2;
    for (int way = 0; way < WAYS; way++) {
        bench.us[way] = calloc(rounds * BATCH, sizeof(*bench.us[way]));
        measured = measured && bench.us[way] != NULL;
    }
    measured = measured && start(&bench, &sandbox) && measure(&bench, rounds);
    assay_session_stop(bench.session, NULL);
    assay_sandbox_stop(sandbox);
    if (measured)
        print_figures(&bench, json);
    for (int way = 0; way < WAYS; way++)
        free(bench.us[way]);
    return measured ? 0 : 1;
}
