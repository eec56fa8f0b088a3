// SPDX-License-Identifier: MIT
// tokenizer_added.c - added tokens: a trie, and the search for them in a text.
#include <stdlib.h>
#include <string.h>

#include "policy/tokenizer_parts.h"
#include "policy/unicode.h"

#define TRIE_NODES_MAX ((uint32_t)1 << 24)

static enum assay_status trie_add(struct assay_added_trie *trie, const uint32_t *codes,
        size_t count, const struct assay_added_token *token, struct assay_error *err)
{
    uint64_t node = 0;

    for (size_t i = 0; i < count; i++) {
        const uint64_t edge = node << 32 | codes[i];
        const uint64_t *next = assay_map64_find(&trie->edges, edge);

        if (next) {
            node = *next;
            continue;
        }
        if (trie->node_count >= TRIE_NODES_MAX)
            return assay_fail(err, ASSAY_EINVAL, "added tokens: too long together");
        node = ++trie->node_count;
        if (!assay_map64_put(&trie->edges, edge, node))
            return assay_fail(err, ASSAY_ENOMEM, "added tokens: out of memory");
    }
    if (!assay_map64_put(&trie->ends, node, trie->count))
        return assay_fail(err, ASSAY_ENOMEM, "added tokens: out of memory");
    trie->tokens[trie->count++] = *token;
    return ASSAY_OK;
}

enum assay_status assay_tokenizer_add_token(struct assay_tokenizer *t, const char *text,
        const struct assay_added_token *token, bool special, bool normalized,
        struct assay_error *err)
{
    const size_t len = strlen(text);
    enum assay_status status = ASSAY_OK;
    uint32_t *codes = NULL;
    uint32_t *normal = NULL;
    size_t count = 0;
    struct assay_token *entry = NULL;

    if (token->id >= t->vocabulary.count)
        return assay_fail(
                err, ASSAY_EINVAL, "id %u is not below %u", token->id, t->vocabulary.count);
    entry = &t->vocabulary.tokens[token->id];
    if (!entry->bytes)
        status = assay_vocabulary_add(&t->vocabulary, token->id, text, len, false, err);
    else if (entry->added || entry->len != len || memcmp(entry->bytes, text, len) != 0)
        status = assay_fail(err, ASSAY_EINVAL, "id %u is another token already", token->id);
    if (status != ASSAY_OK)
        goto out;
    entry->added = true;
    entry->special = special;
    codes = malloc((len ? len : 1) * sizeof(*codes));
    if (!codes) {
        status = assay_fail(err, ASSAY_ENOMEM, "added tokens: out of memory");
        goto out;
    }
    count = assay_codes_from_bytes(codes, text, len);
    if (normalized && t->nfc) {
        status = assay_codes_nfc(&normal, &count, codes, count, err);
        if (status != ASSAY_OK)
            goto out;
    }
    status = trie_add(
            normalized ? &t->normalized : &t->raw, normal ? normal : codes, count, token, err);

out:
    free(codes);
    free(normal);
    return status;
}

// The longest token that stands at `from`; *end is where it ends.
static const struct assay_added_token *longest(const struct assay_added_trie *trie,
        const uint32_t *codes, size_t count, size_t from, size_t *end)
{
    const struct assay_added_token *best = NULL;
    uint64_t node = 0;

    for (size_t i = from; i < count; i++) {
        const uint64_t *next = assay_map64_find(&trie->edges, node << 32 | codes[i]);
        const uint64_t *index = NULL;

        if (!next)
            break;
        node = *next;
        index = assay_map64_find(&trie->ends, node);
        if (index) {
            best = &trie->tokens[*index];
            *end = i + 1;
        }
    }
    return best;
}

static bool stands_alone(const uint32_t *codes, size_t count, size_t first, size_t end)
{
    return (first == 0 || !assay_code_is_word(codes[first - 1])) &&
            (end == count || !assay_code_is_word(codes[end]));
}

enum assay_status assay_added_split(const struct assay_added_trie *trie, const uint32_t *codes,
        size_t count, assay_added_visit visit, void *user, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    size_t done = 0;

    for (size_t from = 0; trie->count > 0 && from < count && status == ASSAY_OK;) {
        size_t end = 0, first = from;
        const struct assay_added_token *token = longest(trie, codes, count, from, &end);

        if (!token) {
            from++;
            continue;
        }
        from = end; // what is refused here is not tried again, shorter, as in HF
        if (token->single_word && !stands_alone(codes, count, first, end))
            continue;
        while (token->lstrip && first > done && assay_code_is_space(codes[first - 1]))
            first--;
        while (token->rstrip && end < count && assay_code_is_space(codes[end]))
            end++;
        if (done < first)
            status = visit(user, -1, done, first, err);
        if (status == ASSAY_OK)
            status = visit(user, token->id, first, end, err);
        done = end;
    }
    if (status == ASSAY_OK && done < count)
        status = visit(user, -1, done, count, err);
    return status;
}
