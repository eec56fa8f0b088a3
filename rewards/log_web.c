// SPDX-License-Identifier: MIT
// log_web.c - whole files as tests (jest without --verbose), and Deno's runner in quarto.
#include <string.h>

#include "rewards/log_parse.h"

// --- carbon, react-pdf: "PASS file (1.2 s)" -----------------------------------------------------

struct file_lines {
    struct assay_regex *timed[3], *plain;
};

static void file_line(struct assay_log_run *run, const struct file_lines *lines,
        struct assay_text line, enum assay_test_status status)
{
    struct assay_regex_match match;

    for (size_t i = 0; i < 3; i++) {
        if (assay_log_match(run, lines->timed[i], line, &match)) {
            assay_log_put(run, match.groups[1], status);
            return;
        }
    }
    if (assay_log_match(run, lines->plain, line, &match))
        assay_log_put(run, match.groups[1], status);
}

void assay_parse_carbon(struct assay_log_run *run)
{
#define TIMED(unit) "(?:PASS|FAIL)" PY_S "(.*)" PY_S "\\([" PY_D ".]+" unit "\\)"
    const struct file_lines lines = {
            .timed = {assay_log_regex(run, TIMED("ms"), 0),
                    assay_log_regex(run, TIMED(PY_S "s"), 0), assay_log_regex(run, TIMED("s"), 0)},
            .plain = assay_log_regex(run, "(?:PASS|FAIL)" PY_S "(.*)", 0)};
#undef TIMED
    struct assay_text rest = run->text, line;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        if (assay_py_starts(line, "PASS"))
            file_line(run, &lines, line, ASSAY_TEST_PASSED);
        else if (assay_py_starts(line, "FAIL"))
            file_line(run, &lines, line, ASSAY_TEST_FAILED);
    }
}

// --- grommet: failures first, whatever their place; a name may stand on the next line -----------

static void grommet_files(struct assay_log_run *run, struct assay_regex *word,
        struct assay_regex *timing, enum assay_test_status status)
{
    struct assay_regex_match match;

    for (size_t at = 0; assay_log_search(run, word, run->text, at, &match); at = match.end)
        assay_log_put(run, assay_log_sub(run, timing, assay_py_strip(match.groups[1]), ""), status);
}

void assay_parse_grommet(struct assay_log_run *run)
{
    struct assay_regex *timing =
            assay_log_regex(run, PY_S "\\([" PY_D ".]+" PY_S "?(?:ms|s)\\)$", 0);

    grommet_files(run, assay_log_regex(run, "^FAIL" PY_S "(.*)", ASSAY_REGEX_LINES), timing,
            ASSAY_TEST_FAILED);
    grommet_files(run, assay_log_regex(run, "^PASS" PY_S "(.*)", ASSAY_REGEX_LINES), timing,
            ASSAY_TEST_PASSED);
}

// --- quarto --------------------------------------------------------------------------------------

// Names hold temporary files: each gets the number of its first sight. The keys are a map of its
// own, whose entries' order is that number.
struct quarto {
    struct assay_regex *files[2];
    struct assay_log_map seen;
};

// Every temporary file of the line as the one that comes first.
static struct assay_text quarto_number(
        struct assay_log_run *run, struct quarto *quarto, struct assay_text line)
{
    for (size_t i = 0; i < 2; i++) {
        struct assay_log_map *const results = run->map;
        const struct assay_log_entry *entry;
        struct assay_regex_match match;
        const char *shown;

        if (!assay_log_search(run, quarto->files[i], line, 0, &match))
            continue;
        run->map = &quarto->seen;
        assay_log_put(run, match.groups[0], ASSAY_TEST_PASSED);
        results->costly |= quarto->seen.costly;
        run->map = results;
        entry = assay_log_find(&quarto->seen, match.groups[0].data, match.groups[0].len);
        if (entry == NULL)
            return line;
        shown = assay_arena_printf(run->arena, "/tmp/%zu", (size_t)(entry - quarto->seen.entries));
        if (shown == NULL)
            run->no_memory = true;
        else
            line = assay_log_sub(run, quarto->files[i], line, shown);
    }
    return line;
}

static void quarto_test(struct assay_log_run *run, struct assay_text line)
{
    struct assay_text name, rest;
    const bool rejected = assay_py_starts(line, "test result:") ||
            (assay_text_has(line, "passed") && assay_text_has(line, "failed") &&
                    assay_text_has(line, "steps")) ||
            assay_text_has(line, "34mINFO");

    if (rejected)
        return;
    assay_py_cut(line, "...", &name, &rest);
    name = assay_py_strip(name);
    if (assay_text_has(line, "32mok"))
        assay_log_put(run, name, ASSAY_TEST_PASSED);
    else if (assay_text_has(line, "31mFAILED") ||
            assay_log_find(run->map, name.data, name.len) == NULL) // no status at all is a failure
        assay_log_put(run, name, ASSAY_TEST_FAILED);
}

void assay_parse_quarto(struct assay_log_run *run)
{
    struct quarto quarto = {.files = {assay_log_regex(run, "/tmp/" PY_W "+\\.qmd", 0),
                                    assay_log_regex(run, "/tmp/" PY_W "+/", 0)}};
    struct assay_text rest = run->text, line;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        if (assay_text_has(line, "ERRORS") || assay_text_has(line, "failures:"))
            break;
        if (assay_text_has(line, "[smoke]") || assay_text_has(line, "[unit]"))
            quarto_test(run, quarto_number(run, &quarto, line));
    }
}
