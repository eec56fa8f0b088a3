// SPDX-License-Identifier: MIT
// gpu_kernels.c - the operations of the cuda filling against the bandwidth and the arithmetic that
// the same run measures. bench/gpu/peers.py measures what others reach, on the same machine.
//
// A figure is the median of ROUNDS rounds; a round queues the work `reps` times, waits once, and
// divides. Inputs are random.
//
//     gpu_kernels [--json | --cold]
//
// --cold: the start alone.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "kernels/gpu.h"

enum { ROUNDS = 7, TENSORS_MAX = 32, BLOCK = 1 << 22 };

struct bench {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    void *tensors[TENSORS_MAX];
    size_t tensor_count;
    uint16_t *numbers; // [BLOCK] bf16
    double copy_bytes_s;
    bool json, met;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "gpu_kernels: %s\n", what);
    exit(1); // NOLINT(concurrency-mt-unsafe): one thread
}

static void wait_all(const struct bench *b)
{
    struct assay_error err = {0};

    must(b->ops->device.sync(b->stream, &err) == ASSAY_OK, err.message);
}

static void *tensor(struct bench *b, size_t bytes)
{
    void *memory = NULL;

    must(b->tensor_count < TENSORS_MAX && b->ops->device.alloc(&memory, bytes, NULL) == ASSAY_OK,
            "memory");
    b->tensors[b->tensor_count++] = memory;
    return memory;
}

static void release_all(struct bench *b)
{
    while (b->tensor_count > 0)
        b->ops->device.release(b->tensors[--b->tensor_count]);
}

// bf16, uniform in [-1, 1): the same 8 MB over and over.
static void *random_bf16(struct bench *b, size_t count)
{
    char *memory = tensor(b, count * 2);
    size_t have = count < BLOCK ? count : BLOCK;

    b->ops->device.upload(b->stream, memory, b->numbers, have * 2);
    for (; have < count; have *= 2)
        b->ops->device.copy(b->stream, memory + have * 2, memory,
                (count - have < have ? count - have : have) * 2);
    wait_all(b);
    return memory;
}

static void *uploaded(struct bench *b, const void *host, size_t bytes)
{
    void *memory = tensor(b, bytes);

    b->ops->device.upload(b->stream, memory, host, bytes);
    wait_all(b);
    return memory;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

// Seconds of one call.
static double time_of(struct bench *b, void (*call)(struct bench *, void *), void *user, int reps)
{
    double seconds[ROUNDS];

    call(b, user);
    wait_all(b);
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t start_us = assay_clock_us();

        for (int i = 0; i < reps; i++)
            call(b, user);
        wait_all(b);
        seconds[round] = (double)(assay_clock_us() - start_us) / 1e6 / reps;
    }
    qsort(seconds, ROUNDS, sizeof(double), compare);
    return seconds[ROUNDS / 2];
}

// bound 0: there is none; else the value is at least that.
static void figure(
        struct bench *b, const char *metric, double value, const char *unit, double bound)
{
    const bool met = bound <= 0 || value >= bound;

    b->met = b->met && met;
    if (!b->json) {
        (void)printf("%-48s %12.4g %s%s\n", metric, value, unit, met ? "" : "  (bound missed)");
        return;
    }
    (void)printf("{\"bench\":\"gpu_kernels\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\","
                 "\"spread\":null,\"peer\":null,\"peer_value\":null,\"ratio\":null,",
            metric, value, unit);
    if (bound > 0)
        (void)printf("\"bound\":%g,\"met\":%s}\n", bound, met ? "true" : "false");
    else
        (void)printf("\"bound\":null,\"met\":null}\n");
}

// --- ceilings -----------------------------------------------------------------------------------

struct copying {
    void *to, *from;
    size_t bytes;
};

static void copy_once(struct bench *b, void *user)
{
    const struct copying *c = user;

    b->ops->device.copy(b->stream, c->to, c->from, c->bytes);
}

static void matmul_once(struct bench *b, void *user)
{
    b->ops->matmul_forward(user, b->stream);
}

