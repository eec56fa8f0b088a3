// SPDX-License-Identifier: MIT
// policy.c - how fast the policy decodes and learns on two cores, beside torch.
//
// minimind-3's shape with random weights, fp32, saved in the published format and loaded by torch
// (peer.h); both take turns, round by round, and medians count. Both decode greedily and must
// choose the same ids. Start from the root of the repository.
//
//     policy [--json] [decode|batch|train|group|memory]...
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fs.h"
#include "figure.h"
#include "kernels/pool.h"
#include "learner.h"
#include "peer.h"
#include "policy/generate.h"
#include "policy/pass.h"
#include "policy/save.h"

#define CONFIG "tests/policy/fixtures/minimind_3.json"
#define TRAIN_ROWS ((size_t)TRAIN_B * TRAIN_T)
enum {
    THREADS = 2,
    ROUNDS = 7,
    READS = 4, // of all weights, in a round
    STEPS = 3,
    AHEAD = 512, // floats
    PROMPT = 8,
    TOKENS = 64,
    BATCH = 16,
    TRAIN_B = 4,
    TRAIN_T = 512,
    GROUP_PROMPT = 512,
    GROUP_TOKENS = 8,
    LONG = 4096, // tokens decoded while memory is watched
};

struct bench {
    bool json, met;
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_arena *arena;
    struct assay_model_config config;
    struct assay_model *model;
    struct peer *peer;
};

static void report(struct bench *bench, const struct figure *f)
{
    bench->met = figure_print("policy", f, bench->json) && bench->met;
}

// --- decoding ---

struct answers {
    int32_t ids[BATCH][LONG];
    double logp[BATCH][LONG];
    size_t counts[BATCH];
};

struct visitor {
    struct answers *answers;
    size_t first; // row of sample 0
};

static bool keep_token(void *user, const struct assay_generated *token)
{
    const struct visitor *v = user;
    const size_t row = v->first + token->sample;

    v->answers->ids[row][token->index] = token->id;
    v->answers->logp[row][token->index] = token->logp;
    v->answers->counts[row] = token->index + 1;
    return true;
}

struct job {
    size_t requests, samples, prompt, tokens;
    bool same_prompt;
};

// From the end of the step that read the prompts to the last token; *prefill_s: before it.
static double decode(struct bench *bench, const struct assay_model *model, const struct job *job,
        struct answers *answers, double *prefill_s, struct assay_generator_counts *counts)
{
    const size_t width = job->requests * job->samples;
    const struct assay_generator_options options = {.sequences_max = width,
            .rows_max = job->prompt > 128 ? job->prompt : 128,
            .positions_max = job->prompt + job->tokens};
    struct assay_generator *generator = NULL;
    struct visitor visitors[BATCH];
    int32_t prompt[GROUP_PROMPT];
    double start = 0, middle = 0, end = 0;
    size_t left = 1;

    must(assay_generator_create(&generator, model, &options, bench->stream, NULL) == ASSAY_OK,
            "generator");
    for (size_t i = 0; i < job->requests; i++) {
        struct assay_generation request = {.prompt = prompt,
                .prompt_count = job->prompt,
                .sample_count = job->samples,
                .token_count_max = job->tokens,
                .sampling = ASSAY_SAMPLING_PLAIN,
                .on_token = keep_token,
                .user = &visitors[i]};

        request.sampling.temperature = 0;
        visitors[i] = (struct visitor){answers, i * job->samples};
        learner_ids(prompt, job->prompt, job->same_prompt ? 0 : i, model->config.vocab_size);
        must(assay_generator_add(generator, &request, NULL) == ASSAY_OK, "request");
    }
    memset(answers->counts, 0, sizeof(answers->counts));
    settle();
    start = now_s();
    while (left > 0) {
        must(assay_generator_step(generator, &left, NULL) == ASSAY_OK, "step");
        if (middle == 0 && answers->counts[width - 1] > 0)
            middle = now_s();
    }
    end = now_s();
    *prefill_s = middle - start;
    if (counts != NULL)
        *counts = assay_generator_count(generator);
    assay_generator_destroy(generator);
    return end - middle;
}

static unsigned long checksum(const struct answers *answers, size_t rows, size_t count)
{
    unsigned long total = 0;

    for (size_t b = 0; b < rows; b++)
        for (size_t i = 0; i < count; i++)
            total = (total * 31 + (unsigned long)answers->ids[b][i] + 1) & UINT32_MAX;
    return total;
}

