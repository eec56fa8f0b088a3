// SPDX-License-Identifier: MIT
// gemm.c - matrix products beside OpenBLAS, and one row's product beside the memory's read
// bandwidth.
//
// The shapes are minimind-3's layers with the 2,048 tokens of a training step, in all three
// directions, and squares. Same thread count on both sides, in turns in one run, medians. A turn is
// a pause, in which the other side's threads stop waiting for more work, a product that wakes one's
// own, and the one that counts. OpenBLAS chooses its own core type: the variables that could force
// one are taken away before it starts.
//
//     gemm [--json] [threads]
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "kernels/ops.h"
#include "kernels/pool.h"

enum { ROUNDS = 7, SETTLE_NS = 50000000, AHEAD = 256 };

static const double BOUND = 0.85;

struct bench {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    bool json;
    bool met;
};

static float *random_floats(const struct bench *bench, size_t count)
{
    void *memory = NULL;
    float *values = NULL;
    struct assay_rng rng;

    if (bench->ops->device.alloc(&memory, count * sizeof(float), NULL) != ASSAY_OK)
        exit(1); // NOLINT(concurrency-mt-unsafe): one thread
    values = memory;
    assay_rng_seed(&rng, 1, count);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(assay_rng_unit(&rng) - 0.5);
    return values;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof(values[0]), by_size);
    return values[ROUNDS / 2];
}

static double since_s(uint64_t start_us)
{
    return (double)(assay_clock_us() - start_us) / 1e6;
}

enum direction { FORWARD, INPUT, WEIGHT };

static void theirs(enum direction direction, const struct assay_matmul_args *a)
{
    const int M = (int)a->M, N = (int)a->N, K = (int)a->K;

    switch (direction) {
    case FORWARD:
        cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, a->x, K, a->w, K, 0, a->y, N);
        break;
    case INPUT:
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, K, N, 1, a->dy, N, a->w, K, 0,
                a->dx, K);
        break;
    case WEIGHT:
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, N, K, M, 1, a->dy, N, a->x, K, 1,
                a->dw, K);
        break;
    }
}

static void ours(
        const struct bench *bench, enum direction direction, const struct assay_matmul_args *a)
{
    switch (direction) {
    case FORWARD:
        bench->ops->matmul_forward(a, bench->stream);
        break;
    case INPUT:
        bench->ops->matmul_backward_input(a, bench->stream);
        break;
    case WEIGHT:
        bench->ops->matmul_backward_weight(a, bench->stream);
        break;
    }
}

static void settle(void)
{
    const struct timespec pause = {.tv_nsec = SETTLE_NS};

    (void)nanosleep(&pause, NULL);
}

static double our_turn(
        const struct bench *bench, enum direction direction, const struct assay_matmul_args *a)
{
    uint64_t start_us = 0;

    settle();
    ours(bench, direction, a);
    start_us = assay_clock_us();
    ours(bench, direction, a);
    return since_s(start_us);
}

static double their_turn(enum direction direction, const struct assay_matmul_args *a)
{
    uint64_t start_us = 0;

    settle();
    theirs(direction, a);
    start_us = assay_clock_us();
    theirs(direction, a);
    return since_s(start_us);
}

static void shape(struct bench *bench, size_t M, size_t N, size_t K, enum direction direction)
{
    static const char *const names[] = {"forward", "backward_input", "backward_weight"};
    float *x = random_floats(bench, M * K), *w = random_floats(bench, N * K),
          *dy = random_floats(bench, M * N);
    float *y = random_floats(bench, M * N), *dx = random_floats(bench, M * K),
          *dw = random_floats(bench, N * K);
    const struct assay_matmul_args args = {
            .y = y, .x = x, .w = w, .M = M, .N = N, .K = K, .dx = dx, .dw = dw, .dy = dy};
    const double flops = 2.0 * (double)M * (double)N * (double)K;
    double our_s[ROUNDS], their_s[ROUNDS], ratio = 0;

    ours(bench, direction, &args); // page faults and threads
    theirs(direction, &args);
    for (int i = 0; i < ROUNDS; i++) {
        our_s[i] = our_turn(bench, direction, &args);
        their_s[i] = their_turn(direction, &args);
    }
    ratio = median(their_s) / median(our_s);
    bench->met = bench->met && ratio >= BOUND;
    if (bench->json)
        (void)printf(
                "{\"bench\":\"gemm\",\"metric\":\"%s_%zux%zux%zu\",\"value\":%.1f,\"unit\":\"GFLOP/s\","
                "\"spread\":%.1f,\"peer\":\"OpenBLAS\",\"peer_value\":%.1f,\"ratio\":%.3f,"
                "\"bound\":%.2f,\"met\":%s}\n",
                names[direction], M, N, K, flops / median(our_s) / 1e9,
                flops / our_s[0] / 1e9 - flops / our_s[ROUNDS - 1] / 1e9,
                flops / median(their_s) / 1e9, ratio, BOUND, ratio >= BOUND ? "true" : "false");
    else
        (void)printf("%-16s %5zu x %5zu x %5zu: %7.1f GFLOP/s, OpenBLAS %7.1f, ratio %.2f\n",
                names[direction], M, N, K, flops / median(our_s) / 1e9,
                flops / median(their_s) / 1e9, ratio);
    bench->ops->device.release(x);
    bench->ops->device.release(w);
    bench->ops->device.release(dy);
    bench->ops->device.release(y);
    bench->ops->device.release(dx);
    bench->ops->device.release(dw);
}

