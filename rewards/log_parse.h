// SPDX-License-Identifier: MIT
// log_parse.h - what the log parsers share: text as Python's str has it, regular expressions,
// results.
//
// Internal to rewards/. All text is valid UTF-8. A parser that must stop
// (memory, cost, an exception of the reference) sets a flag of the run; every loop asks
// assay_log_stopped().
#ifndef ASSAY_REWARDS_LOG_PARSE_H
#define ASSAY_REWARDS_LOG_PARSE_H

#include "base/buf.h"
#include "rewards/logs.h"
#include "rewards/reader.h"

#define ASSAY_LOG_REGEXES_MAX 12
#define ASSAY_LOG_GROUPS_MAX 5
#define ASSAY_LOG_WORK_SPARE ((size_t)1 << 27) // about four seconds
#define ASSAY_LOG_WORK_FACTOR 8

struct assay_regex; // a compiled pattern; owned by the run

struct assay_log_run {
    struct assay_text text;
    const struct assay_log_parser *parser;
    const struct assay_log_context *context;
    struct assay_log_map *map; // being filled
    struct assay_arena *arena;
    struct assay_buf scratch; // an id being made
    size_t id_bytes_left;     // of all results: short lines must not repeat a long name for ever
    size_t work_left;         // characters that patterns may look at again
    bool no_memory;
    struct assay_regex *regexes[ASSAY_LOG_REGEXES_MAX];
    size_t regex_count;
};

bool assay_log_stopped(const struct assay_log_run *run);
void assay_log_raise(struct assay_log_run *run, const char *exception);

// --- results -------------------------------------------------------------------------------------

void assay_log_put(struct assay_log_run *run, struct assay_text id, enum assay_test_status status);
void assay_log_put_word(struct assay_log_run *run, struct assay_text id, struct assay_text word);
// An id made of pieces: begin, add any number, put.
void assay_log_id_begin(struct assay_log_run *run);
void assay_log_id_add(struct assay_log_run *run, struct assay_text piece);
void assay_log_id_adds(struct assay_log_run *run, const char *piece);
struct assay_text assay_log_id(const struct assay_log_run *run);
void assay_log_id_put(struct assay_log_run *run, enum assay_test_status status);

// --- text, as Python's str has it ---------------------------------------------------------------

// Bytes of the white space at the start of the text; 0: there is none.
size_t assay_py_space(struct assay_text text);
struct assay_text assay_py_strip(struct assay_text text);
struct assay_text assay_py_lstrip(struct assay_text text);
struct assay_text assay_py_rstrip(struct assay_text text);
size_t assay_py_length(struct assay_text text); // in characters
size_t assay_py_indent(struct assay_text line); // characters of white space before it
// split("\n"): *rest.data becomes NULL behind the last piece, which may be empty.
bool assay_py_line(struct assay_text *rest, struct assay_text *line);
// split(): the next word. False at the end.
bool assay_py_word(struct assay_text *rest, struct assay_text *word);
bool assay_py_starts(struct assay_text text, const char *prefix);
bool assay_py_ends(struct assay_text text, const char *suffix);
// Before the first `mark` and behind it; without one all is before. True: there was one.
bool assay_py_cut(struct assay_text text, const char *mark, struct assay_text *before,
        struct assay_text *after);
// The same at the last mark.
bool assay_py_rcut(struct assay_text text, const char *mark, struct assay_text *before,
        struct assay_text *after);
struct assay_text assay_py_replace(
        struct assay_log_run *run, struct assay_text text, const char *from, const char *to);
// Without the escape sequences of a terminal.
struct assay_text assay_py_plain(struct assay_log_run *run, struct assay_text text);
// `text` with `all` white space runs as one space, stripped: into the run's id.
void assay_log_id_squeeze(struct assay_log_run *run, struct assay_text text);

// --- regular expressions, as Python's re has them -----------------------------------------------

// \s, \S, \d and \w of Python, for patterns; PCRE2 means other characters by them.
#define PY_SPACES                                                                                  \
    "\\t-\\r\\x1c-\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"          \
    "\\x{205f}\\x{3000}"
#define PY_S "[" PY_SPACES "]"
#define PY_NS "[^" PY_SPACES "]"
#define PY_D "\\p{Nd}"
#define PY_WORD "\\p{L}\\p{N}_"
#define PY_W "[" PY_WORD "]"