struct reading {
    const float *from;
    double sums[THREADS];
};

typedef float lanes __attribute__((vector_size(64)));

static void read_piece(void *context, size_t from, size_t to, size_t thread)
{
    struct reading *reading = context;
    lanes sum[4] = {0};

    for (size_t i = from; i + 64 <= to; i += 64)
        for (size_t j = 0; j < 4; j++) {
            __builtin_prefetch(reading->from + i + j * 16 + AHEAD, 0, 3);
            sum[j] += *(const lanes *)(const void *)(reading->from + i + j * 16);
        }
    reading->sums[thread] += (double)(sum[0] + sum[1] + sum[2] + sum[3])[0];
}

// Seconds to read all weights once, doing nothing with them: the same bytes that a token reads. Of
// READS times in a row, after one that wakes the threads.
static double read_weights(const struct bench *bench, struct assay_pool *pool)
{
    struct reading reading = {.from = bench->model->params.weights};
    double start = 0;

    settle();
    for (size_t i = 0; i <= READS; i++) {
        if (i == 1)
            start = now_s();
        assay_pool_pieces(pool, bench->model->params.element_count, 1 << 16, read_piece, &reading);
    }
    return (now_s() - start) / READS;
}

static void bench_decode(struct bench *bench, struct answers *answers)
{
    const struct job job = {.requests = 1, .samples = 1, .prompt = PROMPT, .tokens = TOKENS + 1};
    const double gb = (double)bench->model->params.element_count * sizeof(float) / 1e9;
    double ours[ROUNDS], reads[ROUNDS], loop[ROUNDS], generate[ROUNDS], prefill_s, spread;
    struct assay_pool *pool = NULL;
    unsigned long sum = 0;

    must(assay_pool_create(&pool, THREADS, NULL) == ASSAY_OK, "threads");
    (void)decode(bench, bench->model, &job, answers, &prefill_s, NULL);
    for (size_t i = 0; i < ROUNDS; i++) {
        reads[i] = gb / read_weights(bench, pool);
        ours[i] = TOKENS / decode(bench, bench->model, &job, answers, &prefill_s, NULL);
        if (bench->peer == NULL)
            continue;
        peer_ask(bench->peer, "loop 1", &loop[i], &sum);
        must(sum == checksum(answers, 1, TOKENS + 1), "torch chose other ids");
        loop[i] = TOKENS / loop[i];
        peer_ask(bench->peer, "generate 1", &generate[i], &sum);
        generate[i] = TOKENS / generate[i];
    }
    assay_pool_destroy(pool);
    struct figure f = {.metric = "decode_1_bandwidth",
            .unit = "GB/s",
            .peer = "read of the weights",
            .value = median(ours, ROUNDS) * gb,
            .peer_value = median(reads, ROUNDS),
            .bound = 0.7};
    spread = (ours[ROUNDS - 1] - ours[0]) / 2;
    f.spread = spread * gb;
    f.ratio = f.value / f.peer_value;
    report(bench, &f);
    if (bench->peer == NULL)
        return;
    f = (struct figure){.metric = "decode_1",
            .unit = "tokens/s",
            .peer = "torch loop",
            .value = median(ours, ROUNDS),
            .spread = spread,
            .peer_value = median(loop, ROUNDS),
            .bound = 1};
    f.ratio = f.value / f.peer_value;
    report(bench, &f);
    f.peer = "transformers generate";
    f.peer_value = median(generate, ROUNDS);
    f.ratio = f.value / f.peer_value;
    f.bound = 2;
    report(bench, &f);
}

static void bench_batch(struct bench *bench, struct answers *answers)
{
    const struct job job = {
            .requests = BATCH, .samples = 1, .prompt = PROMPT, .tokens = TOKENS + 1};
    double ours[ROUNDS], loop[ROUNDS] = {0}, prefill_s;
    unsigned long sum = 0;

    (void)decode(bench, bench->model, &job, answers, &prefill_s, NULL);
    for (size_t i = 0; i < ROUNDS; i++) {
        ours[i] = BATCH * TOKENS / decode(bench, bench->model, &job, answers, &prefill_s, NULL);
        if (bench->peer == NULL)
            continue;
        peer_ask(bench->peer, "loop 16", &loop[i], &sum);
        must(sum == checksum(answers, BATCH, TOKENS + 1), "torch chose other ids");
        loop[i] = BATCH * TOKENS / loop[i];
    }
    struct figure f = {.metric = "decode_16",
            .unit = "tokens/s",
            .peer = "torch loop",
            .value = median(ours, ROUNDS),
            .peer_value = median(loop, ROUNDS),
            .bound = 1};
    f.spread = (ours[ROUNDS - 1] - ours[0]) / 2;
    f.ratio = f.value / f.peer_value;
    report(bench, &f);
}

