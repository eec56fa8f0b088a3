// SPDX-License-Identifier: MIT
// pytest.c - a pytest file of two tests, scored: cold, and through the zygote.
//
// The whole path of one instance, in one process: workspace of base tree, model
// patch and tests, verdict key, box, tests, report and log read, verdict. What is
// left out in both is what a suite pays once (environment, zygote). A B A B.
//
//     pytest [--json] [--rounds N]
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/grade.h"
#include "orchestrator/suite_add.h"
#include "tasks/store.h"

#define BATCH 10
#define ROUNDS_DEFAULT 10
#define ROUNDS_MAX 1000
#define MS_MAX 45.0
#define SPEEDUP_MIN 4.0
#define CANARIES_COLD_MS_MAX 100.0
#define CANARIES_WARM_MS_MAX 15.0

struct samples {
    double *ms; // rounds * BATCH
    size_t count;
};

struct bench {
    char folder[32];
    struct assay_context *context;
    struct assay_suite *suite;
    struct assay_arena *arena;
    struct samples cold, warm, bare_cold, bare_warm; // bare: without canaries
};

#define INSTANCE(id, more)                                                                         \
    "{\"schema\": 1, \"instance_id\": \"" id "\", \"repo\": \"a/b\", \"base\": "                   \
    "{\"dir\": \"base\"}, \"recipe\": \"r\", \"framework\": \"pytest\", \"test_cmd\": "            \
    "[\"/usr/bin/python3\", \"-m\", \"pytest\", \"-q\"], \"FAIL_TO_PASS\": "                       \
    "[\"test_two.py::test_sum\"], \"PASS_TO_PASS\": [\"test_two.py::test_less\"], " more           \
    "\"limits\": {\"wall_ms\": 60000, \"cpu_ms\": 60000, \"memory_bytes\": 1073741824}}"
#define PRODUCT "def add(a, b):\n    return a - b\n"
#define GOLD                                                                                       \
    "--- a/two.py\n+++ b/two.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n"            \
    "+    return a + b\n"
#define TEST                                                                                       \
    "--- /dev/null\n+++ b/test_two.py\n@@ -0,0 +1,9 @@\n+import two\n+\n+\n"                       \
    "+def test_sum():\n+    assert two.add(1, 2) == 3\n+\n+\n"                                     \
    "+def test_less():\n+    assert two.add(0, 0) == 0\n"

static const struct {
    const char *name, *text;
} files[] = {
        {"suite.json",
                "{\"schema\": 1, \"name\": \"bench\", \"version\": \"1\", \"recipes\": {\"r\": "
                "{\"base\": \"host\", \"setup\": [], \"env\": {}, \"workdir\": \"/testbed\"}}}"},
        {"bench__two/instance.json", INSTANCE("bench__two", "")},
        {"bench__two/problem.md", "problem\n"}, {"bench__two/base/two.py", PRODUCT},
        {"bench__two/gold.patch", GOLD}, {"bench__two/test.patch", TEST},
        {"bench__bare/instance.json", INSTANCE("bench__bare", "\"canaries\": false, ")},
        {"bench__bare/problem.md", "problem\n"}, {"bench__bare/base/two.py", PRODUCT},
        {"bench__bare/gold.patch", GOLD}, {"bench__bare/test.patch", TEST}};

static bool write_suite(struct bench *bench)
{
    static const char *const folders[] = {"suite", "suite/bench__two", "suite/bench__two/base",
            "suite/bench__bare", "suite/bench__bare/base"};
    char path[256];

    (void)snprintf(bench->folder, sizeof(bench->folder), "/tmp/assay-bench-XXXXXX");
    if (mkdtemp(bench->folder) == NULL)
        return false;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", bench->folder, folders[i]);
        if (mkdir(path, 0755) < 0)
            return false;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        FILE *out = NULL;

        (void)snprintf(path, sizeof(path), "%s/suite/%s", bench->folder, files[i].name);
        out = fopen(path, "w");
        if (out == NULL)
            return false;
        fputs(files[i].text, out);
        if (fclose(out) != 0)
            return false;
    }
    return true;
}

