// SPDX-License-Identifier: MIT
// verdicts.c - 500 stored runs judged again, and a verdict that the cache answers.
//
// One real run of pytest (200 tests, verbose) is made; its evidence is stored for each of 500
// instances. Judged again: the suite loaded, every evidence read, unpacked, judged, compared,
// written as JSON, on two threads. The cached verdict: one instance from request to verdict in a
// process that is up, workspace, patch and key among it.
//
//     verdicts [--json]
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/evidence.h"
#include "orchestrator/grade.h"
#include "orchestrator/pool.h"
#include "orchestrator/regrade.h"
#include "orchestrator/suite_add.h"

#define INSTANCES 500
#define TESTS 200
#define THREADS 2
#define REGRADE_ROUNDS 9
#define CACHED_ROUNDS 500
#define REGRADE_MS_MAX 1000.0
#define CACHED_MS_MAX 1.0
#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define RUN_ID "stored"

struct bench {
    char folder[32];
    struct assay_context *context;
    struct assay_suite *suite;
    struct assay_arena *arena;
    struct assay_run_evidence evidence; // of the one real run
    struct assay_verdict verdict;
    struct assay_outcome outcome;
};

static bool write_file(const struct bench *bench, const char *path, const char *text)
{
    char full[256];
    FILE *out;

    (void)snprintf(full, sizeof(full), "%s/suite/%s", bench->folder, path);
    out = fopen(full, "w");
    if (out == NULL)
        return false;
    fputs(text, out);
    return fclose(out) == 0;
}

static bool write_instance(const struct bench *bench, size_t index)
{
    static const char *const parts[] = {"", "/base"};
    struct assay_buf text;
    char path[256];
    bool good = true;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        (void)snprintf(
                path, sizeof(path), "%s/suite/bench__two-%03zu%s", bench->folder, index, parts[i]);
        if (mkdir(path, 0755) < 0)
            return false;
    }
    assay_buf_init(&text, 1 << 20);
    assay_buf_addf(&text,
            "{\"schema\": 1, \"instance_id\": \"bench__two-%03zu\", \"repo\": \"a/b\", \"base\": "
            "{\"dir\": \"base\"}, \"recipe\": \"r\", \"framework\": \"pytest\", \"test_cmd\": "
            "[\"/usr/bin/python3\", \"-m\", \"pytest\", \"-v\"], \"limits\": {\"wall_ms\": 60000,"
            " \"cpu_ms\": 60000, \"memory_bytes\": 1073741824}, \"FAIL_TO_PASS\": [",
            index);
    for (int i = 0; i < TESTS; i++)
        assay_buf_addf(&text, "%s\"test_two.py::test_sum[%d]\"", i ? "," : "", i);
    assay_buf_adds(&text, "], \"PASS_TO_PASS\": []}");
#define FILE_OF(name) (snprintf(path, sizeof(path), "bench__two-%03zu/" name, index), path)
    good = !text.failed && write_file(bench, FILE_OF("instance.json"), text.data) &&
            write_file(bench, FILE_OF("problem.md"), "problem\n") &&
            write_file(bench, FILE_OF("base/two.py"), "def add(a, b):\n    return a - b\n") &&
            write_file(bench, FILE_OF("gold.patch"),
                    "--- a/two.py\n+++ b/two.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n"
                    "-    return a - b\n+    return a + b\n");
    assay_buf_clear(&text);
    assay_buf_addf(&text,
            "--- /dev/null\n+++ b/test_two.py\n@@ -0,0 +1,7 @@\n+import pytest\n+import two\n+\n+\n"
            "+@pytest.mark.parametrize('n', range(%d))\n+def test_sum(n):\n"
            "+    assert two.add(n, 1) == n + 1\n",
            TESTS);
    good = good && write_file(bench, FILE_OF("test.patch"), text.data);
    assay_buf_free(&text);
    return good;
}