static void ceilings(struct bench *b)
{
    const size_t bytes = (size_t)4 << 30, n = 8192;
    struct copying copying = {.bytes = bytes};
    struct assay_matmul_args matmul = {.M = n, .N = n, .K = n};

    copying.from = random_bf16(b, bytes / 2);
    copying.to = tensor(b, bytes);
    b->copy_bytes_s = 2 * (double)bytes / time_of(b, copy_once, &copying, 4);
    figure(b, "copy", b->copy_bytes_s / 1e12, "TB/s", 0);
    release_all(b);
    matmul.x = random_bf16(b, n * n);
    matmul.w = random_bf16(b, n * n);
    matmul.y = tensor(b, n * n * 2);
    figure(b, "matmul_8192", 2 * pow((double)n, 3) / time_of(b, matmul_once, &matmul, 8) / 1e12,
            "TFLOP/s", 0);
    release_all(b);
}

// From the beginning of main() to the end of the first work of a kernel.
static void cold_start(struct bench *b, uint64_t start_us)
{
    const struct assay_silu_args silu = {
            .y = tensor(b, 1 << 20), .x = tensor(b, 1 << 20), .count = 1 << 18};

    b->ops->silu_forward(&silu, b->stream);
    wait_all(b);
    figure(b, "cold_start_ms", (double)(assay_clock_us() - start_us) / 1e3, "ms", 0);
    release_all(b);
}

// --- lightning ----------------------------------------------------------------------------------

static void lightning_once(struct bench *b, void *user)
{
    b->ops->lightning_forward(user, b->stream);
}

static void lightning_both(struct bench *b, void *user)
{
    b->ops->lightning_forward(user, b->stream);
    b->ops->lightning_backward(user, b->stream);
}

static void *slopes(struct bench *b, size_t H)
{
    float slope[128];

    for (size_t h = 0; h < H; h++)
        slope[h] = (float)pow(2, -8 * ((double)h + 1) / (double)H);
    return uploaded(b, slope, H * sizeof(float));
}

static void lightning(struct bench *b, size_t H, size_t T)
{
    const size_t D = 128, count = T * H * D;
    const struct assay_span span = {.row_count = (uint32_t)T};
    struct assay_lightning_args a = {
            .row_stride = H * D, .head_stride = D, .B = 1, .T = T, .rows_max = T, .H = H, .D = D};
    char name[96];
    double seconds;

    a.q = random_bf16(b, count);
    a.k = random_bf16(b, count);
    a.v = random_bf16(b, count);
    a.dout = random_bf16(b, count);
    a.out = tensor(b, count * 2);
    a.dq = tensor(b, count * 2);
    a.dk = tensor(b, count * 2);
    a.dv = tensor(b, count * 2);
    a.slope = slopes(b, H);
    a.spans = uploaded(b, &span, sizeof(span));
    seconds = time_of(b, lightning_once, &a, T > 32768 ? 4 : 20);
    (void)snprintf(name, sizeof(name), "lightning_forward_h%zu_t%zu_ms", H, T);
    figure(b, name, seconds * 1e3, "ms", 0);
    (void)snprintf(name, sizeof(name), "lightning_forward_h%zu_t%zu_of_copy", H, T);
    figure(b, name, 4 * (double)count * 2 / seconds / b->copy_bytes_s, "of copy bandwidth",
            T > 32768 ? 0.7 : 0);
    seconds = time_of(b, lightning_both, &a, T > 32768 ? 2 : 10);
    (void)snprintf(name, sizeof(name), "lightning_both_h%zu_t%zu_ms", H, T);
    figure(b, name, seconds * 1e3, "ms", 0);
    release_all(b);
}