static enum assay_status set_up(struct bench *bench, struct assay_error *err)
{
    static const struct assay_option home = {"home", 0, "DIR", "", false};
    static const volatile bool never = false;
    char path[64], home_path[64], program[4096];
    const struct assay_given given = {&home, home_path};
    const struct assay_invocation invocation = {.given = &given,
            .given_count = 1,
            .log = {.fd = STDERR_FILENO, .level_max = ASSAY_LOG_WARN},
            .interrupted = &never};
    const struct assay_suite_add_options options = {.path = path, .threads = 1};
    struct assay_suite_add_result added;
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    enum assay_status status = ASSAY_OK;

    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    if (!write_suite(bench) || setenv("ASSAY_BOX_PROGRAM", program, 0) != 0)
        return assay_fail(err, ASSAY_EIO, "write the suite");
    (void)snprintf(home_path, sizeof(home_path), "%s/home", bench->folder);
    (void)snprintf(path, sizeof(path), "%s/suite", bench->folder);
    status = assay_arena_create(&bench->arena, ASSAY_GRADE_ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = assay_context_open(&bench->context, &invocation, true, err);
    if (status == ASSAY_OK)
        status = assay_suite_add(&added, bench->context, &options, bench->arena, err);
    if (status == ASSAY_OK)
        status = assay_store_load_suite(
                assay_context_store(bench->context), "bench", &bench->suite, err);
    return status;
}

static bool grade(
        struct bench *bench, const char *instance, bool cold, double *ms, struct assay_error *err)
{
    const struct assay_grade_request request = {.suite = bench->suite,
            .instance = assay_suite_find(bench->suite, instance),
            .candidate = ASSAY_CANDIDATE_GOLD,
            .run_id = "bench",
            .no_cache = true,
            .no_zygote = cold};
    struct assay_arena *arena = NULL;
    struct assay_grade graded;
    const uint64_t before_us = assay_clock_us();
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);
    bool resolved = false;

    if (status == ASSAY_OK)
        status = assay_grade(&graded, bench->context, &request, arena, err);
    *ms = (double)(assay_clock_us() - before_us) / 1000;
    resolved = status == ASSAY_OK && graded.verdict.scored && graded.verdict.resolved;
    if (status == ASSAY_OK && !resolved)
        (void)assay_fail(err, ASSAY_EIO, "not resolved: %s", graded.verdict.reason);
    assay_arena_destroy(arena);
    return resolved;
}

static bool measure(struct samples *out, struct bench *bench, const char *instance, bool cold,
        struct assay_error *err)
{
    for (size_t i = 0; i < BATCH; i++)
        if (!grade(bench, instance, cold, &out->ms[out->count++], err))
            return false;
    return true;
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;

    return (left > right) - (left < right);
}

static bool measure_all(struct bench *bench, size_t rounds, struct assay_error *err)
{
    struct samples *const all[] = {
            &bench->cold, &bench->warm, &bench->bare_cold, &bench->bare_warm};
    double unmeasured = 0;

    // Once cold, once to start the zygote, once from it.
    for (int i = 0; i < 3; i++)
        if (!grade(bench, "bench__two", false, &unmeasured, err))
            return false;
    for (size_t i = 0; i < rounds; i++)
        if (!measure(&bench->cold, bench, "bench__two", true, err) ||
                !measure(&bench->bare_cold, bench, "bench__bare", true, err) ||
                !measure(&bench->warm, bench, "bench__two", false, err) ||
                !measure(&bench->bare_warm, bench, "bench__bare", false, err))
            return false;
    if (assay_warm_run_count(assay_context_warm(bench->context)) < 2 * rounds * BATCH) {
        (void)assay_fail(err, ASSAY_EIO, "runs did not come from a zygote");
        return false;
    }
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        qsort(all[i]->ms, all[i]->count, sizeof(double), compare);
    return true;
}

static double at_share(const struct samples *samples, double share)
{
    return samples->ms[(size_t)((double)(samples->count - 1) * share)];
}

struct figure {
    const char *metric, *unit, *bound;
    double value, peer_value;
    bool met;
    char spread[48];
};

static void print_json(const struct figure *figure)
{
    struct assay_buf buf;
    struct assay_json_writer w;

    assay_buf_init(&buf, 4096);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "pytest");
    assay_json_put_text(&w, "metric", figure->metric);
    assay_json_put_double(&w, "value", figure->value);
    assay_json_put_text(&w, "unit", figure->unit);
    assay_json_put_text(&w, "spread", figure->spread);
    assay_json_put_text(&w, "peer", "cold");
    assay_json_put_double(&w, "peer_value", figure->peer_value);
    assay_json_put_double(&w, "ratio", figure->value / figure->peer_value);
    assay_json_put_text(&w, "bound", figure->bound);
    assay_json_put_bool(&w, "met", figure->met);
    assay_json_end_object(&w);
    (void)printf("%s\n", buf.data);
    assay_buf_free(&buf);
}

