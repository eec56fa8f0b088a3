// SPDX-License-Identifier: MIT
// log_suites.c - reporters that print a tree of suites by indentation: mocha, jest, karma.
#include <stdlib.h>
#include <string.h>

#include "rewards/log_parse.h"

#define DEPTH_MIN 16

// Suites that are open, outermost first.
struct suites {
    struct suite {
        struct assay_text name;
        size_t indent;
    } * items;
    size_t count, capacity;
};

static void suites_push(
        struct assay_log_run *run, struct suites *suites, struct assay_text name, size_t indent)
{
    if (suites->count == suites->capacity) {
        const size_t capacity = suites->capacity == 0 ? DEPTH_MIN : 2 * suites->capacity;
        struct suite *items = assay_arena_array(run->arena, capacity, sizeof(*items));

        if (items == NULL) {
            run->no_memory = true;
            return;
        }
        if (suites->count > 0)
            memcpy(items, suites->items, suites->count * sizeof(*items));
        suites->items = items;
        suites->capacity = capacity;
    }
    suites->items[suites->count++] = (struct suite){name, indent};
}

// Any line with white space before it is a suite; those as deep or deeper end.
static void suites_enter(struct assay_log_run *run, struct suites *suites, struct assay_text line)
{
    const size_t indent = assay_py_indent(line);

    if (indent == 0)
        return;
    while (suites->count > 0 && suites->items[suites->count - 1].indent >= indent)
        suites->count--;
    suites_push(run, suites, assay_py_strip(line), indent);
}

// The names of all open suites and `name`, in the run's id.
static void suites_id(struct assay_log_run *run, const struct suites *suites, const char *between,
        struct assay_text name)
{
    assay_log_id_begin(run);
    for (size_t i = 0; i < suites->count && !assay_log_stopped(run); i++) {
        assay_log_id_add(run, suites->items[i].name);
        assay_log_id_adds(run, between);
    }
    assay_log_id_add(run, name);
}

static bool starts_with_one_of(struct assay_text text, const char *const *prefixes)
{
    for (; *prefixes != NULL; prefixes++)
        if (assay_py_starts(text, *prefixes))
            return true;
    return false;
}

// Behind the last `mark`.
static struct assay_text behind_last(struct assay_text text, const char *mark)
{
    struct assay_text before, after;

    return assay_py_rcut(text, mark, &before, &after) ? after : text;
}

// --- calypso -------------------------------------------------------------------------------------

struct calypso {
    struct assay_regex *timed, *passed, *passed_timed, *failed, *failed_timed;
    struct suites suites;
};

static void calypso_test(
        struct assay_log_run *run, struct calypso *calypso, struct assay_text line, bool passed)
{
    struct assay_regex_match match;
    const bool timed = assay_log_search(run, calypso->timed, line, 0, &match);
    struct assay_regex *regex = passed ? (timed ? calypso->passed_timed : calypso->passed)
                                       : (timed ? calypso->failed_timed : calypso->failed);

    // A mark at the very start of a line, or a time that does not end it, is not foreseen there.
    if (!assay_log_match(run, regex, line, &match)) {
        assay_log_raise(run, "AttributeError");
        return;
    }
    suites_id(run, &calypso->suites, " - ", match.groups[1]);
    if (calypso->suites.count == 0) { // the separator is there all the same
        assay_log_id_begin(run);
        assay_log_id_adds(run, " - ");
        assay_log_id_add(run, match.groups[1]);
    }
    assay_log_put(
            run, assay_py_strip(assay_log_id(run)), passed ? ASSAY_TEST_PASSED : ASSAY_TEST_FAILED);
}

// One run of jest, to its summary or its first failure in detail.
static void calypso_run(struct assay_log_run *run, struct calypso *calypso, struct assay_text log)
{
    static const char *const ends[] = {"Test Suites", "  ● ", NULL};
    struct assay_text line, stripped;

    while (!assay_log_stopped(run) && assay_py_line(&log, &line)) {
        if (starts_with_one_of(line, ends))
            break;
        stripped = assay_py_strip(line);
        if (assay_py_starts(stripped, "✓") || assay_py_starts(stripped, "✕"))
            calypso_test(run, calypso, line, assay_py_starts(stripped, "✓"));
        else
            suites_enter(run, &calypso->suites, line);
    }
}