// Cost. Where a pattern may look at the same text again and again, it says how far: each time a
// match passes one of these, that much is taken from the work that a log may make. (Backtracking
// on a line of n characters is n steps at most between two of them.)
#define TO_LINE_END "(?C1)"
#define TO_TEXT_END "(?C2)"
#define ONE_STEP "(?C3)"

enum { ASSAY_REGEX_LINES = 1 }; // ^ and $ also stand at line feeds (re.M)

struct assay_regex_match {
    struct assay_text groups[ASSAY_LOG_GROUPS_MAX]; // 0 is all; data is NULL where unset
    size_t start, end;                              // of group 0
};

// Compiled once a run, freed with it. The pattern is ours: a bad one is a bug.
struct assay_regex *assay_log_regex(struct assay_log_run *run, const char *pattern, unsigned flags);
// The first match at or behind byte `from`. False: none, or the run is stopped.
bool assay_log_search(struct assay_log_run *run, struct assay_regex *regex,
        struct assay_text subject, size_t from, struct assay_regex_match *match);
// The same only at byte 0 (re.match).
bool assay_log_match(struct assay_log_run *run, struct assay_regex *regex,
        struct assay_text subject, struct assay_regex_match *match);
// Every match replaced by `with` (re.sub, for a text without group references).
struct assay_text assay_log_sub(struct assay_log_run *run, struct assay_regex *regex,
        struct assay_text subject, const char *with);
void assay_log_free_regexes(struct assay_log_run *run);

// --- the parsers -----------------------------------------------------------------------------

void assay_parse_lines(struct assay_log_run *run); // data: struct assay_log_lines
void assay_parse_pytest(struct assay_log_run *run);
void assay_parse_pytest_options(struct assay_log_run *run);
void assay_parse_pytest_v2(struct assay_log_run *run);
void assay_parse_matplotlib(struct assay_log_run *run);
void assay_parse_seaborn(struct assay_log_run *run);
void assay_parse_django(struct assay_log_run *run);
void assay_parse_sympy(struct assay_log_run *run);
void assay_parse_calypso(struct assay_log_run *run);
void assay_parse_next(struct assay_log_run *run);
void assay_parse_lighthouse(struct assay_log_run *run);
void assay_parse_highlightjs(struct assay_log_run *run);
void assay_parse_karma(struct assay_log_run *run);
void assay_parse_prismjs(struct assay_log_run *run);
void assay_parse_carbon(struct assay_log_run *run);
void assay_parse_grommet(struct assay_log_run *run);
void assay_parse_quarto(struct assay_log_run *run);
void assay_parse_immutable(struct assay_log_run *run);
void assay_parse_eslint(struct assay_log_run *run);
void assay_parse_bpmn(struct assay_log_run *run);
void assay_parse_openlayers(struct assay_log_run *run);
void assay_parse_chart(struct assay_log_run *run);
void assay_parse_marked(struct assay_log_run *run);
void assay_parse_p5js(struct assay_log_run *run);
void assay_parse_doctest(struct assay_log_run *run);
void assay_parse_maven(struct assay_log_run *run);
void assay_parse_gradle(struct assay_log_run *run);
void assay_parse_phpunit(struct assay_log_run *run);
void assay_parse_jekyll(struct assay_log_run *run);

// One pattern a line, the line stripped: a word that says how it went, and an id.
struct assay_log_lines {
    const char *pattern;
    unsigned word_group, id_group;
    struct {
        const char *word;
        enum assay_test_status status;
    } words[4];
    bool strip_id;
    const char *failed_tail; // pattern that is cut from the id of a failed test; NULL: none
};
extern const struct assay_log_lines assay_lines_jest, assay_lines_jest_json, assay_lines_vitest,
        assay_lines_tap, assay_lines_gotest, assay_lines_cargo, assay_lines_googletest,
        assay_lines_redis, assay_lines_jq, assay_lines_micropython, assay_lines_ant,
        assay_lines_minitest, assay_lines_cucumber, assay_lines_ruby_unit, assay_lines_rspec;
// Read the run's text by these lines.
void assay_parse_by_lines(struct assay_log_run *run, const struct assay_log_lines *lines);

#endif
