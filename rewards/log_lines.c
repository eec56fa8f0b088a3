// SPDX-License-Identifier: MIT
// log_lines.c - parsers that know one form of line: a word that says how it went, and a name.
#include <string.h>

#include "rewards/log_parse.h"

#define PASSED ASSAY_TEST_PASSED
#define FAILED ASSAY_TEST_FAILED
#define SKIPPED ASSAY_TEST_SKIPPED
#define WORDS_MAX (sizeof(((struct assay_log_lines *)0)->words) / sizeof(assay_lines_tap.words[0]))

// jest --verbose. The path of describe blocks is lost, so equal names collide; "(1.2 s)" stays.
const struct assay_log_lines assay_lines_jest = {
        .pattern = PY_S "*(✓|✕|○)" PY_S "(.+?)(?:" PY_S "\\(" PY_D "+" PY_S "*m?s\\))?$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"✓", PASSED}, {"✕", FAILED}, {"○", SKIPPED}},
        .strip_id = true};
const struct assay_log_lines assay_lines_jest_json = {
        .pattern = "\\[(PASSED|FAILED)\\]" PY_S "(.+)$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"PASSED", PASSED}, {"FAILED", FAILED}}};
const struct assay_log_lines assay_lines_vitest = {.pattern = PY_S
        "*(✓|×|↓)" PY_S "(.+?)(?:" PY_S "(?:" PY_D "+" PY_S "*m?s?|\\[skipped\\]))?$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"✓", PASSED}, {"×", FAILED}, {"↓", SKIPPED}}};
// TAP: directives are part of the name, so "ok 1 - x # SKIP" passed.
const struct assay_log_lines assay_lines_tap = {.pattern = "(ok|not ok) " PY_D "+ (.+)$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"ok", PASSED}, {"not ok", FAILED}}};
const struct assay_log_lines assay_lines_gotest = {
        .pattern = "--- (PASS|FAIL|SKIP): (.+) \\(" TO_LINE_END ".+\\)$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"PASS", PASSED}, {"FAIL", FAILED}, {"SKIP", SKIPPED}}};
const struct assay_log_lines assay_lines_cargo = {
        .pattern = "test" PY_S "+(" PY_NS "+)" PY_S "+\\.\\.\\." PY_S "+(" PY_W "+)$",
        .word_group = 2,
        .id_group = 1,
        .words = {{"ok", PASSED}, {"FAILED", FAILED}}};
const struct assay_log_lines assay_lines_googletest = {
        .pattern = ".*\\[" PY_S "*(OK|FAILED)" PY_S "*\\]" PY_S TO_LINE_END "(.*)" PY_S
                   "\\(" TO_LINE_END ".*\\)$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"OK", PASSED}, {"FAILED", FAILED}}};
const struct assay_log_lines assay_lines_redis = {.pattern = "\\[(ok|err|skip|ignore)\\]:" PY_S
                                                             "(.+?)(?:" PY_S "\\(" PY_D "+" PY_S
                                                             "*m?s\\))?$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"ok", PASSED}, {"err", FAILED}, {"skip", SKIPPED}, {"ignore", SKIPPED}},
        .failed_tail = PY_S "+" ONE_STEP "in" PY_S "+" PY_NS "+$"};
const struct assay_log_lines assay_lines_jq = {.pattern = PY_S "*(PASS|FAIL):" PY_S "(.+)$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"PASS", PASSED}, {"FAIL", FAILED}}};
const struct assay_log_lines assay_lines_micropython = {.pattern = "(pass|FAIL|skip)" PY_S "+(.+)$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"pass", PASSED}, {"FAIL", FAILED}, {"skip", SKIPPED}}};
const struct assay_log_lines assay_lines_ant = {
        .pattern = PY_S "*\\[junit\\]" PY_S "+\\[(PASS|FAIL|ERR)\\]" PY_S "+(.*)$",
        .word_group = 1,
        .id_group = 2,
        .words = {{"PASS", PASSED}, {"FAIL", FAILED}, {"ERR", FAILED}}};
const struct assay_log_lines assay_lines_minitest = {
        .pattern = "(.+)\\. " TO_LINE_END ".*=" TO_LINE_END ".*(\\.|F|E).*$",
        .word_group = 2,
        .id_group = 1,
        .words = {{".", PASSED}, {"F", FAILED}, {"E", FAILED}}};
const struct assay_log_lines assay_lines_cucumber = {.pattern = "(.*) " TO_LINE_END "\\.+(\\.|F)",
        .word_group = 2,
        .id_group = 1,
        .words = {{".", PASSED}, {"F", FAILED}}};
// test-unit; a letter counts only as a word of its own.
const struct assay_log_lines assay_lines_ruby_unit = {
        .pattern = PY_S "*(?:test: )?(.+):" PY_S "+(\\.|[EFO](?!" PY_W "))",
        .word_group = 2,
        .id_group = 1,
        .words = {{".", PASSED}, {"E", FAILED}, {"F", FAILED}, {"O", SKIPPED}}};
const struct assay_log_lines assay_lines_rspec = {.pattern = "(.+) - (passed|failed)",
        .word_group = 2,
        .id_group = 1,
        .words = {{"passed", PASSED}, {"failed", FAILED}}};

static void put_line(struct assay_log_run *run, const struct assay_log_lines *lines,
        struct assay_regex *tail, const struct assay_regex_match *match)
{
    struct assay_text id = match->groups[lines->id_group];

    for (size_t i = 0; i < WORDS_MAX && lines->words[i].word != NULL; i++) {
        const enum assay_test_status status = lines->words[i].status;

        if (!assay_text_is(match->groups[lines->word_group], lines->words[i].word))
            continue;
        if (lines->strip_id)
            id = assay_py_strip(id);
        if (tail != NULL && status == FAILED)
            id = assay_log_sub(run, tail, id, "");
        assay_log_put(run, id, status);
        return;
    }
}

void assay_parse_by_lines(struct assay_log_run *run, const struct assay_log_lines *lines)
{
    struct assay_regex *regex = assay_log_regex(run, lines->pattern, 0);
    struct assay_regex *tail =
            lines->failed_tail != NULL ? assay_log_regex(run, lines->failed_tail, 0) : NULL;
    struct assay_text rest = run->text, line;
    struct assay_regex_match match;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line))
        if (assay_log_match(run, regex, assay_py_strip(line), &match))
            put_line(run, lines, tail, &match);
}

void assay_parse_lines(struct assay_log_run *run)
{
    assay_parse_by_lines(run, run->parser->data);
}

// --- suites whose releases changed runners -------------------------------------------------------

static bool number_is(struct assay_text number, const char *const *numbers)
{
    for (; *numbers != NULL; numbers++)
        if (assay_text_is(number, *numbers))
            return true;
    return false;
}

// "owner__name-2006": the number behind the last dash.
void assay_parse_immutable(struct assay_log_run *run)
{
    struct assay_text before, number, id = assay_text_of(run->context->instance_id);

    if (!assay_py_rcut(id, "-", &before, &number))
        number = id;
    if (assay_text_is(number, "2006"))
        assay_parse_by_lines(run, &assay_lines_jest);
    else if (assay_text_is(number, "2005"))
        assay_parse_by_lines(run, &assay_lines_jest_json);
    else
        assay_log_raise(run, "ValueError");
}

// The number between the first dash and the second.
void assay_parse_jekyll(struct assay_log_run *run)
{
    static const char *const minitest[] = {"9141", "8047", "8167", NULL};
    static const char *const cucumber[] = {"8761", "8771", NULL};
    struct assay_text before, number, rest;

    if (!assay_py_cut(assay_text_of(run->context->instance_id), "-", &before, &rest)) {
        assay_log_raise(run, "IndexError");
        return;
    }
    assay_py_cut(rest, "-", &number, &before);
    if (number_is(number, minitest))
        assay_parse_by_lines(run, &assay_lines_minitest);
    else if (number_is(number, cucumber))
        assay_parse_by_lines(run, &assay_lines_cucumber);
    else
        assay_log_raise(run, "ValueError");
}

// --- phpunit -------------------------------------------------------------------------------------

// phpunit --testdox: "Suite (Class)", then its tests. Only a word character begins a suite.
void assay_parse_phpunit(struct assay_log_run *run)
{
    static const struct {
        const char *mark;
        enum assay_test_status status;
    } marks[] = {{"✔", PASSED}, {"✘", FAILED}, {"↩", SKIPPED}};
    struct assay_regex *suite_line =
            assay_log_regex(run, "(" PY_W ".+) \\(" TO_LINE_END ".+\\)$", 0);
    struct assay_text rest = run->text, line, suite = assay_text_of("None"), name;
    struct assay_regex_match match;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        if (assay_log_match(run, suite_line, line, &match)) {
            suite = match.groups[1];
            continue;
        }
        name = assay_py_lstrip(line);
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
            if (!assay_py_starts(name, marks[i].mark))
                continue;
            assay_text_skip(&name, marks[i].mark);
            assay_log_id_begin(run);
            assay_log_id_add(run, suite);
            assay_log_id_adds(run, " > ");
            assay_log_id_add(run, assay_py_lstrip(name));
            assay_log_id_put(run, marks[i].status);
            break;
        }
    }
}
