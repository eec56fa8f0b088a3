// SPDX-License-Identifier: MIT
// log_python.c - pytest in its dialects, Django's runner, sympy's.
#include <string.h>

#include "rewards/log_parse.h"

static const char *const statuses[] = {"FAILED", "PASSED", "SKIPPED", "ERROR", "XFAIL", NULL};

static bool starts_with_status(struct assay_text line)
{
    for (size_t i = 0; statuses[i] != NULL; i++)
        if (assay_py_starts(line, statuses[i]))
            return true;
    return false;
}

static bool ends_with_status(struct assay_text line)
{
    for (size_t i = 0; statuses[i] != NULL; i++)
        if (assay_py_ends(line, statuses[i]))
            return true;
    return false;
}

// "[12]": "SKIPPED [12] file.py:3: why" counts tests and names none. "PASSED [100%]" is kept: two
// instances of the field expect it.
static bool skip_count(struct assay_log_run *run, struct assay_regex *bracketed,
        struct assay_text word, struct assay_text name)
{
    struct assay_regex_match match;

    return assay_text_is(word, "SKIPPED") && assay_log_match(run, bracketed, name, &match);
}

static struct assay_regex *bracketed_count(struct assay_log_run *run)
{
    return assay_log_regex(run, "\\[" PY_D "+\\]$", 0);
}

// A line of the summary: the status word and the name behind it. False: it is none.
static bool summary_line(struct assay_log_run *run, struct assay_regex *bracketed,
        struct assay_text line, struct assay_text *word, struct assay_text *name)
{
    if (!starts_with_status(line))
        return false;
    // Without spaces around it the dash before a message joins no words.
    if (assay_py_starts(line, "FAILED"))
        line = assay_py_replace(run, line, " - ", " ");
    return assay_py_word(&line, word) && assay_py_word(&line, name) &&
            !skip_count(run, bracketed, *word, *name);
}

void assay_parse_pytest(struct assay_log_run *run)
{
    struct assay_regex *bracketed = bracketed_count(run);
    struct assay_text rest = run->text, line, word, name;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line))
        if (summary_line(run, bracketed, line, &word, &name))
            assay_log_put_word(run, name, word);
}

// Parameters of a test are shown otherwise from version to version.
void assay_parse_matplotlib(struct assay_log_run *run)
{
    struct assay_regex *bracketed = bracketed_count(run);
    struct assay_text rest = run->text, line, word, name;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        line = assay_py_replace(run, line, "MouseButton.LEFT", "1");
        line = assay_py_replace(run, line, "MouseButton.RIGHT", "3");
        if (summary_line(run, bracketed, line, &word, &name))
            assay_log_put_word(run, name, word);
    }
}

// A parameter that is a path keeps its last part only; what stands behind the last "]" is lost.
static void put_with_option(
        struct assay_log_run *run, struct assay_text name, struct assay_text word)
{
    struct assay_text front, option, tail, folder, file;

    if (!assay_py_cut(name, "[", &front, &option) || !assay_py_rcut(option, "]", &option, &tail)) {
        assay_log_put_word(run, name, word);
        return;
    }
    assay_log_id_begin(run);
    assay_log_id_add(run, front);
    assay_log_id_adds(run, "[");
    if (assay_py_starts(option, "/") && !assay_py_starts(option, "//") &&
            memchr(option.data, '*', option.len) == NULL) {
        assay_py_rcut(option, "/", &folder, &file);
        assay_log_id_adds(run, "/");
        option = file;
    }
    assay_log_id_add(run, option);
    assay_log_id_adds(run, "]");
    assay_log_put_word(run, assay_log_id(run), word);
}

void assay_parse_pytest_options(struct assay_log_run *run)
{
    struct assay_regex *bracketed = bracketed_count(run);
    struct assay_text rest = run->text, line, word, name;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line))
        if (summary_line(run, bracketed, line, &word, &name))
            put_with_option(run, name, word);
}

// --- pytest_v2: names with spaces, statuses at either end ---------------------------------------

// Without "[31m" and without control characters, the escape among them.
static struct assay_text without_controls(
        struct assay_log_run *run, struct assay_regex *colour, struct assay_text line)
{
    char *made;
    size_t len = 0;