void assay_parse_calypso(struct assay_log_run *run)
{
    static const char command[] = " ./node_modules/.bin/jest ";
    struct calypso calypso = {.timed = assay_log_regex(run, "\\(" PY_D "+ms\\)", 0),
            .passed = assay_log_regex(run, PY_S "+✓" PY_S "(.*)", 0),
            .passed_timed = assay_log_regex(run, PY_S "+✓" PY_S "(.*)\\(" PY_D "+ms\\)$", 0),
            .failed = assay_log_regex(run, PY_S "+✕" PY_S "(.*)", 0),
            .failed_timed = assay_log_regex(run, PY_S "+✕" PY_S "(.*)\\(" PY_D "+ms\\)$", 0)};
    struct assay_text rest, log;
    bool more = assay_py_cut(run->text, command, &log, &rest);

    while (more && !assay_log_stopped(run)) {
        more = assay_py_cut(rest, command, &log, &rest);
        calypso_run(run, &calypso, log);
    }
}

// --- next ----------------------------------------------------------------------------------------

struct next {
    struct assay_regex *failed, *passed;
    struct suites suites;
};

// One run of karma in a browser.
static void next_run(struct assay_log_run *run, struct next *next, struct assay_text log)
{
    static const char *const noise[] = {"ERROR", "LOG", "WARN", "Check", "in", NULL};
    struct assay_regex_match match;
    struct assay_text line;

    log = behind_last(log, "Starting browser Chrome");
    while (!assay_log_stopped(run) && assay_py_line(&log, &line)) {
        if (assay_py_starts(line, "TOTAL"))
            break;
        if (starts_with_one_of(assay_py_strip(line), noise))
            continue;
        if (assay_log_match(run, next->failed, line, &match)) {
            suites_id(run, &next->suites, " - ", match.groups[1]);
            assay_log_id_put(run, ASSAY_TEST_FAILED);
        } else if (assay_log_match(run, next->passed, line, &match)) {
            suites_id(run, &next->suites, " - ", match.groups[1]);
            assay_log_id_put(run, ASSAY_TEST_PASSED);
        } else {
            suites_enter(run, &next->suites, line);
        }
    }
}

static void next_karma(struct assay_log_run *run)
{
    struct next next = {.failed = assay_log_regex(run, ".*?✗" PY_S "*(.*)", 0),
            .passed = assay_log_regex(run, ".*?✓" PY_S "*(.*)", 0)};
    struct assay_regex *message =
            assay_log_regex(run, "AssertionError:" PY_S "+#" TO_TEXT_END "((?s).*?)\\n\\n", 0);
    struct assay_text rest = assay_log_sub(run, message, assay_py_plain(run, run->text), ""), log;
    bool more = assay_py_cut(rest, " xvfb-run ", &log, &rest);

    while (more && !assay_log_stopped(run)) {
        more = assay_py_cut(rest, " xvfb-run ", &log, &rest);
        next_run(run, &next, log);
    }
}

static void next_cypress_tests(struct assay_log_run *run, struct assay_regex *regex,
        struct assay_text log, struct assay_text suite, enum assay_test_status status)
{
    struct assay_regex_match match;

    for (size_t at = 0; assay_log_search(run, regex, log, at, &match); at = match.end) {
        assay_log_id_begin(run);
        assay_log_id_add(run, suite);
        assay_log_id_adds(run, ": ");
        assay_log_id_add(run, assay_py_strip(match.groups[1]));
        assay_log_id_put(run, status);
    }
}

// "Running: file)", three line feeds, the suite; then its tests, four characters in.
static void next_cypress(struct assay_log_run *run)
{
    struct assay_regex *suite_line =
            assay_log_regex(run, "Running:" TO_LINE_END "(.*)\\)\\n{3}" PY_S "{2}(.*)\\n", 0);
    struct assay_regex *failed =
            assay_log_regex(run, "^" PY_S "{4}" PY_D "+\\)" PY_S "(.*)", ASSAY_REGEX_LINES);
    struct assay_regex *passed =
            assay_log_regex(run, "^" PY_S "{4}✓" PY_S "(.*)\\(", ASSAY_REGEX_LINES);
    struct assay_regex_match match, after;
    bool more = assay_log_search(run, suite_line, run->text, 0, &match);

    while (more) {
        struct assay_text log = {run->text.data + match.end, run->text.len - match.end};

        more = assay_log_search(run, suite_line, run->text, match.end, &after);
        if (more)
            log.len = after.start - match.end;
        next_cypress_tests(run, failed, log, match.groups[2], ASSAY_TEST_FAILED);
        next_cypress_tests(run, passed, log, match.groups[2], ASSAY_TEST_PASSED);
        match = after;
    }
}

