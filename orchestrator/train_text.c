// SPDX-License-Identifier: MIT
// train_text.c - tasks to tokens, once: what is sampled later is kept as tokens.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "orchestrator/train_group.h"
#include "policy/bpe_train.h"

#define TOKENIZER_BYTES_MAX ((size_t)64 << 20)
#define PROMPT_ROWS 512 // of prompts, beside the answers that are under way
#define DRAWS_MAX 10000 // in a row that are too long

static const char *const start_token = "<|start|>", *const end_token = "<|end|>";

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- the vocabulary ------------------------------------------------------------------------------

static enum assay_status count_texts(
        struct training *t, struct assay_bpe_trainer *trainer, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (uint64_t i = 0; i < t->config->tokenizer_texts && status == ASSAY_OK; i++) {
        struct assay_train_task task;
        struct assay_arena *arena = NULL;

        status = assay_arena_create(&arena, ASSAY_STEP_ARENA_BYTES, err);
        if (status == ASSAY_OK)
            status = t->source->draw(t->source->user, &task, ASSAY_TRAIN_SFT, i, arena, err);
        if (status == ASSAY_OK)
            status = assay_bpe_trainer_add(trainer, task.prompt.data, task.prompt.len, err);
        if (status == ASSAY_OK)
            status = assay_bpe_trainer_add(trainer, task.answer.data, task.answer.len, err);
        assay_arena_destroy(arena);
    }
    return status;
}

// Digits stand alone in qwen2's pattern: a line's number is a few tokens, the same everywhere.
static enum assay_status write_tokenizer(
        struct training *t, const char *path, struct assay_error *err)
{
    const char *const specials[] = {start_token, end_token};
    struct assay_bpe_trainer *trainer = NULL;
    struct assay_buf text;
    enum assay_status status = assay_bpe_trainer_create(&trainer, "qwen2", err);

