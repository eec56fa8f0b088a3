// SPDX-License-Identifier: MIT
// train.c - batches of reinforcement learning a second, beside TRL's GRPOTrainer.
//
// Both sides: the same small Qwen3 with random weights, fp32, two threads; GROUPS prompts of PROMPT
// tokens, SIZE samples each of TOKENS tokens at temperature 1, a stubbed reward (the parity of the
// sampled ids), advantages by group, CISPO in UPDATES updates over shuffled rollouts, gradient
// clip, AdamW. Ours also recomputes every logp before the first update and ends the program where
// one bit differs, as a training run does. A step is such a batch. In turns, medians. Start from
// the root of the repository with ASSAY_BENCH_PYTHON (torch, transformers, trl); without, there is
// no peer and no bound, and the figure says so.
//
//     train [--json]
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fs.h"
#include "base/rng.h"
#include "figure.h"
#include "peer.h"
#include "policy/advantage.h"
#include "policy/generate.h"
#include "policy/save.h"
#include "policy/trainer.h"

enum {
    THREADS = 2,
    ROUNDS = 3,
    GROUPS = 4,
    SIZE = 16,
    PROMPT = 250,
    TOKENS = 24,
    UPDATES = 4,
    COUNT = GROUPS * SIZE,
    LENGTH = PROMPT + TOKENS,
};

// The shape of docs/train-demo.yaml, all softmax: Qwen3 has no lightning layers.
static const char config_json[] =
        "{\"model_type\":\"qwen3\",\"vocab_size\":1024,\"hidden_size\":96,\"num_hidden_layers\":4,"
        "\"num_attention_heads\":3,\"num_key_value_heads\":1,\"head_dim\":32,"
        "\"intermediate_size\":256,\"tie_word_embeddings\":true,\"max_position_embeddings\":512}";

struct bench {
    bool json, met;
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_arena *arena;
    struct assay_model_config config;
    struct assay_model *model;
    struct assay_generator *generator;
    struct assay_trainer *trainer;
    struct assay_rng rng;
    size_t prompts; // so far
    int32_t ids[COUNT][LENGTH];
    uint8_t mask[COUNT][LENGTH];
    double logp[COUNT][LENGTH];
    struct assay_trajectory rollouts[COUNT];
};

struct writer {
    struct bench *bench;
    size_t first; // rollout of the group
};

static bool take(void *user, const struct assay_generated *token)
{
    const struct writer *w = user;
    const size_t i = w->first + token->sample, at = PROMPT + token->index;

    w->bench->ids[i][at] = token->id;
    w->bench->mask[i][at] = 1;
    w->bench->logp[i][at] = token->logp;
    return true;
}

static void roll_out(struct bench *bench)
{
    struct writer writers[GROUPS];
    size_t left = 1;

    for (size_t g = 0; g < GROUPS; g++) {
        const size_t b = bench->prompts++;
        struct assay_generation request = {.prompt = bench->ids[g * SIZE],
                .prompt_count = PROMPT,
                .sample_count = SIZE,
                .token_count_max = TOKENS,
                .sampling = ASSAY_SAMPLING_PLAIN,
                .seed = b,
                .on_token = take,
                .user = &writers[g]};

        writers[g] = (struct writer){bench, g * SIZE};
        for (size_t i = 0; i < SIZE; i++)
            for (size_t k = 0; k < PROMPT; k++)
                bench->ids[g * SIZE + i][k] =
                        (int32_t)((b * 7919 + k * 104729 + 17) % bench->config.vocab_size);
        must(assay_generator_add(bench->generator, &request, NULL) == ASSAY_OK, "request");
    }
    while (left > 0)
        must(assay_generator_step(bench->generator, &left, NULL) == ASSAY_OK, "sample");
}

static void judge(struct bench *bench)
{
    struct assay_objective objective;
    double rewards[COUNT], advantages[COUNT];
    size_t sizes[GROUPS];

    must(assay_objective_default(&objective, "cispo"), "cispo");
    for (size_t i = 0; i < COUNT; i++) {
        int64_t sum = 0;

        for (size_t k = PROMPT; k < LENGTH; k++)
            sum += bench->ids[i][k];
        rewards[i] = (double)(sum % 2);
        sizes[i / SIZE] = SIZE;
    }
    assay_advantages(advantages, rewards, sizes, GROUPS, &objective);
    for (size_t i = 0; i < COUNT; i++)
        bench->rollouts[i] = (struct assay_trajectory){.ids = bench->ids[i],
                .mask = bench->mask[i],
                .logp_old = bench->logp[i],
                .count = LENGTH,
                .group = (uint32_t)(i / SIZE),
                .advantage = advantages[i]};
}

// Fisher and Yates, of single rollouts.
static void shuffle(struct bench *bench)
{
    for (size_t i = COUNT; i > 1; i--) {
        const size_t k = (size_t)assay_rng_below(&bench->rng, i);
        const struct assay_trajectory kept = bench->rollouts[i - 1];

        bench->rollouts[i - 1] = bench->rollouts[k];
        bench->rollouts[k] = kept;
    }
}

