// SPDX-License-Identifier: MIT
// mutants_find.h - places where a fix can be made wrong. For rewards/mutants*.c.
#ifndef ASSAY_REWARDS_MUTANTS_FIND_H
#define ASSAY_REWARDS_MUTANTS_FIND_H

#include <stdbool.h>

#include "rewards/lines.h"
#include "rewards/mutants.h"

enum mutant_operator {
    MUTANT_RELATIONAL,
    MUTANT_BOOLEAN,
    MUTANT_ARITHMETIC,
    MUTANT_CONSTANT,
    MUTANT_RETURN_VALUE,
    MUTANT_REMOVE_STATEMENT,
    MUTANT_REVERT_HUNK,
    MUTANT_NEGATE_CONDITION, // from here on not of a fix
    MUTANT_OFF_BY_ONE,
    MUTANT_WRONG_VARIABLE,
    MUTANT_SWAP_ARGUMENTS,
    MUTANT_WRONG_CALL,
    MUTANT_OPERATORS,
};

// Bytes [at, at + len) of the fixed file become `text`.
struct mutant_candidate {
    size_t source;
    enum mutant_operator operator;
    size_t line; // from 1, in the fixed file
    size_t at, len;
    struct assay_bytes text;
};

struct mutant_candidates {
    struct mutant_candidate *items; // [ASSAY_MUTANT_CANDIDATES_MAX]
    size_t count;
    enum assay_mutant_set set; // others are not added
};

enum mutant_family { MUTANT_C, MUTANT_PYTHON, MUTANT_SHELL };

// A fixed file and which of its bytes are code.
struct mutant_text {
    size_t source;
    enum mutant_family family;
    struct assay_bytes bytes;
    const bool *code;     // [bytes.len] neither string nor comment
    const size_t *depths; // [lines + 1] open brackets at the start of each line
    const size_t *starts; // [lines + 1] where lines begin; the last is bytes.len
    size_t line_count;
};

void mutants_add(struct mutant_candidates *out, const struct mutant_candidate *candidate);
bool mutants_is_name(char c);                                 // part of a name, or of a number
char mutants_byte(const struct mutant_text *text, size_t at); // NUL behind the end
char mutants_byte_before(const struct mutant_text *text, size_t at); // a line feed before the start
// mutants_text.c
ASSAY_MUST_USE enum assay_status mutants_read_text(struct mutant_text *out, const char *path,
        struct assay_bytes bytes, struct assay_arena *arena, struct assay_error *err);
// mutants_token.c: all that can be done to line `line` (from 0).
ASSAY_MUST_USE enum assay_status mutants_find_tokens(struct mutant_candidates *out,
        const struct mutant_text *text, size_t line, struct assay_arena *arena,
        struct assay_error *err);
// mutants_statement.c: the same for whole statements.
void mutants_find_statements(
        struct mutant_candidates *out, const struct mutant_text *text, size_t line);
// mutants_bend.c: the same for conditions, arguments, indexes and lengths.
ASSAY_MUST_USE enum assay_status mutants_find_bends(struct mutant_candidates *out,
        const struct mutant_text *text, size_t line, struct assay_arena *arena,
        struct assay_error *err);
// mutants_name.c: the same for variables.
ASSAY_MUST_USE enum assay_status mutants_find_names(struct mutant_candidates *out,
        const struct mutant_text *text, size_t line, struct assay_arena *arena,
        struct assay_error *err);

#endif
