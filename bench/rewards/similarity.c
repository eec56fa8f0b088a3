// SPDX-License-Identifier: MIT
// similarity.c - how long a similarity takes, beside Python's difflib on the same texts.
//
// The texts are real: each model patch of the bundled predictions and its gold patch, and each gold
// patch and its test patch. Ours and Python's take turns, pair by pair, in the same run, and both
// must say the same number. Start from the root of the repository.
//
//     similarity [--json]
#include "rewards/similarity.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "tasks/predictions.h"

enum { PAIRS_MAX = 128, ROUNDS = 5 };
#define DATA "tasks/data/"
#define BOUND 50.0

struct pair {
    struct assay_buf a, b;
    double ours_us[ROUNDS], pythons_us[ROUNDS];
};

struct bench {
    struct pair pairs[PAIRS_MAX];
    size_t count;
    FILE *ask, *answer; // Python's stdin and stdout
    pid_t python;
};

static void must(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(1); // NOLINT(concurrency-mt-unsafe): one thread
    }
}

static struct pair *new_pair(struct bench *bench)
{
    struct pair *pair = &bench->pairs[bench->count++];

    must(bench->count <= PAIRS_MAX, "too many pairs");
    assay_buf_init(&pair->a, (size_t)1 << 24);
    assay_buf_init(&pair->b, (size_t)1 << 24);
    return pair;
}

static void read_patch(struct assay_buf *out, const char *id, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), DATA "quick/%s/%s", id, name);
    must(assay_fs_read_file(out, path, NULL) == ASSAY_OK, path);
}

static void collect(struct bench *bench)
{
    struct assay_predictions *predictions = NULL;
    const enum assay_status status =
            assay_predictions_read(&predictions, DATA "quick-predictions.jsonl", NULL);

    must(status == ASSAY_OK, DATA "quick-predictions.jsonl");
    for (size_t i = 0; i < predictions->count; i++) {
        const struct assay_prediction *row = &predictions->items[i];
        struct pair *pair = new_pair(bench);

        read_patch(&pair->a, row->instance_id, "gold.patch");
        read_patch(&pair->b, row->instance_id, "test.patch");
        if (row->state != ASSAY_PREDICTION_PATCH)
            continue;
        pair = new_pair(bench);
        assay_buf_add(&pair->a, row->patch.data, row->patch.len);
        read_patch(&pair->b, row->instance_id, "gold.patch");
    }
    assay_predictions_free(predictions);
}

static void put_text(FILE *file, const struct assay_buf *text)
{
    const unsigned char head[4] = {(unsigned char)text->len, (unsigned char)(text->len >> 8),
            (unsigned char)(text->len >> 16), (unsigned char)(text->len >> 24)};

    must(fwrite(head, 1, 4, file) == 4 && fwrite(text->data, 1, text->len, file) == text->len,
            "write texts");
}

static void start_python(struct bench *bench, const char *texts)
{
    char python[] = "/usr/bin/python3", script[] = "bench/rewards/similarity.py";
    char path[128], *argv[] = {python, script, path, NULL}, *env[] = {NULL};
    int ask[2], answer[2];
    posix_spawn_file_actions_t actions;
    FILE *file = fopen(texts, "wb");

    must(file != NULL, texts);
    for (size_t i = 0; i < bench->count; i++) {
        put_text(file, &bench->pairs[i].a);
        put_text(file, &bench->pairs[i].b);
    }
    must(fclose(file) == 0, texts);
    (void)snprintf(path, sizeof(path), "%s", texts);
    must(pipe2(ask, O_CLOEXEC) == 0 && pipe2(answer, O_CLOEXEC) == 0, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ask[0], 0);
    posix_spawn_file_actions_adddup2(&actions, answer[1], 1);
    must(posix_spawn(&bench->python, python, &actions, NULL, argv, env) == 0, python);
    posix_spawn_file_actions_destroy(&actions);
    close(ask[0]);
    close(answer[1]);
    bench->ask = fdopen(ask[1], "w");
    bench->answer = fdopen(answer[0], "r");
    must(bench->ask && bench->answer, "pipe");
}

static void measure(struct bench *bench, size_t index, int round)
{
    struct pair *pair = &bench->pairs[index];
    const struct assay_bytes a = {pair->a.data, pair->a.len}, b = {pair->b.data, pair->b.len};
    const uint64_t start_us = assay_clock_us();
    double ours = -1, pythons = -2;

    // Too short for the clock alone.
    for (int i = 0; i < 10; i++)
        must(assay_similarity_texts(&ours, a, b, NULL) == ASSAY_OK, "similarity");
    pair->ours_us[round] = (double)(assay_clock_us() - start_us) / 10;
    must(fprintf(bench->ask, "%zu\n", index) > 0 && fflush(bench->ask) == 0, "ask Python");
    // NOLINTNEXTLINE(cert-err34-c): what Python printed is checked below
    must(fscanf(bench->answer, "%lf %la", &pair->pythons_us[round], &pythons) == 2,
            "Python's answer");
    must(ours == pythons, "the two do not agree");
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(struct bench *bench, bool json)
{
    double ours = 0, pythons = 0, ratios[PAIRS_MAX] = {0}, bytes = 0;
    double least, median, most;

    for (size_t i = 0; i < bench->count; i++) {
        struct pair *pair = &bench->pairs[i];

        qsort(pair->ours_us, ROUNDS, sizeof(double), by_size);
        qsort(pair->pythons_us, ROUNDS, sizeof(double), by_size);
        ours += pair->ours_us[ROUNDS / 2];
        pythons += pair->pythons_us[ROUNDS / 2];
        ratios[i] = pair->pythons_us[ROUNDS / 2] / pair->ours_us[ROUNDS / 2];
        bytes += (double)(pair->a.len + pair->b.len);
    }
    qsort(ratios, bench->count, sizeof(double), by_size);
    least = ratios[0];
    median = ratios[bench->count / 2];
    most = ratios[bench->count - 1];
    if (json)
        (void)printf(
                "{\"bench\":\"similarity\",\"metric\":\"patches_total\",\"value\":%.3f,"
                "\"unit\":\"ms\",\"spread\":%.1f,\"peer\":\"python3 difflib\",\"peer_value\":%.3f,"
                "\"ratio\":%.1f,\"bound\":%.0f,\"met\":%s}\n",
                ours / 1000, most - least, pythons / 1000, pythons / ours, BOUND,
                pythons / ours >= BOUND ? "true" : "false");
    else
        (void)printf(
                "%zu pairs of %.0f bytes (mean): ours %.3f ms, Python %.3f ms: %.1f times as fast;"
                " by pair %.1f to %.1f, median %.1f\n",
                bench->count, bytes / (double)bench->count, ours / 1000, pythons / 1000,
                pythons / ours, least, most, median);
}

int main(int argc, char **argv)
{
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    static struct bench bench;
    char texts[64];
    int wait_status = 0;

    collect(&bench);
    (void)snprintf(texts, sizeof(texts), "/tmp/assay-bench-similarity-%d", (int)getpid());
    start_python(&bench, texts);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < bench.count; i++)
            measure(&bench, i, round);
    }
    (void)fclose(bench.ask);
    (void)fclose(bench.answer);
    must(waitpid(bench.python, &wait_status, 0) == bench.python && wait_status == 0, "python3");
    (void)unlink(texts);
    report(&bench, json);
    for (size_t i = 0; i < bench.count; i++) {
        assay_buf_free(&bench.pairs[i].b);
        assay_buf_free(&bench.pairs[i].a);
    }
    return 0;
}