    line = assay_log_sub(run, colour, line, "");
    made = assay_arena_alloc(run->arena, line.len + 1);
    if (made == NULL) {
        run->no_memory = true;
        return line;
    }
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '\0' || (unsigned char)line.data[i] >= ' ')
            made[len++] = line.data[i];
    return (struct assay_text){made, len};
}

static bool has_controls(struct assay_text line)
{
    for (size_t i = 0; i < line.len; i++)
        if ((line.data[i] != '\0' && (unsigned char)line.data[i] < ' ') || line.data[i] == '[')
            return true;
    return false;
}

// All words of `line` with single spaces, but for the last one with `but_last`, as the run's id.
// Returns that last word.
static struct assay_text join_words(
        struct assay_log_run *run, struct assay_text line, bool but_last, size_t *count)
{
    struct assay_text word, last = {NULL, 0};

    assay_log_id_begin(run);
    for (*count = 0; assay_py_word(&line, &word); (*count)++) {
        if (*count > 0 && (*count > 1 || !but_last))
            assay_log_id_adds(run, " ");
        if (but_last && last.data != NULL)
            assay_log_id_add(run, last);
        else if (!but_last)
            assay_log_id_add(run, word);
        last = word;
    }
    return last;
}

static void status_first(
        struct assay_log_run *run, struct assay_regex *bracketed, struct assay_text line)
{
    struct assay_text word, name, rest, message;
    size_t count;

    if (assay_py_starts(line, "FAILED"))
        assay_py_cut(line, " - ", &line, &message);
    if (!assay_py_word(&line, &word))
        return;
    rest = line;
    if (!assay_py_word(&rest, &name) || skip_count(run, bracketed, word, name))
        return;
    (void)join_words(run, line, false, &count);
    assay_log_put_word(run, assay_log_id(run), word);
}

void assay_parse_pytest_v2(struct assay_log_run *run)
{
    struct assay_regex *bracketed = bracketed_count(run);
    struct assay_regex *colour = assay_log_regex(run, "\\[" PY_D "+m", 0);
    struct assay_text rest = run->text, line, word;
    size_t count;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        if (has_controls(line))
            line = without_controls(run, colour, line);
        if (starts_with_status(line)) {
            status_first(run, bracketed, line);
        } else if (ends_with_status(line)) {
            word = join_words(run, line, true, &count);
            if (count >= 2)
                assay_log_put_word(run, assay_log_id(run), word);
        }
    }
}

void assay_parse_seaborn(struct assay_log_run *run)
{
    struct assay_text rest = run->text, line, words, first, second;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        words = line;
        if (!assay_py_word(&words, &first) || !assay_py_word(&words, &second))
            continue;
        if (assay_py_starts(line, "FAILED")) {
            assay_log_put(run, second, ASSAY_TEST_FAILED);
        } else if (assay_text_has(line, " PASSED ")) {
            if (assay_text_is(second, "PASSED"))
                assay_log_put(run, first, ASSAY_TEST_PASSED);
        } else if (assay_py_starts(line, "PASSED")) {
            assay_log_put(run, second, ASSAY_TEST_PASSED);
        }
    }
}

// --- Django --------------------------------------------------------------------------------------

#define DJANGO_VERSION_NAME "--version is equivalent to version"
#define DJANGO_MIGRATION "Applying sites.0002_alter_domain_unique...test_no_migrations"

// "test ... ok". The line without what was printed before the name, which later rules go on with.
static struct assay_text django_passed(struct assay_log_run *run, struct assay_text line)
{
    static const char *const suffixes[] = {" ... ok", " ... OK", " ...  OK", NULL};

    for (size_t i = 0; suffixes[i] != NULL; i++) {
        struct assay_text name, before;

        if (!assay_py_ends(line, suffixes[i]))
            continue;
        if (assay_py_starts(line, DJANGO_MIGRATION)) {
            assay_py_cut(line, "...", &before, &line);
            line = assay_py_strip(line);
        }
        name = line;
        assay_text_drop(&name, suffixes[i]);
        assay_log_put(run, name, ASSAY_TEST_PASSED);
        break;
    }
    return line;
}

// "FAIL: name (class)" names the second word, and there must be one.
static void django_headline(struct assay_log_run *run, struct assay_text line, const char *word,
        enum assay_test_status status)
{
    struct assay_text first, name;