struct words {
    const uint64_t *at;
    _Atomic uint64_t sum;
};

// Reads and adds: as fast as these threads can read.
static void read_piece(void *context, size_t from, size_t to, size_t thread)
{
    struct words *words = context;
    uint64_t sum[8] = {0};

    (void)thread;
    for (size_t i = from; i + 8 <= to; i += 8)
        for (size_t j = 0; j < 8; j++) {
            if (j == 0) // a line is eight words
                __builtin_prefetch(words->at + i + AHEAD, 0, 3);
            sum[j] += words->at[i + j];
        }
    for (size_t j = 0; j < 8; j++)
        words->sum += sum[j];
}

static void print_row(const struct bench *bench, const char *metric, const char *peer, double bytes,
        double our_s[ROUNDS], double their_s[ROUNDS], double bound)
{
    const double our = bytes / median(our_s) / 1e9, their = bytes / median(their_s) / 1e9;

    if (bench->json)
        (void)printf("{\"bench\":\"gemm\",\"metric\":\"%s\",\"value\":%.2f,\"unit\":\"GB/s\","
                     "\"spread\":%.2f,\"peer\":\"%s\",\"peer_value\":%.2f,\"ratio\":%.3f,"
                     "\"bound\":%.2f,\"met\":%s}\n",
                metric, our, bytes / our_s[0] / 1e9 - bytes / our_s[ROUNDS - 1] / 1e9, peer, their,
                our / their, bound, our / their >= bound ? "true" : "false");
    else
        (void)printf("%s: %.2f GB/s, %s %.2f, ratio %.2f\n", metric, our, peer, their, our / their);
}

// One row times a matrix that no cache holds, beside OpenBLAS and beside reading as many bytes.
static void vector(struct bench *bench, struct assay_pool *pool)
{
    const size_t N = 32768, K = 2048, count = N * K * sizeof(float);
    float *x = random_floats(bench, K), *w = random_floats(bench, N * K),
          *y = random_floats(bench, N);
    const struct assay_matmul_args args = {.y = y, .x = x, .w = w, .M = 1, .N = N, .K = K};
    double our_s[ROUNDS], their_s[ROUNDS], read_s[ROUNDS];
    struct words words = {.at = (const uint64_t *)(const void *)w};

    for (int i = 0; i < ROUNDS; i++) {
        our_s[i] = our_turn(bench, FORWARD, &args);
        for (int wake = 1; wake >= 0; wake--) {
            uint64_t start_us = 0;

            if (wake)
                settle();
            start_us = assay_clock_us();
            cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)N, (int)K, 1, w, (int)K, x, 1, 0, y, 1);
            their_s[i] = since_s(start_us);
        }
        for (int wake = 1; wake >= 0; wake--) {
            uint64_t start_us = 0;

            if (wake)
                settle();
            start_us = assay_clock_us();
            assay_pool_pieces(pool, count / sizeof(uint64_t), 1 << 15, read_piece, &words);
            read_s[i] = since_s(start_us);
        }
    }
    print_row(bench, "row_32768x2048", "OpenBLAS sgemv", (double)count, our_s, their_s, BOUND);
    print_row(bench, "row_32768x2048_of_bandwidth", "reading", (double)count, our_s, read_s, 0.7);
    bench->met = bench->met && median(their_s) / median(our_s) >= BOUND &&
            median(read_s) / median(our_s) >= 0.7;
    bench->ops->device.release(x);
    bench->ops->device.release(w);
    bench->ops->device.release(y);
}

// OpenBLAS reads its variables when it is loaded: take them away and start again.
static void drop_forced_core(char **argv)
{
    // NOLINTBEGIN(concurrency-mt-unsafe): one thread
    if (getenv("OPENBLAS_CORETYPE") == NULL && getenv("OPENBLAS_L2_SIZE") == NULL)
        return;
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("OPENBLAS_L2_SIZE");
    // NOLINTEND(concurrency-mt-unsafe)
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    static const size_t layers[][2] = {
            {768, 768}, {384, 768}, {2432, 768}, {768, 2432}, {6400, 768}};
    struct bench bench = {.ops = assay_ops_cpu(NULL), .met = true};
    struct assay_stream_options options = {0};
    struct assay_pool *pool = NULL;

    drop_forced_core(argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            bench.json = true;
        else
            options.thread_count = strtoul(argv[i], NULL, 10);
    }
    if (options.thread_count == 0)
        options.thread_count = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    openblas_set_num_threads((int)options.thread_count);
    if (bench.ops->device.stream_create(&bench.stream, &options, NULL) != ASSAY_OK ||
            assay_pool_create(&pool, options.thread_count, NULL) != ASSAY_OK)
        return 1;
    (void)fprintf(stderr, "%s; OpenBLAS core %s; %zu threads each\n", bench.ops->name,
            openblas_get_corename(), options.thread_count);
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
        for (int direction = FORWARD; direction <= WEIGHT; direction++)
            shape(&bench, 2048, layers[i][0], layers[i][1], (enum direction)direction);
    shape(&bench, 512, 512, 512, FORWARD);
    shape(&bench, 1024, 1024, 1024, FORWARD);
    shape(&bench, 2048, 2048, 2048, FORWARD);
    shape(&bench, 16, 2432, 768, FORWARD);
    vector(&bench, pool);
    assay_pool_destroy(pool);
    bench.ops->device.stream_destroy(bench.stream);
    return bench.met ? 0 : 1;
}