// A token for each of B sequences that have `position` tokens already; seconds.
static double lightning_decode(struct bench *b, size_t B, size_t H, uint32_t position)
{
    const size_t D = 128, count = B * H * D, state_bytes = B * H * D * D * 4;
    struct assay_span spans[256];
    struct assay_lightning_args a = {
            .row_stride = H * D, .head_stride = D, .B = B, .T = B, .rows_max = 1, .H = H, .D = D};
    char name[96];
    double seconds;

    for (size_t i = 0; i < B; i++)
        spans[i] = (struct assay_span){
                .row = (uint32_t)i, .row_count = 1, .position = position, .slot = (uint32_t)i};
    a.q = random_bf16(b, count);
    a.k = random_bf16(b, count);
    a.v = random_bf16(b, count);
    a.out = tensor(b, count * 2);
    a.state = tensor(b, state_bytes);
    a.slope = slopes(b, H);
    a.spans = uploaded(b, spans, B * sizeof(spans[0]));
    seconds = time_of(b, lightning_once, &a, 200);
    (void)snprintf(name, sizeof(name), "lightning_decode_b%zu_h%zu_at%u_us", B, H, position);
    figure(b, name, seconds * 1e6, "us", 0);
    (void)snprintf(name, sizeof(name), "lightning_decode_b%zu_h%zu_at%u_of_copy", B, H, position);
    figure(b, name, 2 * (double)state_bytes / seconds / b->copy_bytes_s, "of copy bandwidth",
            B >= 32 ? 0.8 : 0);
    release_all(b);
    return seconds;
}

// Whatever the context: how far the slowest is from the fastest.
static void lightning_contexts(struct bench *b)
{
    static const uint32_t positions[] = {1000, 16000, 128000, 1048000};
    double least = HUGE_VAL, most = 0;

    for (size_t i = 0; i < 4; i++) {
        const double seconds = lightning_decode(b, 32, 64, positions[i]);

        least = fmin(least, seconds);
        most = fmax(most, seconds);
    }
    figure(b, "lightning_decode_1k_to_1m", 100 * (most / least - 1), "% apart", 0);
}

// --- softmax ------------------------------------------------------------------------------------

static void attention_once(struct bench *b, void *user)
{
    b->ops->attention_forward(user, b->stream);
}

static void attention_back(struct bench *b, void *user)
{
    b->ops->attention_backward(user, b->stream);
}

static void attention(struct bench *b, size_t B, size_t T, size_t H, size_t G, size_t D)
{
    const size_t rows = B * T;
    struct assay_span spans[256];
    struct assay_attention_args a = {
            .B = B, .T = rows, .rows_max = T, .H = H, .G = G, .D = D, .scale = 0.1};
    const double flops = 2.0 * (double)B * (double)H * (double)T * (double)T * (double)D;
    char name[96];

    for (size_t i = 0; i < B; i++)
        spans[i] = (struct assay_span){
                .row = (uint32_t)(i * T), .row_count = (uint32_t)T, .slot = (uint32_t)i};
    a.q = random_bf16(b, rows * H * D);
    a.k = random_bf16(b, rows * G * D);
    a.v = random_bf16(b, rows * G * D);
    a.dout = random_bf16(b, rows * H * D);
    a.out = tensor(b, rows * H * D * 2);
    a.lse = tensor(b, rows * H * 4);
    a.dq = tensor(b, rows * H * D * 2);
    a.dk = tensor(b, rows * G * D * 2);
    a.dv = tensor(b, rows * G * D * 2);
    a.spans = uploaded(b, spans, B * sizeof(spans[0]));
    (void)snprintf(name, sizeof(name), "attention_forward_b%zu_t%zu_d%zu", B, T, D);
    figure(b, name, flops / time_of(b, attention_once, &a, 3) / 1e12, "TFLOP/s", 0);
    (void)snprintf(name, sizeof(name), "attention_backward_b%zu_t%zu_d%zu", B, T, D);
    figure(b, name, 2.5 * flops / time_of(b, attention_back, &a, 3) / 1e12, "TFLOP/s", 0);
    release_all(b);
}

