// SPDX-License-Identifier: MIT
// tokenizer_parts.h - what a tokenizer is made of; for the files that make one.
#ifndef ASSAY_POLICY_TOKENIZER_PARTS_H
#define ASSAY_POLICY_TOKENIZER_PARTS_H

#include "policy/splitter.h"
#include "policy/tokenizer.h"

#define ASSAY_SPLIT_STEPS_MAX 8

// What becomes of matches and of what lies between them.
enum assay_split_behavior {
    ASSAY_SPLIT_ISOLATED,   // both are words
    ASSAY_SPLIT_REMOVED,    // matches go
    ASSAY_SPLIT_WITH_PREV,  // a match belongs to the piece before it
    ASSAY_SPLIT_WITH_NEXT,  // a match belongs to the piece behind it
    ASSAY_SPLIT_CONTIGUOUS, // neighbouring matches are one word
};

struct assay_split_step {
    struct assay_splitter *splitter; // owned; NULL: no cutting
    enum assay_split_behavior behavior;
    bool invert;       // a match is what lies between matches
    bool prefix_space; // put a space before a text that does not begin with one
};

// An added token as a path in a trie of code points.
struct assay_added_token {
    uint32_t id;
    bool single_word, lstrip, rstrip;
};
struct assay_added_trie {
    struct assay_map64 edges;         // node << 32 | code -> node; node 0 is the root
    struct assay_map64 ends;          // node -> index into tokens
    struct assay_added_token *tokens; // [count], in the arena
    size_t count;
    uint32_t node_count;
};

struct assay_tokenizer {
    struct assay_arena *arena;
    struct assay_vocabulary vocabulary;
    bool nfc;
    struct assay_split_step steps[ASSAY_SPLIT_STEPS_MAX];
    size_t step_count;
    struct assay_added_trie raw;        // looked for in the text as it is
    struct assay_added_trie normalized; // looked for in the normalised text
};

// Empty, for ids below id_count and added_max added tokens. Errors: ASSAY_EINVAL, ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_tokenizer_create(struct assay_tokenizer **out,
        uint32_t id_count, size_t added_max, size_t bytes_max, struct assay_error *err);
// The pattern of a family by its name, or NULL.
const char *assay_pattern_find(const char *name);
// Append a step that isolates the matches of a pattern (NULL: no cutting).
ASSAY_MUST_USE enum assay_status assay_tokenizer_add_step(
        struct assay_tokenizer *tokenizer, const char *pattern, struct assay_error *err);
// An added token: `text` is its content, and `token` says how it is matched. When the vocabulary
// has no token of this id yet, it gets one. Errors: ASSAY_EINVAL, ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_tokenizer_add_token(struct assay_tokenizer *tokenizer,
        const char *text, const struct assay_added_token *token, bool special, bool normalized,
        struct assay_error *err);

// Find added tokens as HF does: leftmost, then longest. Pieces are visited in order; id < 0: no
// token.
typedef enum assay_status (*assay_added_visit)(
        void *user, int64_t id, size_t first, size_t end, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_added_split(const struct assay_added_trie *trie,
        const uint32_t *codes, size_t count, assay_added_visit visit, void *user,
        struct assay_error *err);

#endif