    if (!assay_py_starts(line, word))
        return;
    if (assay_py_word(&line, &first) && assay_py_word(&line, &name))
        assay_log_put(run, name, status);
    else
        assay_log_raise(run, "IndexError");
}

static void django_line(
        struct assay_log_run *run, struct assay_text line, struct assay_text *previous)
{
    struct assay_text name, rest;

    if (assay_text_has(line, DJANGO_VERSION_NAME))
        assay_log_put(run, assay_text_of(DJANGO_VERSION_NAME), ASSAY_TEST_PASSED);
    if (assay_py_cut(line, " ... ", &name, &rest))
        *previous = name;
    line = django_passed(run, line);
    if (assay_py_cut(line, " ... skipped", &name, &rest))
        assay_log_put(run, name, ASSAY_TEST_SKIPPED);
    if (assay_py_ends(line, " ... FAIL")) {
        assay_py_cut(line, " ... FAIL", &name, &rest);
        assay_log_put(run, name, ASSAY_TEST_FAILED);
    }
    django_headline(run, line, "FAIL:", ASSAY_TEST_FAILED);
    if (assay_py_ends(line, " ... ERROR")) {
        assay_py_cut(line, " ... ERROR", &name, &rest);
        assay_log_put(run, name, ASSAY_TEST_ERROR);
    }
    django_headline(run, line, "ERROR:", ASSAY_TEST_ERROR);
    // Something was printed between the name and its "ok".
    if (assay_py_starts(assay_py_lstrip(line), "ok") && previous->data != NULL)
        assay_log_put(run, *previous, ASSAY_TEST_PASSED);
}

void assay_parse_django(struct assay_log_run *run)
{
    // Three things that Django prints between a name and its "ok", at the ends of lines.
    static const char *const between[] = {"^(.*?)" PY_S "\\.\\.\\." PY_S
                                          "Testing against Django installed in " TO_TEXT_END
                                          "(?s:.*?)"
                                          " silenced\\)\\.\\nok$",
            "^(.*?)" PY_S "\\.\\.\\." PY_S "Internal Server Error: /" TO_LINE_END "(.*)/\\nok$",
            "^(.*?)" PY_S "\\.\\.\\." PY_S
            "System check identified no issues \\(0 silenced\\)\\nok$",
            NULL};
    struct assay_text rest = run->text, line, previous = {NULL, 0};
    struct assay_regex_match match;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line))
        django_line(run, assay_py_strip(line), &previous);
    for (size_t i = 0; between[i] != NULL; i++) {
        struct assay_regex *regex = assay_log_regex(run, between[i], ASSAY_REGEX_LINES);

        for (size_t at = 0; assay_log_search(run, regex, run->text, at, &match); at = match.end)
            assay_log_put(run, match.groups[1], ASSAY_TEST_PASSED);
    }
}

// --- sympy ---------------------------------------------------------------------------------------

// "___ file.py:test ___" in a line: from its first space to its last, around the last ".py:".
static void sympy_headline(struct assay_log_run *run, struct assay_text line)
{
    struct assay_text before, file, test;

    if (!assay_py_cut(line, " ", &before, &line) || !assay_py_rcut(line, " ", &line, &before) ||
            !assay_py_rcut(line, ".py:", &file, &test))
        return;
    assay_log_id_begin(run);
    assay_log_id_add(run, file);
    assay_log_id_adds(run, ".py:");
    assay_log_id_add(run, test);
    assay_log_id_put(run, ASSAY_TEST_FAILED);
}

// Headlines of failures first, then "test_name ok".
void assay_parse_sympy(struct assay_log_run *run)
{
    static const struct {
        const char *suffix;
        enum assay_test_status status;
    } ends[] = {{" E", ASSAY_TEST_ERROR}, {" F", ASSAY_TEST_FAILED}, {" ok", ASSAY_TEST_PASSED}};
    struct assay_text rest = run->text, line, words, name;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line))
        sympy_headline(run, line);
    rest = run->text;
    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        line = assay_py_strip(line);
        if (!assay_py_starts(line, "test_"))
            continue;
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
            words = line;
            if (assay_py_ends(line, ends[i].suffix) && assay_py_word(&words, &name))
                assay_log_put(run, name, ends[i].status);
        }
    }
}