// A token for each of B sequences of 512, pages in order.
static void attention_decode(struct bench *b, size_t B, size_t H, size_t G, size_t D)
{
    enum { PAGES = 8 };
    const size_t elements = B * PAGES * ASSAY_ATTENTION_BLOCK * G * D;
    struct assay_span spans[256];
    int32_t pages[256 * PAGES];
    struct assay_attention_args a = {.pages_per_slot = PAGES,
            .B = B,
            .T = B,
            .rows_max = 1,
            .H = H,
            .G = G,
            .D = D,
            .scale = 0.1};
    char name[96];
    double seconds;

    for (size_t i = 0; i < B; i++)
        spans[i] = (struct assay_span){
                .row = (uint32_t)i, .row_count = 1, .position = 511, .slot = (uint32_t)i};
    for (size_t i = 0; i < B * PAGES; i++)
        pages[i] = (int32_t)i;
    a.q = random_bf16(b, B * H * D);
    a.k = random_bf16(b, elements);
    a.v = random_bf16(b, elements);
    a.out = tensor(b, B * H * D * 2);
    a.pages = uploaded(b, pages, B * PAGES * sizeof(pages[0]));
    a.spans = uploaded(b, spans, B * sizeof(spans[0]));
    seconds = time_of(b, attention_once, &a, 100);
    (void)snprintf(name, sizeof(name), "attention_decode_b%zu_t512_us", B);
    figure(b, name, seconds * 1e6, "us", 0);
    release_all(b);
}

// --- head ---------------------------------------------------------------------------------------

static void head_both(struct bench *b, void *user)
{
    b->ops->logprob_forward(user, b->stream);
    b->ops->logprob_backward(user, b->stream);
}

static void head(struct bench *b)
{
    const size_t T = 32768, V = 200064, C = 2048;
    struct assay_logprob_args a = {
            .T = T, .C = C, .V = V, .V_valid = V, .logit_scale = 1.0 / sqrt((double)C)};
    int32_t *targets = malloc(T * sizeof(*targets));
    float *dlogp = malloc(T * sizeof(*dlogp));

    must(targets && dlogp, "memory");
    for (size_t t = 0; t < T; t++) {
        targets[t] = (int32_t)(t * 2654435761u % V);
        dlogp[t] = -1.0f / (float)T;
    }
    a.x = random_bf16(b, T * C);
    a.w = random_bf16(b, V * C);
    a.target = uploaded(b, targets, T * sizeof(*targets));
    a.dlogp = uploaded(b, dlogp, T * sizeof(*dlogp));
    a.logp = tensor(b, T * 4);
    a.lse = tensor(b, T * 4);
    a.dx = tensor(b, T * C * 2);
    a.dw = tensor(b, V * C * 4);
    figure(b, "head_both_32k_v200064_d2048_ms", time_of(b, head_both, &a, 1) * 1e3, "ms", 0);
    free(targets);
    free(dlogp);
    release_all(b);
}

int main(int argc, char **argv)
{
    const uint64_t start_us = assay_clock_us();
    struct bench b = {.json = argc > 1 && strcmp(argv[1], "--json") == 0, .met = true};
    const struct assay_stream_options options = {0};
    struct assay_error err = {0};
    struct assay_rng rng;

    if (assay_ops_cuda(&b.ops, ASSAY_DTYPE_BF16, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "skipped: %s\n", err.message);
        return 0;
    }
    must(b.ops->device.stream_create(&b.stream, &options, &err) == ASSAY_OK, err.message);
    cold_start(&b, start_us);
    if (argc > 1 && strcmp(argv[1], "--cold") == 0) {
        b.ops->device.stream_destroy(b.stream);
        return 0;
    }
    b.numbers = malloc(BLOCK * sizeof(*b.numbers));
    must(b.numbers != NULL, "memory");
    assay_rng_seed(&rng, 1, 1);
    for (size_t i = 0; i < BLOCK; i++) {
        const float value = (float)(2 * assay_rng_unit(&rng) - 1);
        uint32_t bits;

        memcpy(&bits, &value, sizeof(bits));
        b.numbers[i] = (uint16_t)(bits >> 16);
    }
    ceilings(&b);
    lightning(&b, 64, 131072);
    lightning(&b, 96, 8192);
    (void)lightning_decode(&b, 1, 64, 1000);
    lightning_contexts(&b);
    (void)lightning_decode(&b, 256, 64, 1000);
    attention(&b, 32, 1024, 8, 4, 96);
    attention(&b, 4, 4096, 16, 16, 128);
    attention_decode(&b, 1, 8, 4, 96);
    attention_decode(&b, 256, 8, 4, 96);
    head(&b);
    free(b.numbers);
    b.ops->device.stream_destroy(b.stream);
    return b.met ? 0 : 1;
}
