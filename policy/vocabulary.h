// SPDX-License-Identifier: MIT
// vocabulary.h - tokens as bytes, and how a word of bytes becomes tokens.
//
// Byte-level BPE: a word begins as one token a byte; the pair of neighbours with the lowest rank
// (of those, the leftmost) becomes one token, until no pair has a rank.
#ifndef ASSAY_POLICY_VOCABULARY_H
#define ASSAY_POLICY_VOCABULARY_H

#include "base/arena.h"
#include "base/buf.h"
#include "policy/map64.h"

#define ASSAY_VOCABULARY_IDS_MAX ((uint32_t)1 << 22)
#define ASSAY_TOKEN_BYTES_MAX 65536

struct assay_token {
    const char *bytes; // NULL: no token has this id
    uint32_t len;
    bool added;   // matched in the text before words are made
    bool special; // added, and not part of what an answer says
};

// Ids, in a list that grows. Zeroed is empty; free(ids.items).
struct assay_ids {
    int32_t *items;
    size_t count, capacity;
};
bool assay_ids_add(struct assay_ids *ids, int32_t id); // false: out of memory

struct assay_vocabulary {
    struct assay_arena *arena;  // borrowed: holds tokens and their bytes
    struct assay_token *tokens; // [count]
    uint32_t count;             // highest id + 1
    uint32_t *slots;            // by bytes: id + 1
    size_t slot_count;
    struct assay_map64 merges; // left id << 32 | right id -> rank << 32 | id
    uint32_t bytes[256];       // the token of one byte
    bool ignore_merges;        // a word that is a token is that token, whatever the merges say
};

// An empty one for ids below `count`, at most ASSAY_VOCABULARY_IDS_MAX. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_vocabulary_create(struct assay_vocabulary *out,
        uint32_t count, struct assay_arena *arena, struct assay_error *err);
void assay_vocabulary_release(struct assay_vocabulary *vocabulary); // what is not in the arena

// Give `id` its bytes (copied). When `findable`, words can become it. ASSAY_EINVAL: the id is too
// large or taken, the text is too long, or another token has these bytes.
ASSAY_MUST_USE enum assay_status assay_vocabulary_add(struct assay_vocabulary *vocabulary,
        uint32_t id, const char *bytes, size_t len, bool findable, struct assay_error *err);
int64_t assay_vocabulary_find(
        const struct assay_vocabulary *vocabulary, const char *bytes, size_t len); // -1: none
// The next merge: tokens `left` and `right` become the token of their bytes. ASSAY_EINVAL: one of
// the three is not in the vocabulary.
ASSAY_MUST_USE enum assay_status assay_vocabulary_merge(struct assay_vocabulary *vocabulary,
        const char *left, size_t left_len, const char *right, size_t right_len, uint32_t rank,
        struct assay_error *err);
// All 256 bytes must be tokens. ASSAY_EINVAL names the first that is not.
ASSAY_MUST_USE enum assay_status assay_vocabulary_finish(
        struct assay_vocabulary *vocabulary, struct assay_error *err);

// Memory of one encoder; zeroed is empty.
struct assay_word_scratch {
    struct assay_word_symbol *symbols;
    struct assay_word_pair *heap;
    size_t symbol_capacity, heap_capacity;
};
void assay_word_scratch_free(struct assay_word_scratch *scratch);
// Append the tokens of one word. O(n log n). Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_vocabulary_word(const struct assay_vocabulary *vocabulary,
        struct assay_ids *ids, const char *bytes, size_t len, struct assay_word_scratch *scratch,
        struct assay_error *err);

// The alphabet in which files write bytes: each byte is one printable code point. A byte that is
// printable in Latin-1 is itself; the others are U+0100 on, in order.
bool assay_byte_is_itself(unsigned byte);
void assay_byte_spell(struct assay_buf *buf, const char *bytes, size_t len);
// Bytes of such a text, appended; false if a character is not of the alphabet (buf as before).
bool assay_byte_unspell(struct assay_buf *buf, const char *text, size_t len);

#endif