// Seconds of a batch.
static double step(struct bench *bench, bool groups)
{
    struct assay_agreement agreement;
    struct assay_update update;
    double start = 0;

    settle();
    start = now_s();
    roll_out(bench);
    judge(bench);
    must(assay_trainer_agree(&agreement, bench->trainer, bench->rollouts, COUNT, NULL) == ASSAY_OK,
            "agreement");
    must(agreement.differing_count == 0, "sampler and trainer disagree");
    if (!groups)
        shuffle(bench);
    for (size_t k = 0; k < UPDATES; k++)
        must(assay_trainer_update(bench->trainer, bench->rollouts + k * (COUNT / UPDATES),
                     COUNT / UPDATES, &update, NULL) == ASSAY_OK,
                "update");
    return now_s() - start;
}

static void report(struct bench *bench, const char *metric, double ours[ROUNDS], double theirs_s)
{
    struct figure f = {.metric = metric,
            .unit = "steps/s",
            .peer = theirs_s > 0 ? "trl" : PEER_SKIPPED,
            .bound = theirs_s > 0 ? 3 : 0};

    f.value = 1 / median(ours, ROUNDS);
    f.spread = (1 / ours[0] - 1 / ours[ROUNDS - 1]) / 2;
    if (theirs_s > 0) {
        f.peer_value = 1 / theirs_s;
        f.ratio = f.value / f.peer_value;
    }
    bench->met = figure_print("train", &f, bench->json) && bench->met;
}

// Ours cut both ways, and theirs, in turns.
static void measure(struct bench *bench, struct peer *peer)
{
    double rollouts[ROUNDS], groups[ROUNDS], theirs[ROUNDS] = {0};
    unsigned long tokens = 0;

    (void)step(bench, false);
    if (peer != NULL)
        peer_ask(peer, "batch", &theirs[0], &tokens);
    for (size_t i = 0; i < ROUNDS; i++) {
        rollouts[i] = step(bench, false);
        groups[i] = step(bench, true);
        if (peer != NULL)
            peer_ask(peer, "batch", &theirs[i], &tokens);
        must(peer == NULL || tokens == (unsigned long)COUNT * TOKENS,
                "the peer's batch is another");
    }
    report(bench, "cut_rollouts", rollouts, median(theirs, ROUNDS));
    report(bench, "cut_groups", groups, median(theirs, ROUNDS));
}

static void open_bench(struct bench *bench, const char *dir)
{
    const struct assay_stream_options threads = {.thread_count = THREADS};
    const struct assay_generator_options room = {
            .sequences_max = COUNT + GROUPS, .rows_max = COUNT + 512, .positions_max = LENGTH};
    const struct assay_save_options save = {.type = ASSAY_WEIGHT_F32};
    struct assay_trainer_options options = {.optimizer = {.lr = 1e-4,
                                                    .beta1 = 0.9,
                                                    .beta2 = 0.95,
                                                    .eps = 1e-15,
                                                    .grad_norm_max = 1},
            .temperature = 1,
            .rows_max = 4096,
            .sequences_max = 64};
    struct assay_error err = {0};

    must(assay_objective_default(&options.objective, "cispo"), "cispo");
    must(bench->ops->device.stream_create(&bench->stream, &threads, &err) == ASSAY_OK &&
                    assay_arena_create(&bench->arena, 1 << 20, &err) == ASSAY_OK &&
                    assay_model_config_read(&bench->config, config_json, strlen(config_json),
                            "config", NULL, bench->arena, &err) == ASSAY_OK &&
                    assay_model_create(&bench->model, &bench->config, bench->ops, bench->stream,
                            &err) == ASSAY_OK &&
                    assay_params_init(&bench->model->params, bench->stream, 1, 0.02, &err) ==
                            ASSAY_OK &&
                    assay_model_save(bench->model, bench->stream, dir, &save, &err) == ASSAY_OK &&
                    assay_generator_create(&bench->generator, bench->model, &room, bench->stream,
                            &err) == ASSAY_OK &&
                    assay_trainer_create(&bench->trainer, bench->model, &options, bench->stream,
                            &err) == ASSAY_OK,
            err.message);
    assay_rng_seed(&bench->rng, 1, 0);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.met = true}; // large
    const struct assay_ops *ops = assay_ops_cpu(NULL);
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct peer *peer = NULL;
    char dir[64];

    for (int i = 1; i < argc; i++)
        bench.json = bench.json || strcmp(argv[i], "--json") == 0;
    (void)snprintf(dir, sizeof(dir), "/tmp/assay-bench-train-%d", (int)getpid());
    bench.ops = ops;
    open_bench(&bench, dir);
    peer = peer_start("bench/policy/train.py", dir);
    measure(&bench, peer);
    peer_stop(peer);
    must(tmp_fd >= 0 && assay_fs_remove_tree(tmp_fd, dir + strlen("/tmp/"), NULL) == ASSAY_OK,
            "remove the model's files");
    close(tmp_fd);
    assay_trainer_destroy(bench.trainer);
    assay_generator_destroy(bench.generator);
    assay_model_destroy(bench.model);
    assay_arena_destroy(bench.arena);
    ops->device.stream_destroy(bench.stream);
    return bench.met ? 0 : 1;
}
