// SPDX-License-Identifier: MIT
// symbols_read.h - what both readers of symbols share. For rewards/symbols*.c.
#ifndef ASSAY_REWARDS_SYMBOLS_READ_H
#define ASSAY_REWARDS_SYMBOLS_READ_H

#include "rewards/symbols.h"

#define SYMBOLS_DEPTH_MAX 256

// A scope that is open: a symbol's, or a block that is none.
struct symbols_scope {
    size_t symbol; // index + 1; 0: none
    size_t indent; // of the line that opened it
};

struct symbols_reader {
    struct assay_bytes text;
    struct assay_arena *arena;
    struct assay_symbol *items;
    size_t count, capacity;
    struct symbols_scope scopes[SYMBOLS_DEPTH_MAX];
    size_t depth; // of scopes; those beyond the maximum are only counted
    bool no_memory;
};

bool symbols_is_name(char c);
// Open a scope; with a name it is a symbol's, unless a function is open already.
void symbols_push(struct symbols_reader *r, const char *name, size_t len, size_t line,
        bool is_function, size_t indent);
// Close the innermost scope at `line`.
void symbols_pop(struct symbols_reader *r, size_t line);

void symbols_read_indented(struct symbols_reader *r);
// hash_comments: '#' begins a comment; else a line that begins with '#' is a preprocessor's.
void symbols_read_braces(struct symbols_reader *r, bool hash_comments);

#endif
