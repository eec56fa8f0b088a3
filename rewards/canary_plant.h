// SPDX-License-Identifier: MIT
// canary_plant.h - what the planters of all frameworks share: words, names, edits of a file.
//
// Internal to rewards/. A planter finds the files of expected tests, draws
// canaries, and hands over the files as they have to be. Memory that runs out is noted in the bed.
#ifndef ASSAY_REWARDS_CANARY_PLANT_H
#define ASSAY_REWARDS_CANARY_PLANT_H

#include "rewards/canary.h"
#include "rewards/reader.h"

#define ASSAY_CANARY_WORDS_MAX 64

struct assay_canary_bed {
    const struct assay_instance *instance; // borrowed
    const struct assay_canary_source *source;
    struct assay_arena *arena;
    uint64_t random; // state of the numbers that come from the seed
    struct assay_canary items[ASSAY_CANARIES_MAX];
    size_t count;
    struct assay_canary_file files[ASSAY_CANARY_FILES_MAX];
    size_t file_count;
    struct assay_strings argv;
    const char *words[ASSAY_CANARY_WORDS_MAX]; // of the suite's names, then of ours
    size_t word_count;
    bool no_memory;
};

// From the seed alone: a number below `bound` (> 0); true once in `bound` times.
size_t assay_canary_below(struct assay_canary_bed *bed, size_t bound);
bool assay_canary_once_in(struct assay_canary_bed *bed, size_t bound);

// Printed into the arena; "" and bed->no_memory when that is full.
const char *assay_canary_print(struct assay_canary_bed *bed, const char *fmt, ...)
        ASSAY_PRINTF(2, 3);

// Learn the words of a name (at '_', digits, changes from small to capital letters).
void assay_canary_learn(struct assay_canary_bed *bed, struct assay_text name);
const char *assay_canary_word(struct assay_canary_bed *bed);
// Words joined in a style; it stands nowhere in `text`, and was not drawn before.
enum assay_canary_style {
    ASSAY_CANARY_SNAKE,   // "empty_line"
    ASSAY_CANARY_CAPITAL, // "EmptyLine"
    ASSAY_CANARY_PROSE,   // "empty line"
};
const char *assay_canary_name(struct assay_canary_bed *bed, struct assay_text text,
        const char *front, enum assay_canary_style style);

// Note a canary. False: there are too many.
bool assay_canary_add(
        struct assay_canary_bed *bed, enum assay_canary_kind kind, const char *id, const char *of);

// Text to put into a file in front of the byte `at`.
struct assay_canary_insert {
    size_t at, order;
    const char *text;
};
// Hand over the file with the texts put in (inserts are sorted here). False: too many files.
bool assay_canary_put(struct assay_canary_bed *bed, const struct assay_canary_file *file,
        struct assay_canary_insert *inserts, size_t count);

// The file of that path, or the one file that the test patch writes whose path ends so. False:
// none.
bool assay_canary_find_file(
        struct assay_canary_bed *bed, const char *path, struct assay_canary_file *out);

// Does the test command choose tests by an expression, which canaries might not satisfy?
bool assay_canary_command_chooses(const struct assay_instance *instance);
// Has it one of these words, by itself or with "=" behind it?
bool assay_canary_command_has(
        const struct assay_instance *instance, const char *const *words); // NULL at the end
// Where the command names single tests of a canary's file, name the canary behind them. An id's
// file is what stands before the first `separator`, or before the last `from_end` of them (> 0).
void assay_canary_name_in_command(
        struct assay_canary_bed *bed, const char *separator, size_t from_end);

// An expected value that is no longer the expected one: `literal` with one number or string of it
// changed; NULL when it is not made of literals alone, or nothing in it can be changed.
const char *assay_canary_other_value(struct assay_canary_bed *bed, struct assay_text literal);

// --- the planters of the table ------------------------------------------------------------------

void assay_canary_plant_gotest(struct assay_canary_bed *bed);
void assay_canary_plant_cargo(struct assay_canary_bed *bed);
void assay_canary_plant_ctest(struct assay_canary_bed *bed);
void assay_canary_plant_node(struct assay_canary_bed *bed); // among suites of TAP
void assay_canary_plant_pytest(struct assay_canary_bed *bed);
void assay_canary_plant_unittest(struct assay_canary_bed *bed);

#endif
