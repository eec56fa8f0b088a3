// SPDX-License-Identifier: MIT
// toml_scan.h - TOML's keys, texts, numbers and times. Internal to tasks/toml.c.
//
// *wrong is a sentence when a call says false. A false without one: it was not there.
#ifndef ASSAY_TASKS_TOML_SCAN_H
#define ASSAY_TASKS_TOML_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "tasks/toml.h"

struct assay_toml_scan {
    const char *at, *end;
    size_t line; // of `at`
};

void assay_toml_scan_begin(struct assay_toml_scan *scan, const char *text, size_t len);
void assay_toml_scan_space(struct assay_toml_scan *scan); // spaces and tabs
void assay_toml_scan_lines(struct assay_toml_scan *scan); // and comments and line ends
bool assay_toml_scan_take(struct assay_toml_scan *scan, char c);
// To the next line, past spaces and a comment. False: something else stands there.
bool assay_toml_scan_line_end(struct assay_toml_scan *scan);

// One part of a key, bare or quoted, into the arena.
bool assay_toml_scan_key(
        struct assay_toml_scan *scan, char **out, struct assay_arena *arena, const char **wrong);
// A text of any of the four kinds; it may hold NULs.
bool assay_toml_scan_text(struct assay_toml_scan *scan, char **out, size_t *len,
        struct assay_arena *arena, const char **wrong);

struct assay_toml_word {
    enum assay_toml_kind kind; // of a number, a boolean or a time
    const char *text;          // as written; in the scanned text
    size_t len;
    double number;
};
bool assay_toml_scan_word(
        struct assay_toml_scan *scan, struct assay_toml_word *out, const char **wrong);

#endif