static bool write_suite(struct bench *bench)
{
    char path[64];

    (void)snprintf(bench->folder, sizeof(bench->folder), "/tmp/assay-bench-XXXXXX");
    if (mkdtemp(bench->folder) == NULL)
        return false;
    (void)snprintf(path, sizeof(path), "%s/suite", bench->folder);
    if (mkdir(path, 0755) < 0 ||
            !write_file(bench, "suite.json",
                    "{\"schema\": 1, \"name\": \"bench\", \"version\": \"1\", \"recipes\": {\"r\": "
                    "{\"base\": \"host\", \"setup\": [], \"env\": {}, \"workdir\": \"/testbed\"}}}"))
        return false;
    for (size_t i = 0; i < INSTANCES; i++)
        if (!write_instance(bench, i))
            return false;
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
    const struct assay_suite_add_options options = {.path = path, .threads = THREADS};
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

// One instance, graded: from the cache when it was before.
static enum assay_status grade(struct bench *bench, struct assay_grade *out,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_grade_request request = {.suite = bench->suite,
            .instance = &bench->suite->instances[0],
            .candidate = ASSAY_CANDIDATE_GOLD,
            .run_id = "bench"};

    return assay_grade(out, bench->context, &request, arena, err);
}

static enum assay_status put(struct bench *bench, const char *run_id,
        const struct assay_verdict *verdict, const struct assay_frame *frame, uint64_t claim,
        struct assay_error *err)
{
    const struct assay_evaluation evaluation = {.verdict = verdict,
            .outcome = &bench->outcome,
            .evidence = frame,
            .evidence_count = 1,
            .claim = claim,
            .cacheable = true};
    struct assay_verdict named = *verdict;
    struct assay_evaluation of_run = evaluation;

    named.run_id = run_id;
    of_run.verdict = &named;
    return assay_store_put_verdict(assay_context_store(bench->context), &of_run, err);
}

static enum assay_status open_run(struct bench *bench, const char *run_id, struct assay_error *err)
{
    const char *ids[INSTANCES];
    const struct assay_run wanted = {.run_id = run_id,
            .suite = "bench",
            .identity = run_id,
            .model = "gold",
            .command = "bench"};
    struct assay_run run;
    bool resumed;

    for (size_t i = 0; i < INSTANCES; i++)
        ids[i] = bench->suite->instances[i].instance_id;
    return assay_store_open_run(assay_context_store(bench->context), &wanted, ids, INSTANCES, false,
            bench->arena, &run, &resumed, err);
}

// The one real run, recorded so that the cache answers for it.
static enum assay_status run_once(struct bench *bench, struct assay_error *err)
{
    struct assay_grade graded;
    struct assay_buf raw;
    enum assay_status status = open_run(bench, "bench", err);

    if (status == ASSAY_OK)
        status = grade(bench, &graded, bench->arena, err);
    if (status != ASSAY_OK)
        return status;
    if (!graded.verdict.resolved)
        return assay_fail(err, ASSAY_EIO, "not resolved: %s", graded.verdict.reason);
    bench->verdict = graded.verdict;
    bench->outcome = graded.outcome;
    status = put(bench, "bench", &graded.verdict, graded.evidence, graded.claim, err);
    assay_grade_release(bench->context, &graded, status == ASSAY_OK);
    assay_buf_init(&raw, TEXT_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_frame_unpack(&raw,
                (struct assay_bytes){graded.evidence[0].data, graded.evidence[0].len},
                graded.evidence[0].raw_bytes, "evidence", err);
    if (status == ASSAY_OK) {
        const char *copy = assay_arena_memdup(bench->arena, raw.data, raw.len);

        status = copy == NULL
                ? assay_fail(err, ASSAY_ENOMEM, "out of memory")
                : assay_evidence_read(&bench->evidence, copy, raw.len, bench->arena, err);
    }
    assay_buf_free(&raw);
    return status;
}

// Its evidence as that of every other instance.
static enum assay_status store_one(void *user, size_t index, struct assay_error *err)
{
    struct bench *bench = user;
    const struct assay_instance *instance = &bench->suite->instances[index];
    struct assay_run_evidence evidence = bench->evidence;
    struct assay_verdict verdict = bench->verdict;
    struct assay_arena *arena = NULL;
    struct assay_frame frame;
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    verdict.instance_id = instance->instance_id;
    if (status == ASSAY_OK)
        status = assay_evidence_run_hash(evidence.run_hash, bench->suite, instance, err);
    if (status == ASSAY_OK)
        status = assay_verdict_key(verdict.key, bench->suite, instance, evidence.run_key, err);
    if (status == ASSAY_OK)
        status = assay_evidence_pack(&frame, &evidence, arena, err);
    if (status == ASSAY_OK)
        status = put(bench, RUN_ID, &verdict, &frame, 0, err);
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status regrade_all(struct bench *bench, double *ms, struct assay_error *err)
{
    const struct assay_regrade_options options = {.run_id = RUN_ID, .threads = THREADS};
    static const volatile bool never = false;
    struct assay_regrade_row *rows = NULL;
    struct assay_suite *suite = NULL;
    struct assay_arena *arena = NULL;
    size_t count = 0;
    const uint64_t before_us = assay_clock_us();
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_store_load_suite(assay_context_store(bench->context), "bench", &suite, err);
    if (status == ASSAY_OK)
        status = assay_regrade(&rows, &count, assay_context_store(bench->context), suite, &options,
                &never, arena, err);
    *ms = (double)(assay_clock_us() - before_us) / 1000;
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        if (rows[i].state != ASSAY_REGRADE_SAME)
            status = assay_fail(err, ASSAY_EIO, "%s: %s", rows[i].instance_id, rows[i].changes);
    assay_suite_free(suite);
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status ask_cache(struct bench *bench, double *ms, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_grade graded;
    const uint64_t before_us = assay_clock_us();
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = grade(bench, &graded, arena, err);
    *ms = (double)(assay_clock_us() - before_us) / 1000;
    if (status == ASSAY_OK && !(graded.verdict.cached && graded.verdict.resolved))
        status = assay_fail(err, ASSAY_EIO, "not from the cache");
    assay_arena_destroy(arena);
    return status;
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;

    return (left > right) - (left < right);
}

static enum assay_status measure(
        enum assay_status (*what)(struct bench *, double *, struct assay_error *),
        struct bench *bench, double *ms, size_t count, struct assay_error *err)
{
    double unmeasured = 0;
    enum assay_status status = what(bench, &unmeasured, err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = what(bench, &ms[i], err);
    qsort(ms, count, sizeof(double), compare);
    return status;
}

static void print_figure(const char *metric, const double *ms, size_t count, double bound_ms,
        const char *bound, bool json)
{
    const double median = ms[count / 2], high = ms[(count * 99) / 100];
    struct assay_json_writer w;
    struct assay_buf buf;
    char spread[48];

    (void)snprintf(spread, sizeof(spread), "min..p99 %.3f..%.3f", ms[0], high);
    if (!json) {
        (void)printf("%-44s %8.3f ms  %-26s %-8s %s\n", metric, median, spread, bound,
                median < bound_ms ? "met" : "NOT MET");
        return;
    }
    assay_buf_init(&buf, 4096);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "verdicts");
    assay_json_put_text(&w, "metric", metric);
    assay_json_put_double(&w, "value", median);
    assay_json_put_text(&w, "unit", "ms");
    assay_json_put_text(&w, "spread", spread);
    assay_json_put_null(&w, "peer");
    assay_json_put_null(&w, "peer_value");
    assay_json_put_null(&w, "ratio");
    assay_json_put_text(&w, "bound", bound);
    assay_json_put_bool(&w, "met", median < bound_ms);
    assay_json_end_object(&w);
    (void)printf("%s\n", buf.data);
    assay_buf_free(&buf);
}

static void clean_up(struct bench *bench)
{
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assay_suite_free(bench->suite);
    assay_context_close(bench->context);
    assay_arena_destroy(bench->arena);
    if (assay_fs_remove_tree(tmp_fd, strrchr(bench->folder, '/') + 1, NULL) != ASSAY_OK)
        (void)fprintf(stderr, "verdicts: %s is left\n", bench->folder);
    close(tmp_fd);
}

int main(int argc, char **argv)
{
    static const volatile bool never = false;
    double regrade_ms[REGRADE_ROUNDS], cached_ms[CACHED_ROUNDS];
    struct bench bench = {.folder = ""};
    struct assay_error err = {0};
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    enum assay_status status = set_up(&bench, &err);

    if (status == ASSAY_OK)
        status = run_once(&bench, &err);
    if (status == ASSAY_OK)
        status = measure(ask_cache, &bench, cached_ms, CACHED_ROUNDS, &err);
    if (status == ASSAY_OK)
        status = open_run(&bench, RUN_ID, &err);
    if (status == ASSAY_OK) // many threads: the store commits what waits together
        status = assay_jobs_run(32, INSTANCES, store_one, &bench, &never, &err);
    if (status == ASSAY_OK)
        status = measure(regrade_all, &bench, regrade_ms, REGRADE_ROUNDS, &err);
    if (status == ASSAY_OK) {
        print_figure("500 stored runs judged again, two threads", regrade_ms, REGRADE_ROUNDS,
                REGRADE_MS_MAX, "< 1 s", json);
        print_figure("a cached verdict, request to verdict", cached_ms, CACHED_ROUNDS,
                CACHED_MS_MAX, "< 1 ms", json);
    } else {
        (void)fprintf(stderr, "verdicts: %s\n", err.message);
    }
    clean_up(&bench);
    return status == ASSAY_OK ? 0 : 1;
}