    assay_buf_init(&text, TOKENIZER_BYTES_MAX);
    if (status == ASSAY_OK)
        status = count_texts(t, trainer, err);
    if (status == ASSAY_OK)
        status = assay_bpe_trainer_finish(
                trainer, (uint32_t)t->config->vocab, specials, 2, &text, err);
    if (status == ASSAY_OK)
        status = assay_buf_check(&text, "tokenizer.json", err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(path, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    assay_bpe_trainer_destroy(trainer);
    return status;
}

static enum assay_status copy_tokenizer(
        struct training *t, const char *path, struct assay_error *err)
{
    const char *from = assay_arena_printf(t->arena, "%s/tokenizer.json", t->config->model_path);
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TOKENIZER_BYTES_MAX);
    status = from ? assay_fs_read_file(&text, from, err) : no_memory(err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(path, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status training_make_tokenizer(struct training *t, struct assay_error *err)
{
    const char *path = assay_arena_printf(t->arena, "%s/tokenizer.json", t->dir);
    enum assay_status status = path ? ASSAY_OK : no_memory(err);
    struct stat st;

    if (status == ASSAY_OK && t->ranks.rank == 0 && stat(path, &st) != 0)
        status = *t->config->model_path ? copy_tokenizer(t, path, err)
                                        : write_tokenizer(t, path, err);
    if (status == ASSAY_OK)
        status = training_tell_file(t, path, err);
    if (status == ASSAY_OK)
        status = assay_tokenizer_open(&t->tokenizer, path, NULL, err);
    if (status != ASSAY_OK)
        return status;
    t->start_id = assay_tokenizer_find(t->tokenizer, start_token);
    t->end_id = assay_tokenizer_find(t->tokenizer, end_token);
    return ASSAY_OK;
}

// --- the model -----------------------------------------------------------------------------------

enum assay_status training_config_of(struct assay_model_config *out,
        const struct assay_train_config *config, uint32_t vocab, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct assay_train_config *c = config;
    const uint32_t layers = (uint32_t)c->layers;
    uint8_t *kinds = assay_arena_array(arena, layers, sizeof(*kinds));
    bool *sparse = assay_arena_array(arena, layers, sizeof(*sparse));

    if (!kinds || !sparse)
        return no_memory(err);
    for (uint32_t l = 0; l < layers; l++)
        kinds[l] = (l + 1) % c->softmax_every == 0 ? ASSAY_LAYER_SOFTMAX : ASSAY_LAYER_LIGHTNING;
    *out = (struct assay_model_config){.model_type = "assay",
            .layer_count = layers,
            .hidden_size = (uint32_t)c->width,
            .vocab_size = vocab,
            .vocab_sampled = vocab,
            .head_count = (uint32_t)c->heads,
            .kv_head_count = (uint32_t)c->kv_heads,
            .head_dim = (uint32_t)c->head_dim,
            .rotary_dim = (uint32_t)c->head_dim,
            .ffn_size = (uint32_t)c->ffn,
            .position_count_max = (uint32_t)c->tokens_max,
            .layer_kinds = kinds,
            .layer_sparse = sparse,
            .rope_theta = 10000,
            .norm_eps = 1e-6F,
            .inner_norm_eps = 1e-6F,
            .lightning_factors = {1, 1},
            .softmax_factors = {1, 1},
            .ffn_factors = {1, 1},
            .qk_norm = true,
            .tied_head = true,
            .bos_id = -1,
            .eos_id = -1};
    return assay_model_config_check(out, err);
}

enum assay_status training_make_model(struct training *t, struct assay_error *err)
{
    const struct assay_model_dialect dialect = {0};
    const uint32_t vocab = assay_tokenizer_count(t->tokenizer);
    struct assay_model_config config;
    enum assay_status status;

    if (*t->config->model_path) {
        status = assay_model_open(
                &t->model, t->config->model_path, NULL, &dialect, t->ops, t->stream, err);
        if (status == ASSAY_OK && t->end_id < 0)
            t->end_id = (int32_t)t->model->config.eos_id;
        if (status == ASSAY_OK && (t->end_id < 0 || vocab > t->model->config.vocab_size))
            status = assay_fail(err, ASSAY_EINVAL,
                    "%s: the tokenizer is not the model's, or neither names an end of text",
                    t->config->model_path);
        return status;
    }
    status = training_config_of(&config, t->config, vocab, t->arena, err);
    config.bos_id = t->start_id;
    config.eos_id = t->end_id;
    if (status == ASSAY_OK)
        status = assay_model_create(&t->model, &config, t->ops, t->stream, err);
    if (status == ASSAY_OK)
        status = assay_params_init(
                &t->model->params, t->stream, t->config->seed, t->config->sigma, err);
    return status;
}

enum assay_status training_make_generator(struct training *t, struct assay_error *err)
{
    const struct assay_generator_options options = {
            .sequences_max = (size_t)t->config->sample_sequences_max,
            .rows_max = (size_t)t->config->sample_sequences_max + PROMPT_ROWS,
            .positions_max = (size_t)t->config->tokens_max};

    return assay_generator_create(&t->generator, t->model, &options, t->stream, err);
}

// --- tasks ---------------------------------------------------------------------------------------

enum assay_status training_encode_prompt(struct training *t, struct assay_tokens *out,
        const struct assay_train_task *task, size_t room, struct assay_arena *arena,
        struct assay_error *err)
{
    struct assay_ids ids = {0};
    enum assay_status status = ASSAY_OK;

    if (t->start_id >= 0 && !assay_ids_add(&ids, t->start_id))
        status = no_memory(err);
    if (status == ASSAY_OK) // what a task says stays text: no special token comes from it
        status = assay_tokenizer_encode_plain(
                t->tokenizer, &ids, task->prompt.data, task->prompt.len, err);
    if (status == ASSAY_OK && ids.count == 0)
        status = assay_fail(err, ASSAY_EINVAL, "task %s has an empty prompt", task->id);
    if (status == ASSAY_OK) {
        out->ids = assay_arena_array(arena, ids.count + room, sizeof(*out->ids));
        out->count = ids.count;
        if (out->ids)
            memcpy(out->ids, ids.items, ids.count * sizeof(*out->ids));
        else
            status = no_memory(err);
    }
    free(ids.items);
    return status;
}

enum assay_status training_encode_demonstration(struct training *t, struct assay_trajectory *out,
        const struct assay_train_task *task, bool whole, struct assay_arena *arena,
        struct assay_error *err)
{
    struct assay_ids answer = {0};
    struct assay_tokens tokens = {0};
    uint8_t *mask = NULL;
    enum assay_status status = assay_tokenizer_encode_plain(
            t->tokenizer, &answer, task->answer.data, task->answer.len, err);

    if (status == ASSAY_OK && !assay_ids_add(&answer, t->end_id))
        status = no_memory(err);
    // Prompt and answer are encoded apart, as they are when an answer is sampled.
    if (status == ASSAY_OK)
        status = training_encode_prompt(t, &tokens, task, answer.count, arena, err);
    if (status == ASSAY_OK)
        mask = assay_arena_array(arena, tokens.count + answer.count, 1);
    if (status == ASSAY_OK && !mask)
        status = no_memory(err);
    if (status == ASSAY_OK) {
        memcpy(tokens.ids + tokens.count, answer.items, answer.count * sizeof(*answer.items));
        memset(mask + tokens.count, 1, answer.count);
        if (whole)
            memset(mask + 1, 1, tokens.count - 1);
        *out = (struct assay_trajectory){.ids = tokens.ids,
                .mask = mask,
                .count = tokens.count + answer.count,
                .advantage = 1};
    }
    free(answer.items);
    return status;
}

// So many in a row, and the next one is taken whatever its kind.
#define PASSED_OVER_MAX 64

static bool is_passed_over(struct training *t, const struct assay_train_task *task,
        const struct draw_from *from, size_t *in_a_row)
{
    const struct assay_train_config *c = t->config;
    const char *kind = task->kind ? task->kind : task->family;

    if (!from->curriculum || *in_a_row == PASSED_OVER_MAX ||
            assay_curriculum_takes(from->curriculum, kind, c->curriculum, c->seed, *from->cursor))
        return false;
    t->passed_over++;
    ++*in_a_row;
    return true;
}

enum assay_status training_draw(struct training *t, struct assay_train_task *out,
        struct assay_tokens *prompt, const struct draw_from *from, size_t room,
        struct assay_arena *arena, struct assay_error *err)
{
    size_t passed_over = 0;
    enum assay_status status = ASSAY_OK;

    for (size_t tries = 0; tries < DRAWS_MAX && status == ASSAY_OK;) {
        const uint64_t index = from->distinct ? *from->cursor % from->distinct : *from->cursor;

        ++*from->cursor;
        status = t->source->draw(t->source->user, out, from->split, index, arena, err);
        if (status == ASSAY_OK && is_passed_over(t, out, from, &passed_over))
            continue;
        tries++;
        if (status == ASSAY_OK)
            status = training_encode_prompt(t, prompt, out, room, arena, err);
        if (status == ASSAY_OK && prompt->count + room <= t->config->tokens_max)
            return ASSAY_OK;
    }
    if (status != ASSAY_OK)
        return status;
    return assay_fail(err, ASSAY_EINVAL,
            "split %s: %d tasks in a row are longer than tasks.tokens_max (%llu) with an answer of "
            "%zu",
            assay_train_split_name(from->split), DRAWS_MAX,
            (unsigned long long)t->config->tokens_max, room);
}
