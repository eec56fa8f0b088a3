// SPDX-License-Identifier: MIT
// reader.h - what the readers of all frameworks share: lines, problems, the records of the channel.
//
// Internal to rewards/. A reader turns evidence into a reading. Everything it
// reads is foreign: it must end in time linear (times a logarithm) in what it
// was given, and a strange byte is a problem in the reading, never a failure.
#ifndef ASSAY_REWARDS_READER_H
#define ASSAY_REWARDS_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "rewards/framework.h"

#define ASSAY_PROBLEMS_MAX 16 // later ones are counted by nobody: one is enough to judge
#define ASSAY_RECORD_BYTES_MAX (4u << 20)

// A piece of foreign text; not NUL-terminated.
struct assay_text {
    const char *data;
    size_t len;
};

struct assay_reader {
    const struct assay_evidence *evidence; // borrowed
    struct assay_reading *reading;         // being filled
    struct assay_arena *arena;
    struct assay_text log; // the log without terminal colours
    size_t id_bytes_left;  // of all results
    bool overflowed;       // a result did not fit
    const char **problems; // what reading->problems looks at
};

// Zero *reading, make its outcomes empty, take the colours out of the log.
ASSAY_MUST_USE enum assay_status assay_reader_begin(struct assay_reader *reader,
        const struct assay_evidence *evidence, struct assay_reading *reading,
        struct assay_arena *arena, struct assay_error *err);
// Sort the outcomes. ASSAY_ENOMEM when something did not fit in the arena.
ASSAY_MUST_USE enum assay_status assay_reader_end(
        struct assay_reader *reader, struct assay_error *err);

// Add a result. More results than an outcome holds, or ids that add up to far
// more than the evidence (a long name that many short lines repeat), are a
// problem, not an error: a hostile run must not be able to end as trouble of ours.
void assay_reader_add(struct assay_reader *reader, struct assay_outcome *outcome,
        struct assay_text id, enum assay_test_status status);
// The same with the id `front` + `between` + `back`.
void assay_reader_add_joined(struct assay_reader *reader, struct assay_outcome *outcome,
        struct assay_text front, const char *between, struct assay_text back,
        enum assay_test_status status);

// Note what is wrong with the channel; %s arguments that are foreign go through assay_show().
void assay_reader_problem(struct assay_reader *reader, const char *fmt, ...) ASSAY_PRINTF(2, 3);
// A short printable copy of foreign text for messages; never NULL.
const char *assay_show(struct assay_arena *arena, const char *text, size_t len);

// --- text ---------------------------------------------------------------------------------------

// Cut the next line off *rest, without its "\n" or "\r\n". False at the end.
bool assay_text_line(struct assay_text *rest, struct assay_text *line);
// Cut *text at its first / last `mark`: *head is before it, *text after. False: not there.
bool assay_text_split(struct assay_text *text, const char *mark, struct assay_text *head);
bool assay_text_split_last(struct assay_text *text, const char *mark, struct assay_text *head);
// Take `prefix` or `suffix` away. False: it is not there, and nothing changes.
bool assay_text_skip(struct assay_text *text, const char *prefix);
bool assay_text_drop(struct assay_text *text, const char *suffix);
bool assay_text_is(struct assay_text text, const char *word);
bool assay_text_has(struct assay_text text, const char *part);
struct assay_text assay_text_trim(struct assay_text text); // spaces and tabs at both ends
struct assay_text assay_text_of(const char *text);
// Digits at the front, cut off. False: there are none, or more than 9.
bool assay_text_number(struct assay_text *text, size_t *out);
// Does a whole line of the log begin with one of these (NULL-terminated)?
bool assay_log_line_begins(struct assay_text log, const char *const *prefixes);
// Traces of make, ninja, cmake, cc and ld giving up.
bool assay_log_build_failed(struct assay_text log);

// --- the record channel -------------------------------------------------------------------------
//
// One JSON object a line: {"n":0,"event":"begin","framework":F,...}, any number
// of others, {"n":N,"event":"end","exit":S,...}. n counts the records from 0, so
// a line that somebody else put between them is out of order.

