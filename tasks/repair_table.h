// SPDX-License-Identifier: MIT
// repair_table.h - data/repair/table.jsonl as records. For tasks/repair*.c.
//
// Texts are templates: $name stands for a name of a place, @K for a number of the cell.
#ifndef ASSAY_TASKS_REPAIR_TABLE_H
#define ASSAY_TASKS_REPAIR_TABLE_H

#include "tasks/repair.h"

extern const char assay_repair_text[]; // the file
extern const size_t assay_repair_text_len;

// More than the table takes.
#define REPAIR_FAMILIES_MAX 512
#define REPAIR_PLACES_MAX 16
#define REPAIR_CASES_MAX 16

struct repair_place {
    const char *name;
    struct assay_strings options;
};

// Statements, of which the last is an expression, and its value.
struct repair_case {
    struct assay_strings steps;
    const char *value;
};

// A program's constants, and calls of it with inputs of their own.
struct repair_cell {
    struct assay_strings numbers; // in the order of the program's number_names
    struct repair_case *cases;
    size_t case_count;
};

// A call that goes wrong: its value then, or "!" and the exception.
struct repair_wrong {
    size_t case_index;
    const char *got;
};
struct repair_wrongs {
    struct repair_wrong *items;
    size_t count;
};

struct repair_mutant {
    size_t line; // from 1
    const char *operator_name, *text;
    struct repair_wrongs *by_cell; // [program's cell_count]
};

struct repair_program {
    struct repair_place *places;
    size_t place_count;
    struct assay_strings number_names, lines;
    struct repair_cell *cells;
    size_t cell_count;
    struct repair_mutant *mutants;
    size_t mutant_count;
};

// A program with its numbers, and a mutation that some call of the cell tells of.
struct repair_pair {
    const struct repair_program *program;
    const struct repair_cell *cell;
    const struct repair_mutant *mutant;
    const struct repair_wrongs *wrongs;
    enum assay_repair_split split;
};

struct repair_family {
    const char *name;
    bool unseen;
    struct repair_program *programs;
    size_t program_count;
    struct repair_pair *pairs;
    size_t pair_count;
    size_t split_counts[ASSAY_REPAIR_SPLITS]; // pairs; UNSEEN_SEEDS has none of its own
};

struct assay_repair_table {
    struct assay_arena *arena;
    struct repair_family *families;
    size_t family_count;
    bool shares_pairs;
};

// Append a template with its places filled: names[i] for places[i]. `before`: put before the name
// that a test calls first ("$f", "$C"): "core." or "".
void repair_fill(struct assay_buf *out, const char *text, const struct repair_program *program,
        const struct repair_cell *cell, const char *const *names, const char *before);

#endif