// --- a group, and memory ---

static void bench_group(struct bench *bench, struct answers *answers)
{
    static struct answers alone;
    const struct job group = {1, BATCH, GROUP_PROMPT, GROUP_TOKENS, true};
    const struct job each = {BATCH, 1, GROUP_PROMPT, GROUP_TOKENS, true};
    struct assay_generator_counts one = {0}, all = {0};
    double shared_s = 0, alone_s = 0;

    (void)decode(bench, bench->model, &group, answers, &shared_s, &one);
    (void)decode(bench, bench->model, &each, &alone, &alone_s, &all);
    for (size_t b = 0; b < BATCH; b++)
        for (size_t i = 0; i < GROUP_TOKENS; i++)
            must(answers->ids[b][i] == alone.ids[b][i] && answers->logp[b][i] == alone.logp[b][i],
                    "a group's logp is not that of single prompts");
    report(bench,
            &(struct figure){.metric = "group_16_prefill_rows",
                    .unit = "rows",
                    .peer = "16 prompts",
                    .value = (double)one.prompt_rows,
                    .peer_value = (double)all.prompt_rows,
                    .ratio = (double)all.prompt_rows / (double)one.prompt_rows,
                    .bound = 8});
    report(bench,
            &(struct figure){.metric = "group_16_prefill_time",
                    .unit = "s",
                    .peer = "16 prompts",
                    .value = shared_s,
                    .peer_value = alone_s,
                    .ratio = alone_s / shared_s,
                    .bound = 8});
}