// Called for each record between begin and end, and for end itself.
typedef void (*assay_record_visit)(struct assay_reader *reader, const char *event,
        const struct assay_json *record, void *user);

// Read evidence->report as records of `framework`; fills has_channel, begun,
// ended, exit_expected and problems.
void assay_reader_records(
        struct assay_reader *reader, const char *framework, assay_record_visit visit, void *user);
// The same one line at a time, for channels that carry other things between records.
struct assay_records {
    const char *framework;
    size_t index; // of the next record
};
// The record on `line`, its order and that of begin and end checked. NULL when
// it is none, and a problem says so. The caller frees it.
struct assay_json *assay_records_next(struct assay_reader *reader, struct assay_records *records,
        struct assay_text line, const char **event);
// A member that must be there: text, or a number. False and a problem otherwise.
bool assay_record_text(struct assay_reader *reader, const struct assay_json *record,
        const char *key, const char **out);
bool assay_record_count(
        struct assay_reader *reader, const struct assay_json *record, const char *key, size_t *out);

// --- JUnit XML ----------------------------------------------------------------------------------

struct assay_junit_case {
    const char *classname, *name, *status; // "" when absent; status is ctest's attribute
    const char *message;                   // of its failure, error or skipped
    bool failure, error, skipped;
};
typedef void (*assay_junit_visit)(
        struct assay_reader *reader, const struct assay_junit_case *test, void *user);
// Each <testcase> of a document. False: it is not well formed (some cases may have been visited).
// Too deep or with a document type is a problem too, named after `source`.
bool assay_reader_junit(struct assay_reader *reader, const char *source, struct assay_text xml,
        assay_junit_visit visit, void *user);

// --- Python commands ----------------------------------------------------------------------------

// Index of "-m" in `[env A=B...] python [flags] -m MODULE ...`; 0 when argv is not of that shape.
size_t assay_python_module_at(const struct assay_strings *argv, const char *module);
// Such an argv with the two words replaced by a file of ours; any other argv unchanged.
enum assay_status assay_python_replace_module(const struct assay_strings *argv, const char *module,
        const char *file, struct assay_strings *out, struct assay_arena *arena,
        struct assay_error *err);

// `bash -c TEXT` with the commands of TEXT printed as they run; any other argv unchanged.
enum assay_status assay_command_traced(const struct assay_strings *argv, struct assay_strings *out,
        struct assay_arena *arena, struct assay_error *err);

// --- the readers and rewriters of the table -----------------------------------------------------

enum assay_status assay_read_pytest(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_unittest(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_tap(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_ctest(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_gotest(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_cargo(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_junit(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_exit(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_reward(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_results(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_read_minitest(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err);

enum assay_status assay_command_pytest(const struct assay_strings *argv, struct assay_strings *out,
        struct assay_arena *arena, struct assay_error *err);
enum assay_status assay_command_unittest(const struct assay_strings *argv,
        struct assay_strings *out, struct assay_arena *arena, struct assay_error *err);
bool assay_command_is_unittest(const struct assay_strings *argv);
// An interpreter by its full path that starts one of our files, and no options before it.
enum assay_status assay_command_warm_python(const struct assay_strings *argv, const char *workdir,
        struct assay_strings *out, struct assay_arena *arena, struct assay_error *err);

// --- reorder.c, defects.c: other orders of the same tests, and ids that a reader could report

ASSAY_MUST_USE enum assay_status assay_reorder_pytest(const struct assay_strings *argv,
        const char *order, struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_reorder_unittest(const struct assay_strings *argv,
        const char *order, struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_reorder_prove(const struct assay_strings *argv,
        const char *order, struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_reorder_wrapped(const struct assay_strings *argv,
        const char *order, struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err);
bool assay_emits_pytest(const char *id);
bool assay_emits_unittest(const char *id);
bool assay_emits_gotest(const char *id);
bool assay_emits_exit(const char *id);
bool assay_emits_reward(const char *id);

#endif