void assay_parse_next(struct assay_log_run *run)
{
    if (strcmp(run->context->version, "1.27") == 0)
        next_cypress(run);
    else
        next_karma(run);
}

// --- lighthouse ----------------------------------------------------------------------------------

struct lighthouse {
    struct assay_regex *tests[4]; // the first that matches
    struct assay_regex *begin, *end;
};

static void lighthouse_run(
        struct assay_log_run *run, struct lighthouse *lighthouse, struct assay_text log)
{
    struct suites suites = {0};
    struct assay_regex_match match;
    struct assay_text line;

    if (assay_log_search(run, lighthouse->end, log, 0, &match))
        log.len = match.start;
    log = assay_py_strip(log);
    while (!assay_log_stopped(run) && assay_py_line(&log, &line)) {
        size_t i = 0;

        while (i < 4 && !assay_log_match(run, lighthouse->tests[i], assay_py_strip(line), &match))
            i++;
        if (i == 4) {
            suites_enter(run, &suites, line);
            continue;
        }
        suites_id(run, &suites, " - ", match.groups[1]);
        assay_log_id_put(run, i < 2 ? ASSAY_TEST_PASSED : ASSAY_TEST_FAILED);
    }
}

static void lighthouse_mocha(struct assay_log_run *run)
{
    struct lighthouse lighthouse = {
            .tests = {assay_log_regex(run, "✔" PY_S "(.*)" PY_S "\\(" PY_D "+m+s\\)", 0),
                    assay_log_regex(run, "✔" PY_S "(.*)", 0),
                    assay_log_regex(run, PY_D "+\\)" PY_S "(.*)" PY_S "\\(" PY_D "+m+s\\)", 0),
                    assay_log_regex(run, PY_D "+\\)" PY_S "(.*)", 0)},
            .begin = assay_log_regex(run, "running" PY_S PY_D "+" PY_S "test" PY_S "files", 0),
            .end = assay_log_regex(run, PY_D "+" ONE_STEP PY_S "passing", 0)};
    struct assay_regex_match match, after;
    bool more = assay_log_search(run, lighthouse.begin, run->text, 0, &match);

    while (more) {
        struct assay_text log = {run->text.data + match.end, run->text.len - match.end};

        more = assay_log_search(run, lighthouse.begin, run->text, match.end, &after);
        if (more)
            log.len = after.start - match.end;
        lighthouse_run(run, &lighthouse, log);
        match = after;
    }
}

// Every `"fullTitle": "..."` that ends a line, in the part between `begin` (the last one) and the
// last `end` behind it.
static void lighthouse_titles(struct assay_log_run *run, struct assay_regex *title,
        struct assay_text log, const char *begin, const char *end, enum assay_test_status status)
{
    struct assay_text part = behind_last(log, begin), after;
    struct assay_regex_match match;

    assay_py_rcut(part, end, &part, &after);
    for (size_t at = 0; assay_log_search(run, title, part, at, &match); at = match.end)
        assay_log_put(run, match.groups[1], status);
}

static void lighthouse_json(struct assay_log_run *run)
{
    static const char command[] = "./node_modules/.bin/mocha --reporter json";
    struct assay_regex *title = assay_log_regex(
            run, "\"fullTitle\":" PY_S "\"" TO_LINE_END "(.*)\",\\n", ASSAY_REGEX_LINES);
    struct assay_text rest, log;
    bool more = assay_py_cut(run->text, command, &log, &rest);

    while (more && !assay_log_stopped(run)) {
        more = assay_py_cut(rest, command, &log, &rest);
        lighthouse_titles(run, title, log, "\"passes\": [", "]", ASSAY_TEST_PASSED);
        lighthouse_titles(run, title, log, "\"failures\": [", "],", ASSAY_TEST_FAILED);
    }
}

// A version as Python's float() reads it, but for the forms nobody writes a version in ("inf").
static bool version_number(const char *version, double *number)
{
    char plain[64];
    size_t len = 0;
    char *end;

    for (const char *c = version; *c != '\0' && len + 1 < sizeof(plain); c++)
        if (*c != '_')
            plain[len++] = *c;
    plain[len] = '\0';
    if (len == 0 || plain[strspn(plain, "+-.0123456789eE")] != '\0')
        return false;
    *number = strtod(plain, &end);
    return *end == '\0';
}

