// SPDX-License-Identifier: MIT
// cmd_model_tokenizer.c - assay model tokenizer-train: a tokenizer.json from texts.
#include <stdio.h>

#include "base/fs.h"
#include "orchestrator/commands.h"
#include "policy/bpe_train.h"
#include "policy/vocabulary.h"

#define TEXT_BYTES_MAX ((size_t)256 << 20) // of one file
#define JSON_BYTES_MAX ((size_t)1 << 30)

const struct assay_option assay_model_tokenizer_options[] = {
        {"vocab", 'v', "N", "tokens in all (6400)", false},
        {"pattern", 0, "NAME", "how text is split: gpt2 (default), qwen2 or o200k", false},
        {"special", 0, "TOKEN", "a special token; ids from 0 on, in this order", true},
        {"out", 'o', "FILE", "where to write (tokenizer.json)", false},
        {NULL, 0, NULL, NULL, false},
};

static enum assay_status add_files(struct assay_bpe_trainer *trainer,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < invocation->argument_count && status == ASSAY_OK; i++) {
        assay_buf_clear(&text);
        status = assay_fs_read_file(&text, invocation->arguments[i], err);
        if (status != ASSAY_OK)
            break; // it names the file
        status = assay_bpe_trainer_add(trainer, text.data, text.len, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "%s", invocation->arguments[i]);
    }
    assay_buf_free(&text);
    return status;
}

enum assay_exit assay_cmd_model_tokenizer_train(struct assay_invocation *invocation)
{
    const char *pattern = assay_cli_value(invocation, "pattern");
    const char *path = assay_cli_value(invocation, "out");
    const char *specials[ASSAY_SPECIAL_TOKENS_MAX];
    size_t special_count = 0;
    struct assay_bpe_trainer *trainer = NULL;
    struct assay_error err = {0};
    struct assay_buf json;
    uint64_t vocab = 6400;
    enum assay_status status =
            assay_cli_number(&vocab, invocation, "vocab", 256, ASSAY_VOCABULARY_IDS_MAX, &err);

    assay_buf_init(&json, JSON_BYTES_MAX);
    path = path ? path : "tokenizer.json";
    for (const char *token; special_count < ASSAY_SPECIAL_TOKENS_MAX &&
            (token = assay_cli_value_at(invocation, "special", special_count));)
        specials[special_count++] = token;
    if (status == ASSAY_OK)
        status = assay_bpe_trainer_create(&trainer, pattern ? pattern : "gpt2", &err);
    if (status == ASSAY_OK)
        status = add_files(trainer, invocation, &err);
    if (status == ASSAY_OK)
        status = assay_bpe_trainer_finish(
                trainer, (uint32_t)vocab, specials, special_count, &json, &err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(path, json.data, json.len, 0644, &err);
    assay_bpe_trainer_destroy(trainer);
    assay_buf_free(&json);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}
