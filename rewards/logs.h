// SPDX-License-Identifier: MIT
// logs.h - the log parsers of the SWE-bench family: text of a test log -> what it says of each
// test.
//
// A row a name that the field's data sets use ("parse_log_pytest"). Each reads
// what that parser of swebench 5 reads, quirks and all: Python's idea of white
// space and digits, the last line of an id wins, words that are no status are
// kept. tests/parity/ compares them with the package. Pure.
//
// A log is what code under test printed: what a parser says is weak evidence at best.
#ifndef ASSAY_REWARDS_LOGS_H
#define ASSAY_REWARDS_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"
#include "tasks/outcome.h"

// What a log says of one test. All text is counted, UTF-8, followed by a NUL, in the arena.
struct assay_log_entry {
    const char *id; // may hold a NUL
    size_t id_len;
    const char *word; // as the log has it: "PASSED", or any word that begins or ends with a status
    size_t word_len;
    enum assay_test_status status; // of the word; MISSING: it is no status
    enum assay_test_status worst;  // of all lines about this id
};

struct assay_log_map {
    struct assay_log_entry *entries; // in the order in which ids were first seen
    size_t count, capacity;
    uint32_t *slots; // hash table: index + 1, 0 is free
    size_t slot_count;
    const char *raised; // the reference raises this exception on such a log; the map is empty
    bool costly;        // the log asks for more work or memory than a log may; the map is empty
};

// Some parsers look at more than the log.
struct assay_log_context {
    const char *instance_id, *version; // never NULL
};

struct assay_log_run; // internal: log_parse.h
struct assay_log_parser {
    const char *name;
    void (*parse)(struct assay_log_run *run);
    const void *data;   // what `parse` does, for those that share one
    bool failures_only; // reads no positive record: suites of eval_type fail_only
    bool traced;        // finds its place by the command lines that `set -x` prints
};

const struct assay_log_parser *assay_log_parser_table(size_t *count);
const struct assay_log_parser *assay_log_parser_find(const char *name); // NULL: none
// The parser of a repository ("owner/name") in SWE-bench's data, for rows that name none; NULL.
const char *assay_log_parser_of_repo(const char *repo);
bool assay_log_fail_only_repo(const char *repo);

// Bytes that are no UTF-8 become U+FFFD as Python's "replace" has it. Whatever
// the bytes are this succeeds: ASSAY_ENOMEM is trouble of ours.
ASSAY_MUST_USE enum assay_status assay_log_parse(struct assay_log_map *out,
        const struct assay_log_parser *parser, struct assay_bytes log,
        const struct assay_log_context *context, struct assay_arena *arena,
        struct assay_error *err);
// NULL: not there.
const struct assay_log_entry *assay_log_find(
        const struct assay_log_map *map, const char *id, size_t id_len);

// The text as Python reads a file: invalid bytes become U+FFFD, and with
// `newlines` "\r\n" and "\r" become "\n". Points into the arena, or to the same bytes. data is
// NULL when memory runs out.
struct assay_bytes assay_log_decode(
        struct assay_bytes bytes, bool newlines, struct assay_arena *arena);

#endif