// Three reporters over the years.
void assay_parse_lighthouse(struct assay_log_run *run)
{
    static const char *const mocha[] = {"9.5", "10.0", "10.2", NULL};
    const char *version = run->context->version;
    double number = 0;

    for (size_t i = 0; mocha[i] != NULL; i++) {
        if (strcmp(version, mocha[i]) == 0) {
            lighthouse_mocha(run);
            return;
        }
    }
    if (!version_number(version, &number))
        assay_log_raise(run, "ValueError");
    else if (number >= 3)
        assay_parse_carbon(run);
    else
        lighthouse_json(run);
}

// --- highlightjs ---------------------------------------------------------------------------------

// mocha's spec reporter, to its summary. Only the innermost suite is part of a name.
void assay_parse_highlightjs(struct assay_log_run *run)
{
    struct assay_regex *summary = assay_log_regex(run, "\\n[ \\t]*" PY_D "+ passing", 0);
    struct assay_regex *timing = assay_log_regex(run, "\\(" PY_D "+ms\\)", 0);
    struct assay_regex *numbered = assay_log_regex(run, PY_D "+\\)", 0);
    struct assay_text rest = run->text, line, stripped, name, before;
    struct suites suites = {0};
    struct assay_regex_match match;

    if (assay_log_search(run, summary, rest, 0, &match))
        rest.len = match.start;
    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        enum assay_test_status status = ASSAY_TEST_PASSED;

        stripped = assay_py_strip(line);
        if (assay_py_starts(stripped, "✓") || assay_py_starts(stripped, "✔")) {
            assay_py_cut(line, assay_py_starts(stripped, "✓") ? "✓" : "✔", &before, &name);
        } else if (assay_log_match(run, numbered, stripped, &match)) {
            assay_py_cut(line, ")", &before, &name);
            status = ASSAY_TEST_FAILED;
        } else {
            if (assay_py_starts(line, "  ")) {
                suites.count = 0;
                suites_push(run, &suites, stripped, 0);
            }
            continue;
        }
        suites_id(run, &suites, ".", assay_py_strip(assay_log_sub(run, timing, name, "")));
        assay_log_id_put(run, status);
    }
}

// --- karma ---------------------------------------------------------------------------------------

struct karma {
    struct suites suites;
    size_t indent;
    bool any; // a suite was seen: `indent` means something
};

// Cut one character of white space, and a mark before it, off a line: how far in it was, its mark
// ("" for none) and what follows. False: it is no such line.
static bool karma_line(
        struct assay_text line, size_t *indent, const char **mark, struct assay_text *name)
{
    const struct assay_text rest = assay_py_lstrip(line);
    const size_t spaces = assay_py_indent(line);

    *mark = assay_py_starts(rest, "✔") ? "✔" : assay_py_starts(rest, "✖") ? "✖" : "";
    *name = rest;
    if (**mark != '\0') {
        assay_text_skip(name, *mark);
        const size_t space = assay_py_space(*name);

        if (space > 0) {
            *indent = spaces;
            name->data += space;
            name->len -= space;
            return true;
        }
        *name = rest;
        *mark = "";
    }
    // The last space before the name is the one that the form asks for.
    *indent = spaces - (spaces > 0);
    return spaces > 0;
}

// False: the reference would take a suite from none.
static bool karma_suite(
        struct assay_log_run *run, struct karma *karma, size_t indent, struct assay_text name)
{
    if (!karma->any || indent > karma->indent) {
        suites_push(run, &karma->suites, name, indent);
    } else if (indent < karma->indent) {
        if (karma->suites.count == 0)
            return false;
        karma->suites.count--;
    }
    karma->indent = indent;
    karma->any = true;
    return true;
}

void assay_parse_karma(struct assay_log_run *run)
{
    struct assay_text rest = run->text, line, name;
    struct karma karma = {0};
    const char *mark;
    bool started = false;
    size_t indent;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        if (assay_py_starts(line, "SUMMARY:"))
            return;
        if (assay_text_has(line, "Starting browser")) {
            started = true;
            continue;
        }
        if (!started || !karma_line(line, &indent, &mark, &name))
            continue;
        if (*mark == '\0') {
            if (indent > 0 && !karma_suite(run, &karma, indent, name))
                assay_log_raise(run, "IndexError");
            continue;
        }
        suites_id(run, &karma.suites, " > ", name);
        assay_log_id_put(run, strcmp(mark, "✔") == 0 ? ASSAY_TEST_PASSED : ASSAY_TEST_FAILED);
    }
}
