// SPDX-License-Identifier: MIT
// tokenizer.h - text to ids and back, with the ids of HF tokenizers.
//
// Byte-level BPE from a tokenizer.json, a GGUF file, or a training run of ours. Encoding never adds
// tokens (HF: add_special_tokens=False). A file that asks for anything that is not built is refused
// by name. A tokenizer is read-only once made and may be shared by threads.
#ifndef ASSAY_POLICY_TOKENIZER_H
#define ASSAY_POLICY_TOKENIZER_H

#include "policy/vocabulary.h"
#include "policy/weight_file.h"

#define ASSAY_TOKENIZER_FILE_BYTES_MAX ((size_t)256 << 20)
#define ASSAY_TOKENIZER_TEXT_BYTES_MAX ((size_t)256 << 20) // of one text to encode
#define ASSAY_ADDED_TOKENS_MAX 65536

struct assay_tokenizer; // opaque; owned

// `path`: a tokenizer.json, a directory that holds one, or a GGUF file. `pattern`: NULL, or the
// name of the splitting pattern to use whatever the file says (gpt2, qwen2, o200k). Errors:
// ASSAY_ENOTFOUND, ASSAY_EINVAL ("FILE: FIELD: why"), ASSAY_ENOMEM, ASSAY_EIO.
ASSAY_MUST_USE enum assay_status assay_tokenizer_open(struct assay_tokenizer **out,
        const char *path, const char *pattern, struct assay_error *err);
// The same from the text of a tokenizer.json.
ASSAY_MUST_USE enum assay_status assay_tokenizer_from_json(struct assay_tokenizer **out,
        const char *text, size_t len, const char *pattern, const char *source,
        struct assay_error *err);
// From the keys tokenizer.ggml.*. ASSAY_ENOTFOUND: the file has no vocabulary.
ASSAY_MUST_USE enum assay_status assay_tokenizer_from_gguf(struct assay_tokenizer **out,
        const struct assay_weight_file *file, const char *pattern, struct assay_error *err);
void assay_tokenizer_destroy(struct assay_tokenizer *tokenizer); // NULL is allowed

// Append the ids of a text. Any bytes: what is not UTF-8 is encoded byte by byte.
// Errors: ASSAY_EINVAL (too long; the pattern gave up), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_tokenizer_encode(const struct assay_tokenizer *tokenizer,
        struct assay_ids *ids, const char *bytes, size_t len, struct assay_error *err);
// The same without looking for added tokens: what an untrusted text says stays text.
ASSAY_MUST_USE enum assay_status assay_tokenizer_encode_plain(
        const struct assay_tokenizer *tokenizer, struct assay_ids *ids, const char *bytes,
        size_t len, struct assay_error *err);
// Append the bytes of ids. Ids that stand for no token are left out.
ASSAY_MUST_USE enum assay_status assay_tokenizer_decode(const struct assay_tokenizer *tokenizer,
        struct assay_buf *buf, const int32_t *ids, size_t count, bool skip_special,
        struct assay_error *err);

uint32_t assay_tokenizer_count(const struct assay_tokenizer *tokenizer); // highest id + 1
// Borrowed; NULL when no token has this id.
const struct assay_token *assay_tokenizer_token(
        const struct assay_tokenizer *tokenizer, int32_t id);
// The id of a token with this text, an added one first; -1: none.
int32_t assay_tokenizer_find(const struct assay_tokenizer *tokenizer, const char *text);

#endif
