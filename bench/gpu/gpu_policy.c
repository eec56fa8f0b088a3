// SPDX-License-Identifier: MIT
// gpu_policy.c - training steps and generation of whole models on a GPU; bench/gpu/peers.py
// measures transformers on the same machine.
//
// train: a step is what the trainer does for a batch of B texts of T + 1 tokens: forward, loss,
// backward, clip, AdamW on float master weights. generate: `batch` prompts of 128 tokens, tokens of
// the decoding passes over their time. agree: the sampler's logp against the trainer's for the same
// weights. context: a prompt of a million tokens and 256 more, on a hybrid and, shorter, on the
// same model with softmax in every layer. Random weights.
//
//     gpu_policy [--json | --profile | --one] [minimind | hybrid | context]
//
// --one: generation at batch 1 alone, for a profiler.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/rng.h"
#include "kernels/gpu.h"
#include "policy/generate.h"
#include "policy/pass.h"
#include "policy/trainer.h"
#include "profile.h"

enum { STEPS = 5, PROMPT = 128 };

static const char minimind_json[] =
        "{\"model_type\":\"qwen3\",\"vocab_size\":6400,\"hidden_size\":768,"
        "\"num_hidden_layers\":8,\"num_attention_heads\":8,\"num_key_value_heads\":4,"
        "\"head_dim\":96,\"intermediate_size\":2432,\"tie_word_embeddings\":true,"
        "\"rope_theta\":1000000,\"rms_norm_eps\":1e-6,\"max_position_embeddings\":32768}";

// About a billion parameters, 7 lightning layers to one of softmax, dense.
static const char hybrid_json[] =
        "{\"model_type\":\"assay\",\"vocab_size\":32000,\"hidden_size\":2048,"
        "\"num_hidden_layers\":16,\"num_attention_heads\":16,\"num_key_value_heads\":4,"
        "\"head_dim\":128,\"intermediate_size\":5632,\"rotary_dim\":64,\"rope_theta\":10000000,"
        "\"rms_norm_eps\":1e-5,\"max_position_embeddings\":131072,"
        "\"layer_types\":[0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,1]}";

// About 300 million, 21 lightning layers and 3 of softmax; %s: the kinds of its layers.
static const char context_json[] =
        "{\"model_type\":\"assay\",\"vocab_size\":32000,\"hidden_size\":1024,"
        "\"num_hidden_layers\":24,\"num_attention_heads\":16,\"num_key_value_heads\":4,"
        "\"head_dim\":64,\"intermediate_size\":2048,\"rotary_dim\":32,\"rope_theta\":10000000,"
        "\"rms_norm_eps\":1e-5,\"max_position_embeddings\":2097152,\"layer_types\":[%s]}";
static const char kinds_hybrid[] = "0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,1";
static const char kinds_softmax[] = "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1";

struct bench {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_arena *arena;
    struct assay_model *model;
    const char *name;
    bool json, profile, one;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "gpu_policy: %s\n", what);
    exit(1); // NOLINT(concurrency-mt-unsafe): one thread
}

static void figure(const struct bench *b, const char *metric, double value, const char *unit)
{
    if (!b->json)
        (void)printf("%s_%-40s %12.4g %s\n", b->name, metric, value, unit);
    else
        (void)printf("{\"bench\":\"gpu_policy\",\"metric\":\"%s_%s\",\"value\":%.6g,"
                     "\"unit\":\"%s\",\"spread\":null,\"peer\":null,\"peer_value\":null,"
                     "\"ratio\":null,\"bound\":null,\"met\":null}\n",
                b->name, metric, value, unit);
    (void)fflush(stdout);
}