// Resident set now, MiB.
static double resident_mib(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
    must(file != NULL && fscanf(file, "%lu %lu", &size, &resident) == 2, "statm");
    (void)fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

struct watch {
    double mib[2]; // after LONG / 8 tokens, after all
};

static bool watch_memory(void *user, const struct assay_generated *token)
{
    struct watch *watch = user;

    if (token->index + 1 == LONG / 8)
        watch->mib[0] = resident_mib();
    if (token->index + 1 == LONG)
        watch->mib[1] = resident_mib();
    return true;
}

// Two layers of minimind-3's width, both lightning.
static void bench_memory(struct bench *bench)
{
    static const uint8_t kinds[2] = {ASSAY_LAYER_LIGHTNING, ASSAY_LAYER_LIGHTNING};
    const struct assay_generator_options options = {
            .sequences_max = 1, .rows_max = 1, .positions_max = LONG + 1};
    struct assay_model_config config = bench->config;
    struct assay_model *model = NULL;
    struct assay_generator *generator = NULL;
    struct watch watch = {{0}};
    const int32_t prompt = 1;
    const struct assay_generation request = {.prompt = &prompt,
            .prompt_count = 1,
            .sample_count = 1,
            .token_count_max = LONG,
            .sampling = ASSAY_SAMPLING_PLAIN,
            .on_token = watch_memory,
            .user = &watch};
    size_t left = 1;

    config.layer_count = 2;
    config.layer_kinds = kinds;
    config.qk_norm = false;
    config.inner_norm_eps = config.norm_eps;
    must(assay_model_create(&model, &config, bench->ops, bench->stream, NULL) == ASSAY_OK &&
                    assay_params_init(&model->params, bench->stream, 1, 0.02, NULL) == ASSAY_OK,
            "lightning model");
    must(assay_generator_create(&generator, model, &options, bench->stream, NULL) == ASSAY_OK &&
                    assay_generator_add(generator, &request, NULL) == ASSAY_OK,
            "request");
    while (left > 0)
        must(assay_generator_step(generator, &left, NULL) == ASSAY_OK, "step");
    report(bench,
            &(struct figure){.metric = "lightning_decode_resident",
                    .unit = "MiB",
                    .peer = "after an eighth of the tokens",
                    .value = watch.mib[1],
                    .peer_value = watch.mib[0],
                    .ratio = watch.mib[1] / watch.mib[0],
                    .bound = 1.01,
                    .at_most = true});
    assay_generator_destroy(generator);
    assay_model_destroy(model);
}

// --- learning ---

static void bench_train(struct bench *bench)
{
    struct learner *learner =
            learner_make(bench->model, bench->ops, bench->stream, TRAIN_B, TRAIN_T);
    static const char *const names[] = {"train eager", "train sdpa"};
    double ours[STEPS], theirs[STEPS] = {0}, loss = 0, first[2] = {0};
    unsigned long sum = 0;
    size_t best = 1;

    // Which is faster for torch? Each once to warm up, once to see.
    for (size_t i = 0; bench->peer != NULL && i < 2; i++) {
        peer_ask(bench->peer, names[i], &first[i], &sum);
        peer_ask(bench->peer, names[i], &first[i], &sum);
    }
    best = first[0] < first[1] ? 0 : 1;
    (void)learner_step(learner, &loss);
    for (size_t i = 0; i < STEPS; i++) {
        if (bench->peer != NULL)
            peer_ask(bench->peer, names[best], &theirs[i], &sum);
        ours[i] = learner_step(learner, &loss);
        if (!bench->json)
            (void)printf("loss: ours %.6f, torch %.6f\n", loss, (double)sum / 1e6);
    }
    struct figure f = {.metric = "train_step",
            .unit = "s",
            .peer = best == 0 ? "torch eager" : "torch sdpa",
            .value = median(ours, STEPS),
            .peer_value = median(theirs, STEPS),
            .bound = 0.9};
    f.spread = (ours[STEPS - 1] - ours[0]) / 2;
    f.ratio = f.peer_value / f.value;
    report(bench, &f);
    learner_free(learner);
}

// --- main ---

static void prepare(struct bench *bench, const char *dir)
{
    const struct assay_stream_options options = {.thread_count = THREADS};
    const struct assay_save_options save = {.type = ASSAY_WEIGHT_F32};
    struct assay_error err = {0};

    must(bench->ops->device.stream_create(&bench->stream, &options, NULL) == ASSAY_OK &&
                    assay_arena_create(&bench->arena, 1 << 20, NULL) == ASSAY_OK &&
                    assay_model_config_load(&bench->config, CONFIG, NULL, bench->arena, NULL) ==
                            ASSAY_OK &&
                    assay_model_create(&bench->model, &bench->config, bench->ops, bench->stream,
                            NULL) == ASSAY_OK &&
                    assay_params_init(&bench->model->params, bench->stream, 1, 0.02, NULL) ==
                            ASSAY_OK,
            "model");
    if (getenv("ASSAY_BENCH_PYTHON") == NULL) // NOLINT(concurrency-mt-unsafe): one thread
        return;
    must(assay_model_save(bench->model, bench->stream, dir, &save, &err) == ASSAY_OK, err.message);
    bench->peer = peer_start("bench/policy/policy.py", dir);
}

static void remove_files(const char *dir)
{
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    must(tmp_fd >= 0 && assay_fs_remove_tree(tmp_fd, dir + strlen("/tmp/"), NULL) == ASSAY_OK,
            "remove the model's files");
    close(tmp_fd);
}

int main(int argc, char **argv)
{
    static struct answers answers;
    struct bench bench = {.met = true, .ops = assay_ops_cpu(NULL)};
    char dir[64];

    for (int i = 1; i < argc; i++)
        bench.json = bench.json || strcmp(argv[i], "--json") == 0;
    (void)snprintf(dir, sizeof(dir), "/tmp/assay-bench-policy-%d", (int)getpid());
    prepare(&bench, dir);
    if (wanted(argc, argv, "decode"))
        bench_decode(&bench, &answers);
    if (wanted(argc, argv, "batch") && bench.peer != NULL)
        bench_batch(&bench, &answers);
    if (wanted(argc, argv, "group"))
        bench_group(&bench, &answers);
    if (wanted(argc, argv, "memory"))
        bench_memory(&bench);
    if (wanted(argc, argv, "train") && bench.peer != NULL) // last: it changes the weights
        bench_train(&bench);
    peer_stop(bench.peer);
    remove_files(dir);
    assay_model_destroy(bench.model);
    assay_arena_destroy(bench.arena);
    bench.ops->device.stream_destroy(bench.stream);
    return bench.met ? 0 : 1;
}
