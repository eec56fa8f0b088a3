// SPDX-License-Identifier: MIT
// python_source.h - where a Python file has its functions and classes, without understanding it.
//
// Internal to rewards/. Lines, strings and brackets are followed as Python's own
// tokenizer does; what it does not understand makes the file unsound, and nothing is done with it.
#ifndef ASSAY_REWARDS_PYTHON_SOURCE_H
#define ASSAY_REWARDS_PYTHON_SOURCE_H

#include "rewards/reader.h"

struct assay_python_line {
    size_t begin, end; // of its text, without the line end
    size_t indent;     // bytes of white space before it
    bool logical;      // a statement begins here
    bool whole;        // and ends here
    bool blank;        // nothing, or a comment
};

// A function or class of the module, or a method of a class of the module.
struct assay_python_block {
    struct assay_text name;
    size_t first_line, body_line, last_line; // "def"; first of the body; last with a statement
    size_t owner;                            // index of its class; SIZE_MAX: the module's own
    bool is_class, decorated, is_async;
};

struct assay_python_source {
    struct assay_text text;
    struct assay_python_line *lines; // in the arena, as is all below
    size_t line_count;
    struct assay_python_block *blocks; // in the order of the text
    size_t block_count;
    bool sound;
};

// False: out of memory.
bool assay_python_source_read(
        struct assay_python_source *out, struct assay_text text, struct assay_arena *arena);

// Block of that name in that class (no name: the module), if there is exactly one; else NULL.
const struct assay_python_block *assay_python_find(
        const struct assay_python_source *source, struct assay_text owner, struct assay_text name);

// Text of a line, from `from` bytes on.
struct assay_text assay_python_line_text(
        const struct assay_python_source *source, size_t line, size_t from);

#endif
