// SPDX-License-Identifier: MIT
// log_failures.c - parsers that see failures only. What they do not name did not fail, or did not
// run.
#include <string.h>

#include "rewards/log_parse.h"

#define XML_WORK_MAX ((size_t)1 << 30) // bytes looked at while elements are taken out

// Every match's group, with single spaces, failed.
static void put_squeezed(struct assay_log_run *run, struct assay_regex *regex, unsigned group)
{
    struct assay_regex_match match;

    for (size_t at = 0; assay_log_search(run, regex, run->text, at, &match); at = match.end) {
        assay_log_id_squeeze(run, match.groups[group]);
        assay_log_id_put(run, ASSAY_TEST_FAILED);
    }
}

// Every match's group as it is, failed.
static void put_all(struct assay_log_run *run, struct assay_text text, struct assay_regex *regex,
        unsigned group)
{
    struct assay_regex_match match;

    for (size_t at = 0; assay_log_search(run, regex, text, at, &match); at = match.end)
        assay_log_put(run, match.groups[group], ASSAY_TEST_FAILED);
}

// mocha --reporter min: "  1) suite name:", to the line that names the error.
void assay_parse_eslint(struct assay_log_run *run)
{
    put_squeezed(run,
            assay_log_regex(run,
                    PY_S "{2}" PY_D "+\\)" TO_TEXT_END "((?s).*?)" PY_S "+" TO_LINE_END ".*Error",
                    0),
            1);
}

// Karma in three browsers.
void assay_parse_bpmn(struct assay_log_run *run)
{
#define PHANTOM "2KPhantomJS" PY_S "[" PY_D ".]+" PY_S "\\(Linux" PY_S
#define HEADLESS "HeadlessChrome" PY_S "[" PY_D ".]+" PY_S "\\(Linux" PY_S
    static const struct {
        const char *pattern;
        unsigned group;
    } browsers[] = {{PHANTOM "[" PY_D ".]+\\)" PY_S TO_LINE_END "(.*)FAILED\\n", 1},
            {PHANTOM "x86_64\\)" PY_S TO_LINE_END "(.*)FAILED\\n", 1},
            {"Chrome" PY_S "Headless" PY_S TO_LINE_END "(.*)" PY_S "\\(Linux" PY_S
             "x86_64\\)" PY_S TO_LINE_END "(.*)FAILED\\n",
                    2},
            {HEADLESS "[" PY_D ".]+\\)" PY_S TO_LINE_END "(.*)FAILED\\n", 1}};
#undef PHANTOM
#undef HEADLESS

    for (size_t i = 0; i < sizeof(browsers) / sizeof(browsers[0]); i++)
        put_all(run, run->text, assay_log_regex(run, browsers[i].pattern, 0), browsers[i].group);
}

// Karma, mocha and the rendering tests.
void assay_parse_openlayers(struct assay_log_run *run)
{
#define LINUX PY_S "[" PY_D ".]+" PY_S "\\(Linux" PY_S PY_NS "+\\)" PY_S
    static const char *const patterns[] = {"Chrome" PY_S "Headless" LINUX TO_LINE_END "(.*)" PY_S
                                           "FAILED\\n",
            "Chrome" LINUX TO_LINE_END "(.*)FAILED\\n",
            "^" PY_S "{2}" PY_D "+\\)" TO_TEXT_END "((?s).*?)Error:",
            "^case" PY_S "(.*):" PY_S "mismatch", NULL};
#undef LINUX

    for (size_t i = 0; patterns[i] != NULL; i++)
        put_squeezed(run, assay_log_regex(run, patterns[i], ASSAY_REGEX_LINES), 1);
}

// Karma; the name keeps the space before FAILED.
void assay_parse_chart(struct assay_log_run *run)
{
#define BLANK "(?![\\r\\n])" PY_S
    put_all(run, assay_py_plain(run, run->text),
            assay_log_regex(run,
                    "Chrome" PY_S "[" PY_D ".]+" BLANK "\\(" TO_LINE_END ".+?\\)" BLANK TO_LINE_END
                    "(.*)FAILED$",
                    ASSAY_REGEX_LINES),
            1);
#undef BLANK
}

void assay_parse_marked(struct assay_log_run *run)
{
    struct assay_regex *numbered = assay_log_regex(run, PY_D "+\\)" PY_S "(.*)", 0);
    struct assay_text rest = run->text, line;
    struct assay_regex_match match;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line))
        if (assay_log_match(run, numbered, line, &match))
            assay_log_put(run, assay_py_strip(match.groups[1]), ASSAY_TEST_FAILED);
}

