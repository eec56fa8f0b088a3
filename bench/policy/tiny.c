// SPDX-License-Identifier: MIT
// tiny.c - rollouts and training steps of small models on two cores, beside torch: what a run on
// thousands of short answers is made of.
//
// Two shapes with random weights, fp32, loaded by torch from our files. A rollout is 256 samples of
// 64 tokens of one prompt at temperature 1, with the logp of every token; a step is forward,
// backward and AdamW of 64 sequences of 200 tokens. In turns, medians. Start from the root of the
// repository with ASSAY_BENCH_PYTHON; without, there is no peer and no bound.
//
//     tiny [--json] [128x4_v2048|256x6_v8192]...
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fs.h"
#include "figure.h"
#include "learner.h"
#include "peer.h"
#include "policy/generate.h"
#include "policy/pass.h"
#include "policy/save.h"

enum {
    THREADS = 2,
    ROUNDS = 3,
    SAMPLES = 256,
    PROMPT = 64,
    TOKENS = 64,
    SEQUENCES = 64,
    LENGTH = 200,
    ROWS = SEQUENCES * LENGTH,
};

struct shape {
    const char *name, *config;
};

#define CONFIG(width, layers, heads, inner, vocab)                                                 \
    "{\"model_type\":\"qwen3\",\"vocab_size\":" vocab ",\"hidden_size\":" width                    \
    ",\"num_hidden_layers\":" layers ",\"num_attention_heads\":" heads                             \
    ",\"num_key_value_heads\":2,\"head_dim\":32,\"intermediate_size\":" inner                      \
    ",\"tie_word_embeddings\":true,\"max_position_embeddings\":512}"

static const struct shape shapes[] = {
        {"128x4_v2048", CONFIG("128", "4", "4", "384", "2048")},
        {"256x6_v8192", CONFIG("256", "6", "8", "768", "8192")},
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

static bool take(void *user, const struct assay_generated *token)
{
    *(double *)user += token->logp;
    return true;
}

// Seconds.
static double roll_out(const struct bench *bench)
{
    const struct assay_generator_options options = {
            .sequences_max = SAMPLES, .rows_max = SAMPLES, .positions_max = PROMPT + TOKENS};
    struct assay_generator *generator = NULL;
    int32_t prompt[PROMPT];
    double logp = 0, start = 0;
    const struct assay_generation request = {.prompt = prompt,
            .prompt_count = PROMPT,
            .sample_count = SAMPLES,
            .token_count_max = TOKENS,
            .sampling = ASSAY_SAMPLING_PLAIN,
            .seed = 1,
            .on_token = take,
            .user = &logp};
    size_t left = 1;

    learner_ids(prompt, PROMPT, 0, bench->config.vocab_size);
    must(assay_generator_create(&generator, bench->model, &options, bench->stream, NULL) ==
                            ASSAY_OK &&
                    assay_generator_add(generator, &request, NULL) == ASSAY_OK,
            "generator");
    settle();
    start = now_s();
    while (left > 0)
        must(assay_generator_step(generator, &left, NULL) == ASSAY_OK, "step");
    start = now_s() - start;
    assay_generator_destroy(generator);
    return start;
}

// `seconds` of ROUNDS turns become tokens a second.
static void report(struct bench *bench, const char *what, const struct shape *shape, size_t tokens,
        double ours[ROUNDS], double theirs[ROUNDS])
{
    char metric[64];
    const bool peer = bench->peer != NULL;
    struct figure f = {.metric = metric,
            .unit = "tokens/s",
            .peer = peer ? "torch" : "none",
            .bound = peer ? 1 : 0};

    (void)snprintf(metric, sizeof(metric), "%s_%s", what, shape->name);
    f.value = (double)tokens / median(ours, ROUNDS);
    f.spread = ((double)tokens / ours[0] - (double)tokens / ours[ROUNDS - 1]) / 2;
    if (peer)
        f.peer_value = (double)tokens / median(theirs, ROUNDS);
    f.ratio = peer ? f.value / f.peer_value : 0;
    bench->met = figure_print("tiny", &f, bench->json) && bench->met;
}

static void ask(const struct bench *bench, const char *what, double *seconds)
{
    unsigned long sum = 0;

    *seconds = 0;
    if (bench->peer != NULL)
        peer_ask(bench->peer, what, seconds, &sum);
}

static void measure(struct bench *bench, const struct shape *shape)
{
    struct learner *learner = NULL;
    double ours[ROUNDS], theirs[ROUNDS];

    (void)roll_out(bench);
    ask(bench, "sample 256", &theirs[0]);
    for (size_t i = 0; i < ROUNDS; i++) {
        ours[i] = roll_out(bench);
        ask(bench, "sample 256", &theirs[i]);
    }
    report(bench, "rollout", shape, (size_t)SAMPLES * TOKENS, ours, theirs);
    learner = learner_make(bench->model, bench->ops, bench->stream, SEQUENCES, LENGTH);
    (void)learner_step(learner, NULL);
    ask(bench, "step 64", &theirs[0]);
    for (size_t i = 0; i < ROUNDS; i++) {
        ours[i] = learner_step(learner, NULL);
        ask(bench, "step 64", &theirs[i]);
    }
    report(bench, "step", shape, ROWS, ours, theirs);
    learner_free(learner);
}

static void run_shape(struct bench *bench, const struct shape *shape, const char *dir)
{
    const struct assay_save_options save = {.type = ASSAY_WEIGHT_F32};
    struct assay_error err = {0};
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    must(tmp_fd >= 0 &&
                    assay_model_config_read(&bench->config, shape->config, strlen(shape->config),
                            shape->name, NULL, bench->arena, &err) == ASSAY_OK &&
                    assay_model_create(&bench->model, &bench->config, bench->ops, bench->stream,
                            &err) == ASSAY_OK &&
                    assay_params_init(&bench->model->params, bench->stream, 1, 0.02, &err) ==
                            ASSAY_OK &&
                    assay_model_save(bench->model, bench->stream, dir, &save, &err) == ASSAY_OK,
            err.message);
    bench->peer = peer_start("bench/policy/policy.py", dir);
    measure(bench, shape);
    peer_stop(bench->peer);
    must(assay_fs_remove_tree(tmp_fd, dir + strlen("/tmp/"), NULL) == ASSAY_OK,
            "remove the model's files");
    close(tmp_fd);
    assay_model_destroy(bench->model);
}

int main(int argc, char **argv)
{
    const struct assay_stream_options options = {.thread_count = THREADS};
    struct bench bench = {.met = true, .ops = assay_ops_cpu(NULL)};
    char dir[64];

    for (int i = 1; i < argc; i++)
        bench.json = bench.json || strcmp(argv[i], "--json") == 0;
    (void)snprintf(dir, sizeof(dir), "/tmp/assay-bench-tiny-%d", (int)getpid());
    must(bench.ops->device.stream_create(&bench.stream, &options, NULL) == ASSAY_OK &&
                    assay_arena_create(&bench.arena, 1 << 20, NULL) == ASSAY_OK,
            "memory");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (wanted(argc, argv, shapes[i].name))
            run_shape(&bench, &shapes[i], dir);
    assay_arena_destroy(bench.arena);
    bench.ops->device.stream_destroy(bench.stream);
    return bench.met ? 0 : 1;
}