static void print_figures(const struct bench *bench, bool json)
{
    const double cold = at_share(&bench->cold, 0.5);
    const double warm = at_share(&bench->warm, 0.5);
    const double bare_cold = at_share(&bench->bare_cold, 0.5);
    const double bare_warm = at_share(&bench->bare_warm, 0.5);
    struct figure figures[] = {
            {"two tests scored through the zygote: median", "ms", "<= 45 ms", warm, cold,
                    warm <= MS_MAX, ""},
            {"times faster than cold", "x", ">= 4", cold / warm, 1, cold / warm >= SPEEDUP_MIN, ""},
            {"the same without canaries: median", "ms", "<= 45 ms", bare_warm, bare_cold,
                    bare_warm <= MS_MAX, "peer: cold without them"},
            {"times faster than cold, both without canaries", "x", ">= 4", bare_cold / bare_warm, 1,
                    bare_cold / bare_warm >= SPEEDUP_MIN, ""},
            {"canaries add to a cold run", "ms", "<= 100 ms", cold - bare_cold, bare_cold,
                    cold - bare_cold <= CANARIES_COLD_MS_MAX, "peer: a cold run without them"},
            {"canaries add to a run through the zygote", "ms", "<= 15 ms", warm - bare_warm,
                    bare_warm, warm - bare_warm <= CANARIES_WARM_MS_MAX,
                    "peer: such a run without them"},
    };

    (void)snprintf(figures[0].spread, sizeof(figures[0].spread), "p25..p75 %.1f..%.1f",
            at_share(&bench->warm, 0.25), at_share(&bench->warm, 0.75));
    (void)snprintf(figures[1].spread, sizeof(figures[1].spread), "cold p25..p75 %.1f..%.1f",
            at_share(&bench->cold, 0.25), at_share(&bench->cold, 0.75));
    if (!json)
        (void)printf("%-44s %10s %10s\n", "", "zygote", "cold");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        if (json)
            print_json(&figures[i]);
        else
            (void)printf("%-44s %7.1f %-2s %10.1f  %s  %s\n", figures[i].metric, figures[i].value,
                    figures[i].unit, figures[i].peer_value, figures[i].spread,
                    figures[i].met ? "met" : "NOT MET");
    }
}

static void clean_up(struct bench *bench)
{
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assay_suite_free(bench->suite);
    assay_context_close(bench->context);
    assay_arena_destroy(bench->arena);
    if (assay_fs_remove_tree(tmp_fd, strrchr(bench->folder, '/') + 1, NULL) != ASSAY_OK)
        (void)fprintf(stderr, "pytest: %s is left\n", bench->folder);
    close(tmp_fd);
    free(bench->cold.ms);
    free(bench->warm.ms);
    free(bench->bare_cold.ms);
    free(bench->bare_warm.ms);
}

int main(int argc, char **argv)
{
    struct bench bench = {.folder = ""};
    struct assay_error err = {0};
    size_t rounds = ROUNDS_DEFAULT;
    bool json = false;
    bool measured = false;

    for (int i = 1; i < argc; i++) {
        json = json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = strtoul(argv[++i], NULL, 10);
    }
    if (rounds == 0 || rounds > ROUNDS_MAX)
        return 2;
    bench.cold.ms = calloc(rounds * BATCH, sizeof(double));
    bench.warm.ms = calloc(rounds * BATCH, sizeof(double));
    bench.bare_cold.ms = calloc(rounds * BATCH, sizeof(double));
    bench.bare_warm.ms = calloc(rounds * BATCH, sizeof(double));
    if (bench.cold.ms != NULL && bench.warm.ms != NULL && bench.bare_cold.ms != NULL &&
            bench.bare_warm.ms != NULL && set_up(&bench, &err) == ASSAY_OK)
        measured = measure_all(&bench, rounds, &err);
    if (measured)
        print_figures(&bench, json);
    else
        (void)fprintf(stderr, "pytest: %s\n", err.message);
    clean_up(&bench);
    return measured ? 0 : 1;
}