// --- p5js: what applications print is taken out first -------------------------------------------

// Copy the lines that are no part of a JSON value printed over several lines.
static struct assay_text without_json(struct assay_log_run *run, struct assay_text log)
{
    char *made = assay_arena_alloc(run->arena, log.len + 1), *end = made;
    bool in_object = false, in_list = false;
    struct assay_text line;

    if (made == NULL) {
        run->no_memory = true;
        return log;
    }
    while (assay_py_line(&log, &line)) {
        const struct assay_text text = assay_py_rstrip(line);

        if (assay_py_ends(text, "{")) {
            in_object = true;
        } else if (assay_py_ends(text, "[")) {
            in_list = true;
        } else if (assay_text_is(text, "}") && in_object) {
            in_object = false;
        } else if (assay_text_is(text, "]") && in_list) {
            in_list = false;
        } else if (!in_object && !in_list &&
                !(assay_py_starts(text, "{") && assay_py_ends(text, "}")) &&
                !(assay_py_starts(text, "[") && assay_py_ends(text, "]"))) {
            if (end != made)
                *end++ = '\n';
            end = mempcpy(end, line.data, line.len);
        }
    }
    return (struct assay_text){made, (size_t)(end - made)};
}

static size_t count_of(struct assay_text text, struct assay_text part)
{
    size_t count = 0;
    const char *at;

    while ((at = memmem(text.data, text.len, part.data, part.len)) != NULL) {
        text.len -= (size_t)(at - text.data) + part.len;
        text.data = at + part.len;
        count++;
    }
    return count;
}

// <tag>...</tag> goes, again and again from the start (what is left may join to a new tag); opening
// tags that one closing tag left open stay.
static struct assay_text without_xml(struct assay_log_run *run, struct assay_text log)
{
    struct assay_regex *element =
            assay_log_regex(run, "<(" PY_W "+)>" TO_TEXT_END "(?s:.*?)</\\1>", 0);
    size_t work_left = XML_WORK_MAX;
    struct assay_regex_match match;
    char *made;

    if (!assay_log_search(run, element, log, 0, &match))
        return log;
    made = assay_arena_memdup(run->arena, log.data, log.len);
    if (made == NULL) {
        run->no_memory = true;
        return log;
    }
    log.data = made;
    while (assay_log_search(run, element, log, 0, &match)) {
        // "<tag>", as it stands at the start of the match.
        const struct assay_text tag = {match.groups[0].data, match.groups[1].len + strlen("<>")};
        const size_t kept = (count_of(match.groups[0], tag) - 1) * tag.len;

        for (size_t i = tag.len; i < kept; i += tag.len)
            memcpy(made + match.start + i, tag.data, tag.len);
        memmove(made + match.start + kept, made + match.end, log.len - match.end);
        if (log.len > work_left) {
            run->map->costly = true;
            break;
        }
        work_left -= log.len;
        log.len -= match.end - match.start - kept;
    }
    return log;
}

// "  1) suite", deeper names on lines of their own, a colon: each further in than the one before.
static void put_p5js(struct assay_log_run *run, struct assay_text names)
{
    struct assay_text rest = names, line;
    size_t indent = 0;
    bool first = true;

    while (assay_py_line(&rest, &line)) {
        const size_t deeper = assay_py_indent(line);

        if (deeper <= indent)
            return;
        indent = deeper;
    }
    assay_log_id_begin(run);
    for (rest = names; assay_py_line(&rest, &line); first = false) {
        if (!first)
            assay_log_id_adds(run, ":");
        assay_log_id_add(run, assay_py_strip(line));
    }
    assay_log_id_put(run, ASSAY_TEST_FAILED);
}

void assay_parse_p5js(struct assay_log_run *run)
{
    struct assay_regex *numbered = assay_log_regex(
            run, "^" PY_S "*" ONE_STEP PY_D "+\\)((?s).{0,1000}?):", ASSAY_REGEX_LINES);
    struct assay_text log = without_json(run, assay_py_plain(run, run->text));
    struct assay_regex_match match;

    log = without_xml(run, log);
    for (size_t at = 0; assay_log_search(run, numbered, log, at, &match); at = match.end)
        put_p5js(run, match.groups[1]);
}
