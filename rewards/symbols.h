// SPDX-License-Identifier: MIT
// symbols.h - which lines of a source file are which function, without knowing its language. Pure.
//
// Two families: those that indent (Python, Ruby: `def`, `class`) and those with braces (C and what
// came of it, Java, JavaScript, Go, Rust, shell, Perl). Comments and strings are passed over. Found
// are functions that lie in no other function, with the classes around them in their names
// ("Parser.next"), and those classes. It is a reading for people's purposes, not a compiler's: what
// macros or generated code hide is not found.
#ifndef ASSAY_REWARDS_SYMBOLS_H
#define ASSAY_REWARDS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

struct assay_symbol {
    const char *name;   // parts joined by '.', whatever the language joins them by
    size_t first, last; // lines from 1, both in it; decorators belong to it
    bool is_function;   // else a class, struct, namespace, ...
};

struct assay_symbols {
    const struct assay_symbol *items; // by first line
    size_t count;
};

#define ASSAY_SYMBOLS_MAX 65536 // a file with more shows the first ones

ASSAY_MUST_USE enum assay_status assay_symbols_find(struct assay_symbols *out, const char *path,
        struct assay_bytes text, struct assay_arena *arena, struct assay_error *err);

// The function that holds the line; NULL: none does.
const struct assay_symbol *assay_symbols_at(const struct assay_symbols *symbols, size_t line);

// May `name` mean this symbol? Equal, or one is the end of the other after a dot: "next" and
// "lex.Parser.next" mean "Parser.next". "::", "#" and "/" in `name` count as dots.
bool assay_symbol_is(const struct assay_symbol *symbol, const char *name);

#endif