// Norms 1, matrices normal with deviation 0.02: the same 65,536 numbers over and over, since
// drawing a billion takes the host longer than the bench.
static void fill_weights(const struct bench *b)
{
    enum { COUNT = 65536 };
    struct assay_params *params = &b->model->params;
    float *normals = malloc(COUNT * sizeof(*normals)), *ones = malloc(COUNT * sizeof(*ones));
    struct assay_rng rng;

    must(normals && ones, "memory");
    assay_rng_seed(&rng, 1, 2);
    for (size_t i = 0; i < COUNT; i++) {
        const double u = 1 - assay_rng_unit(&rng), v = assay_rng_unit(&rng);

        normals[i] = (float)(0.02 * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
        ones[i] = 1;
    }
    for (size_t i = 0; i < params->count; i++) {
        const uint64_t count = assay_tensor_elements(&params->specs[i]);
        const float *from = ones;

        if (params->specs[i].rows > 1)
            from = normals;
        for (uint64_t at = 0; at < count; at += COUNT)
            must(assay_params_write(params, b->stream, i, at, from,
                         count - at < COUNT ? count - at : COUNT, NULL) == ASSAY_OK,
                    "weights");
    }
    free(normals);
    free(ones);
}

static void open_bench(struct bench *b, const char *config_json)
{
    struct assay_model_config config;
    struct assay_error err = {0};

    must(assay_arena_create(&b->arena, 1 << 20, &err) == ASSAY_OK &&
                    assay_model_config_read(&config, config_json, strlen(config_json), "config",
                            NULL, b->arena, &err) == ASSAY_OK &&
                    assay_model_create(&b->model, &config, b->ops, b->stream, &err) == ASSAY_OK,
            err.message);
    fill_weights(b);
    figure(b, "parameters", (double)b->model->params.element_count / 1e6, "million");
}

// --- training -----------------------------------------------------------------------------------

struct texts {
    size_t count;
    int32_t *ids;
    uint8_t *mask;
    struct assay_trajectory *at;
};

static struct texts make_texts(const struct bench *b, size_t count, size_t length)
{
    struct texts t = {.count = count};

    t.ids = calloc(count * length, sizeof(*t.ids));
    t.mask = calloc(length, 1);
    t.at = calloc(count, sizeof(*t.at));
    must(t.ids && t.mask && t.at, "memory");
    memset(t.mask + 1, 1, length - 1);
    for (size_t i = 0; i < count; i++) {
        int32_t *ids = t.ids + i * length;

        for (size_t k = 0; k < length; k++)
            ids[k] = (int32_t)((i * 7919 + k * 104729 + 17) % b->model->config.vocab_size);
        ids[0] = (int32_t)i; // no two begin alike: nothing is shared
        t.at[i] = (struct assay_trajectory){
                .ids = ids, .mask = t.mask, .count = length, .group = (uint32_t)i, .advantage = 1};
    }
    return t;
}

// Multiply-adds twice, 6 a parameter that multiplies and token, and the attention's: causal softmax
// 6 T H D a token (half of 12), lightning 6 * 2 D a head's channel.
static double flops_of(const struct bench *b, double tokens, double length)
{
    const struct assay_model_config *c = &b->model->config;
    const double width = (double)c->head_count * c->head_dim;
    const double embedding = (double)c->vocab_size * c->hidden_size;
    double parameters = (double)b->model->params.element_count, attention = 0;

    if (!c->tied_head)
        parameters -= embedding; // a look-up
    for (uint32_t i = 0; i < c->layer_count; i++)
        attention += c->layer_kinds[i] == ASSAY_LAYER_SOFTMAX ? 6 * length * width
                                                              : 12 * width * (double)c->head_dim;
    return tokens * (6 * parameters + attention);
}

static void train(const struct bench *b, size_t sequences, size_t length, size_t rows_max)
{
    struct assay_trainer_options options = {.optimizer = {.lr = 1e-4,
                                                    .beta1 = 0.9,
                                                    .beta2 = 0.95,
                                                    .eps = 1e-15,
                                                    .grad_norm_max = 1},
            .temperature = 1,
            .rows_max = rows_max,
            .sequences_max = sequences};
    struct texts texts = make_texts(b, sequences, length + 1);
    struct assay_trainer *trainer = NULL;
    struct assay_update update = {0};
    struct assay_error err = {0};
    double best_s = HUGE_VAL, first_loss = 0;

    must(assay_objective_default(&options.objective, "sft"), "sft");
    must(assay_trainer_create(&trainer, b->model, &options, b->stream, &err) == ASSAY_OK,
            err.message);
    for (int step = 0; step < (b->profile ? 2 : STEPS + 2); step++) {
        const uint64_t start_us = assay_clock_us();

        must(assay_trainer_update(trainer, texts.at, texts.count, &update, &err) == ASSAY_OK,
                err.message);
        if (b->profile)
            profile_print();
        if (step == 0)
            first_loss = update.metrics.loss;
        if (step >= 2)
            best_s = fmin(best_s, (double)(assay_clock_us() - start_us) / 1e6);
    }
    const double tokens = (double)(sequences * length);
    figure(b, "train_tokens_s", tokens / best_s, "tokens/s");
    figure(b, "train_step_ms", best_s * 1e3, "ms");
    figure(b, "train_tflops", flops_of(b, tokens, (double)length) / best_s / 1e12, "TFLOP/s");
    figure(b, "train_first_loss", first_loss, "nats");
    figure(b, "train_last_loss", update.metrics.loss, "nats");
    assay_trainer_destroy(trainer);
    free(texts.ids);
    free(texts.mask);
    free(texts.at);
}

// --- generation ---------------------------------------------------------------------------------

struct record {
    int32_t *ids; // [batch, PROMPT + tokens]
    double *logp;
    size_t length;
};

struct writer {
    struct record *record;
    size_t row;
};

static bool take(void *user, const struct assay_generated *token)
{
    const struct writer *w = user;
    const size_t at = w->row * w->record->length + PROMPT + token->index;

    w->record->ids[at] = token->id;
    w->record->logp[at] = token->logp;
    return true;
}

static void agree(const struct bench *b, const struct record *record, size_t batch)
{
    struct assay_trainer_options options = {
            .optimizer = {.lr = 1e-4, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-15},
            .temperature = 1,
            .rows_max = 16384,
            .sequences_max = 64};
    struct assay_trajectory *all = calloc(batch, sizeof(*all));
    uint8_t *mask = calloc(record->length, 1);
    struct assay_trainer *trainer = NULL;
    struct assay_agreement agreement;
    struct assay_error err = {0};

    must(all && mask && assay_objective_default(&options.objective, "cispo"), "memory");
    memset(mask + PROMPT, 1, record->length - PROMPT);
    for (size_t i = 0; i < batch; i++)
        all[i] = (struct assay_trajectory){.ids = record->ids + i * record->length,
                .mask = mask,
                .logp_old = record->logp + i * record->length,
                .count = record->length,
                .group = (uint32_t)i};
    must(assay_trainer_create(&trainer, b->model, &options, b->stream, &err) == ASSAY_OK &&
                    assay_trainer_agree(&agreement, trainer, all, batch, &err) == ASSAY_OK,
            err.message);
    figure(b, "agree_gap_mean", agreement.gap_mean, "nats");
    figure(b, "agree_gap_max", agreement.gap_max, "nats");
    figure(b, "agree_one_less_pearson", 1 - agreement.correlation, "");
    assay_trainer_destroy(trainer);
    free(all);
    free(mask);
}

static void generate(const struct bench *b, size_t batch, size_t tokens, bool compare)
{
    const size_t length = PROMPT + tokens;
    const struct assay_generator_options room = {
            .sequences_max = batch, .rows_max = batch + 8192, .positions_max = length};
    struct record record = {.length = length};
    struct writer *writers = calloc(batch, sizeof(*writers));
    struct assay_generator *generator = NULL;
    struct assay_error err = {0};
    char metric[64];
    uint64_t start_us = 0;
    size_t left = 1, passes = 0, timed = 0;

    record.ids = calloc(batch * length, sizeof(*record.ids));
    record.logp = calloc(batch * length, sizeof(*record.logp));
    must(writers && record.ids && record.logp &&
                    assay_generator_create(&generator, b->model, &room, b->stream, &err) ==
                            ASSAY_OK,
            "memory");
    for (size_t i = 0; i < batch; i++) {
        int32_t *ids = record.ids + i * length;
        struct assay_generation request = {.prompt = ids,
                .prompt_count = PROMPT,
                .sample_count = 1,
                .token_count_max = tokens,
                .sampling = ASSAY_SAMPLING_PLAIN,
                .seed = i,
                .on_token = take,
                .user = &writers[i]};

        for (size_t k = 0; k < PROMPT; k++)
            ids[k] = (int32_t)((i * 7919 + k * 104729 + 17) % b->model->config.vocab_size);
        writers[i] = (struct writer){&record, i};
        must(assay_generator_add(generator, &request, &err) == ASSAY_OK, err.message);
    }
    while (left > 0) {
        // The first passes read the prompts, and record the work of one token.
        if (passes++ == 16)
            start_us = assay_clock_us();
        must(assay_generator_step(generator, &left, &err) == ASSAY_OK, err.message);
        timed += start_us > 0;
    }
    (void)snprintf(metric, sizeof(metric), "generate_batch%zu", batch);
    figure(b, metric, (double)(timed * batch) * 1e6 / (double)(assay_clock_us() - start_us),
            "tokens/s");
    assay_generator_destroy(generator);
    if (compare)
        agree(b, &record, batch);
    free(record.ids);
    free(record.logp);
    free(writers);
}

static void close_bench(struct bench *b)
{
    assay_model_destroy(b->model);
    assay_arena_destroy(b->arena);
    b->model = NULL;
    b->arena = NULL;
}

// --- a long context -----------------------------------------------------------------------------

struct clocked {
    uint64_t first_us, last_us; // when the first and the last token came
};

static bool clock_token(void *user, const struct assay_generated *token)
{
    struct clocked *c = user;

    c->last_us = assay_clock_us();
    if (token->index == 0)
        c->first_us = c->last_us;
    return true;
}

// What the device holds of one sequence of so many positions, besides weights.
static double sequence_bytes(const struct bench *b, double positions)
{
    const struct assay_model_config *c = &b->model->config;
    double bytes = 0;

    for (uint32_t i = 0; i < c->layer_count; i++)
        bytes += c->layer_kinds[i] == ASSAY_LAYER_SOFTMAX
                ? 2 * positions * (double)c->kv_head_count * c->head_dim * 2
                : (double)c->head_count * c->head_dim * c->head_dim * 4;
    return bytes;
}

static void context(struct bench *b, const char *kinds, size_t prompt)
{
    enum { TOKENS = 256, ROWS = 16384 };
    const struct assay_generator_options room = {
            .sequences_max = 1, .rows_max = ROWS, .positions_max = prompt + TOKENS};
    const struct assay_pass_options pass = {.rows_max = ROWS, .sequences_max = 1};
    struct assay_generator *generator = NULL;
    struct assay_error err = {0};
    struct clocked clocked = {0};
    int32_t *ids = calloc(prompt, sizeof(*ids));
    const uint64_t start_us = assay_clock_us();
    char json[2048], metric[64];
    size_t left = 1;

    (void)snprintf(json, sizeof(json), context_json, kinds);
    open_bench(b, json);
    const uint64_t opened_us = assay_clock_us();
    must(ids && assay_generator_create(&generator, b->model, &room, b->stream, &err) == ASSAY_OK,
            err.message);
    for (size_t k = 0; k < prompt; k++)
        ids[k] = (int32_t)((k * 104729 + 17) % b->model->config.vocab_size);
    const struct assay_generation request = {.prompt = ids,
            .prompt_count = prompt,
            .sample_count = 1,
            .token_count_max = TOKENS,
            .sampling = ASSAY_SAMPLING_PLAIN,
            .seed = 1,
            .on_token = clock_token,
            .user = &clocked};
    must(assay_generator_add(generator, &request, &err) == ASSAY_OK, err.message);
    const uint64_t begin_us = assay_clock_us();
    while (left > 0)
        must(assay_generator_step(generator, &left, &err) == ASSAY_OK, err.message);
    (void)snprintf(metric, sizeof(metric), "%zu_prefill_s", prompt);
    figure(b, metric, (double)(clocked.first_us - begin_us) / 1e6, "s");
    (void)snprintf(metric, sizeof(metric), "%zu_token_ms", prompt);
    figure(b, metric, (double)(clocked.last_us - clocked.first_us) / 1e3 / (TOKENS - 1), "ms");
    (void)snprintf(metric, sizeof(metric), "%zu_memory_gb", prompt);
    figure(b, metric,
            (sequence_bytes(b, (double)(prompt + TOKENS)) +
                    (double)b->model->params.element_count * 2 +
                    (double)assay_pass_bytes(&b->model->config, b->ops, &pass)) /
                    1e9,
            "GB, counted");
    figure(b, "sequence_of_1M_gb", sequence_bytes(b, 1048576) / 1e9, "GB, computed");
    figure(b, "setup_s", (double)(opened_us - start_us) / 1e6, "s");
    assay_generator_destroy(generator);
    free(ids);
    close_bench(b);
}

static void contexts(struct bench *b)
{
    b->name = "context300m";
    context(b, kinds_hybrid, 1024);
    context(b, kinds_hybrid, 131072);
    b->name = "softmax300m";
    context(b, kinds_softmax, 131072);
    b->name = "context300m";
    context(b, kinds_hybrid, 1048576);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    const struct assay_stream_options options = {0};
    const char *only = NULL;
    struct assay_error err = {0};

    for (int i = 1; i < argc; i++) {
        b.json |= strcmp(argv[i], "--json") == 0;
        b.profile |= strcmp(argv[i], "--profile") == 0;
        b.one |= strcmp(argv[i], "--one") == 0;
        only = argv[i][0] != '-' ? argv[i] : only;
    }
    if (assay_ops_cuda(&b.ops, ASSAY_DTYPE_BF16, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "skipped: %s\n", err.message);
        return 0;
    }
    if (b.profile)
        b.ops = profile_of(b.ops);
    must(b.ops->device.stream_create(&b.stream, &options, &err) == ASSAY_OK, err.message);
    if (!only || strcmp(only, "minimind") == 0) {
        b.name = "minimind3";
        open_bench(&b, minimind_json);
        if (!b.profile)
            generate(&b, 1, 400, true);
        if (!b.profile && !b.one) {
            generate(&b, 64, 128, true);
            generate(&b, 256, 128, true);
        }
        if (!b.one)
            train(&b, 32, 1024, 32768);
        close_bench(&b);
    }
    if (!only || strcmp(only, "hybrid") == 0) {
        b.name = "hybrid1b";
        open_bench(&b, hybrid_json);
        if (!b.profile)
            generate(&b, 16, 64, true);
        train(&b, 8, 4096, 32768);
        close_bench(&b);
    }
    if (only && strcmp(only, "context") == 0) // a minute, of which most is softmax
        contexts(&b);
    b.ops->device.stream_destroy(b.stream);
    return 0;
}
