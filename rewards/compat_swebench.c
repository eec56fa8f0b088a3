// SPDX-License-Identifier: MIT
// compat_swebench.c - swebench 5: from a log file to a report, rule for rule.
#include <string.h>

#include "rewards/compat.h"
#include "rewards/log_parse.h"

#define START_MARK ">>>>> Start Test Output"
#define END_MARK ">>>>> End Test Output"
#define EXIT_MARK ">>>>> Test Exit Code"

// --- does the log say that a suite ran at all? --------------------------------------------------

// A run of one pattern over one text, for those that belong to no parser.
static bool matches(struct assay_bytes log, const char *pattern, struct assay_arena *arena,
        struct assay_regex_match *match, bool *no_memory)
{
    struct assay_log_map map = {0};
    struct assay_log_run run = {.map = &map,
            .arena = arena,
            .work_left = ASSAY_LOG_WORK_SPARE + ASSAY_LOG_WORK_FACTOR * log.len};
    struct assay_regex *regex = assay_log_regex(&run, pattern, ASSAY_REGEX_LINES);
    const bool found =
            assay_log_search(&run, regex, (struct assay_text){log.data, log.len}, 0, match);

    *no_memory |= run.no_memory;
    assay_log_free_regexes(&run);
    return found;
}

static const char suite_ran[] =
        "Executed [1-9]" PY_D "* of " PY_D "+"
        "|TOTAL: [1-9]" PY_D "* (?:SUCCESS|FAILED)"
        "|[1-9]" PY_D "*" ONE_STEP " passing"
        "|Tests:" PY_S "+[1-9]" PY_D "*"
        "|Test Suites:" PY_S "+(?:" PY_D "+ " PY_W "+, )*[1-9]" PY_D "* total"
        "|^# tests [1-9]" PY_D "*"
        "|[1-9]" PY_D "*" ONE_STEP " specs?, " PY_D "+ failures?"
        "|': ok$";

static bool has(struct assay_bytes text, const char *part)
{
    return assay_text_has((struct assay_text){text.data, text.len}, part);
}

// --- get_logs_eval -------------------------------------------------------------------------------

struct reader {
    const struct assay_log_parser *parser;
    const struct assay_log_context *context;
    struct assay_arena *arena;
    struct assay_error *err;
    bool no_memory;
};

// Between the first start marker and the first end marker behind it.
static struct assay_bytes region(struct assay_bytes log)
{
    struct assay_text before, after = {log.data, log.len}, inside;

    assay_py_cut(after, START_MARK, &before, &after);
    // split() by the start marker: a second one ends the piece.
    assay_py_cut(after, START_MARK, &inside, &before);
    assay_py_cut(inside, END_MARK, &inside, &before);
    return (struct assay_bytes){inside.data, inside.len};
}

static bool any_failed(const struct assay_log_map *map)
{
    for (size_t i = 0; i < map->count; i++)
        if (map->entries[i].status == ASSAY_TEST_FAILED ||
                map->entries[i].status == ASSAY_TEST_ERROR)
            return true;
    return false;
}

// The first exit status that the log names is neither 0 nor missing.
static bool exit_failed(struct reader *reader, struct assay_bytes log)
{
    struct assay_regex_match match;
    const char *digit;

    if (!matches(log, EXIT_MARK ":" PY_S "*(-?" PY_D "+)", reader->arena, &match,
                &reader->no_memory))
        return false;
    digit = match.groups[1].data;
    for (size_t left = match.groups[1].len; left > 0; left--, digit++)
        if (*digit != '-' && *digit != '0')
            return true;
    return false;
}

static enum assay_status parse(struct reader *reader, struct assay_swebench_report *report,
        struct assay_bytes text, bool *stopped)
{
    const enum assay_status status = assay_log_parse(
            &report->map, reader->parser, text, reader->context, reader->arena, reader->err);

    if (status == ASSAY_OK) {
        report->raised = report->map.raised;
        report->costly = report->map.costly;
    }
    *stopped = status != ASSAY_OK || report->raised != NULL || report->costly;
    return status;
}

// Fills map, found, raised, costly.
static enum assay_status read_log(
        struct reader *reader, struct assay_swebench_report *report, struct assay_bytes log)
{
    static const char *const bad[] = {">>>>> Patch Apply Failed", ">>>>> Reset Failed",
            ">>>>> Tests Errored", ">>>>> Tests Timed Out", NULL};
    struct assay_regex_match match;
    enum assay_status status;
    bool stopped;

    for (size_t i = 0; bad[i] != NULL; i++)
        if (has(log, bad[i]))
            return ASSAY_OK;
    if (!has(log, START_MARK) || !has(log, END_MARK))
        return ASSAY_OK;
    status = parse(reader, report, region(log), &stopped);
    // Output may stand outside the markers.
    if (!stopped && report->map.count == 0)
        status = parse(reader, report, log, &stopped);
    if (stopped)
        return status;
    report->found = report->map.count > 0 ||
            matches(log, suite_ran, reader->arena, &match, &reader->no_memory);
    // A failed command that names no failed test: this log is not of that run.
    if (report->map.count > 0 && !any_failed(&report->map) && exit_failed(reader, log))
        report->found = false;
    if (!report->found)
        report->map.count = 0;
    return ASSAY_OK;
}

// --- get_eval_tests_report -----------------------------------------------------------------------

static bool passes(enum assay_test_status status)
{
    return status == ASSAY_TEST_PASSED || status == ASSAY_TEST_XFAIL;
}

static bool bracket_open(const char *id)
{
    size_t opened = 0, closed = 0;

    for (; *id != '\0'; id++) {
        opened += *id == '[';
        closed += *id == ']';
    }
    return opened > closed;
}

// An id that was cut inside "[...": the first that begins so, if all that do agree.
static const struct assay_log_entry *resolve(const struct assay_log_map *map, const char *id)
{
    const size_t len = strlen(id);
    const struct assay_log_entry *found = assay_log_find(map, id, len);

    if (found != NULL || !bracket_open(id))
        return found;
    for (size_t i = 0; i < map->count; i++) {
        const struct assay_log_entry *entry = &map->entries[i];

        if (entry->id_len < len || memcmp(entry->id, id, len) != 0)
            continue;
        if (found != NULL && passes(found->status) != passes(entry->status))
            return NULL;
        if (found == NULL)
            found = entry;
    }
    return found;
}

enum side { SUCCESS, FAILURE, NEITHER };

// A word that is no status is neither a success nor a failure.
static enum side side_of(
        const struct assay_log_map *map, const char *id, bool fail_only, bool skip_is_success)
{
    const struct assay_log_entry *entry =
            fail_only ? assay_log_find(map, id, strlen(id)) : resolve(map, id);
    const enum assay_test_status status = entry != NULL ? entry->status : ASSAY_TEST_FAILED;

    if (fail_only)
        return entry != NULL && status == ASSAY_TEST_FAILED ? FAILURE : SUCCESS;
    if (passes(status) || (skip_is_success && status == ASSAY_TEST_SKIPPED))
        return SUCCESS;
    return status == ASSAY_TEST_MISSING ? NEITHER : FAILURE;
}

static bool divide(const struct assay_swebench_report *report, const struct assay_strings *ids,
        bool fail_only, bool skip_is_success, struct assay_strings *success,
        struct assay_strings *failure, struct assay_arena *arena)
{
    const char **yes = assay_arena_array(arena, ids->count, sizeof(*yes));
    const char **no = assay_arena_array(arena, ids->count, sizeof(*no));

    if (yes == NULL || no == NULL)
        return false;
    *success = (struct assay_strings){yes, 0};
    *failure = (struct assay_strings){no, 0};
    for (size_t i = 0; i < ids->count; i++) {
        switch (side_of(&report->map, ids->items[i], fail_only, skip_is_success)) {
        case SUCCESS:
            yes[success->count++] = ids->items[i];
            break;
        case FAILURE:
            no[failure->count++] = ids->items[i];
            break;
        case NEITHER:
            break;
        }
    }
    return true;
}

// An empty list is all success.
static enum assay_resolution resolution_of(const struct assay_swebench_report *report)
{
    if (report->p2p_failure.count > 0)
        return ASSAY_RESOLUTION_NO;
    if (report->f2p_failure.count == 0)
        return ASSAY_RESOLUTION_FULL;
    return report->f2p_success.count > 0 ? ASSAY_RESOLUTION_PARTIAL : ASSAY_RESOLUTION_NO;
}

enum assay_status assay_swebench_grade(struct assay_swebench_report *out,
        const struct assay_log_parser *parser, struct assay_bytes log,
        const struct assay_log_context *context, const struct assay_strings *fail_to_pass,
        const struct assay_strings *pass_to_pass, bool fail_only, struct assay_arena *arena,
        struct assay_error *err)
{
    struct reader reader = {.parser = parser, .context = context, .arena = arena, .err = err};
    struct assay_swebench_report report = {.resolution = ASSAY_RESOLUTION_NO};
    const struct assay_bytes text = assay_log_decode(log, true, arena);
    enum assay_status status = ASSAY_OK;

    if (text.data == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to read a log of %zu bytes", log.len);
    status = read_log(&reader, &report, text);
    if (status != ASSAY_OK)
        return status;
    if (report.found) {
        reader.no_memory |= !divide(&report, fail_to_pass, fail_only, false, &report.f2p_success,
                &report.f2p_failure, arena);
        reader.no_memory |= !divide(&report, pass_to_pass, fail_only, true, &report.p2p_success,
                &report.p2p_failure, arena);
        report.resolution = resolution_of(&report);
    } else if (report.raised == NULL) {
        report.infra = assay_swebench_classify(text);
    }
    if (reader.no_memory)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to grade a log of %zu bytes", log.len);
    *out = report;
    return ASSAY_OK;
}

// --- the infrastructure classifier ---------------------------------------------------------------

static bool has_line(struct assay_bytes log, const char *wanted)
{
    struct assay_text rest = {log.data, log.len}, line;

    while (assay_py_line(&rest, &line))
        if (assay_text_is(line, wanted))
            return true;
    return false;
}

// "Timeout error: 1800 seconds exceeded"
static bool has_timeout(struct assay_bytes log)
{
    struct assay_text rest = {log.data, log.len}, before;

    while (assay_py_cut(rest, "Timeout error: ", &before, &rest)) {
        struct assay_text after = rest;
        size_t digits = 0;

        while (after.len > 0 && *after.data >= '0' && *after.data <= '9') {
            after.data++;
            after.len--;
            digits++;
        }
        if (digits > 0 && assay_py_starts(after, " seconds exceeded"))
            return true;
    }
    return false;
}

struct assay_swebench_infra assay_swebench_classify(struct assay_bytes log)
{
    static const struct {
        const char *reason;
        bool environment;
        const char *signs[4];
    } rules[] = {
            {"browser_launch_failed", true, {"Failed to launch", "Failed to connect to the bus"}},
            {"display_unavailable", true,
                    {"cannot open display", "Missing X server", "unable to open X display"}},
            {"out_of_memory", true, {"Cannot allocate memory", "OutOfMemoryError"}},
            {"container_unavailable", true,
                    {"Error response from daemon", "Cannot connect to the Docker daemon"}},
            {"network_unreachable", true,
                    {"Could not resolve host", "Temporary failure in name resolution"}},
            {"missing_module", false,
                    {"Cannot find module", "MODULE_NOT_FOUND", "ModuleNotFoundError"}},
            {"no_tests_collected", false, {"no tests ran", "collected 0 items"}},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct assay_swebench_infra infra = {rules[i].reason, rules[i].environment};

        for (size_t s = 0; s < 4 && rules[i].signs[s] != NULL; s++)
            if (has(log, rules[i].signs[s]))
                return infra;
        if (strcmp(rules[i].reason, "out_of_memory") == 0 && has_line(log, "Killed"))
            return infra;
    }
    if (has_timeout(log))
        return (struct assay_swebench_infra){"tests_timed_out", false};
    return (struct assay_swebench_infra){NULL, false};
}

// --- the file ------------------------------------------------------------------------------------

struct assay_bytes assay_swebench_file(
        struct assay_bytes output, int exit_code, struct assay_arena *arena)
{
    static const char head[] = "+ : '" START_MARK "'\n";
    const char *end = output.len > 0 && output.data[output.len - 1] != '\n' ? "\n" : "";
    const char *tail =
            assay_arena_printf(arena, "%s+ : '" END_MARK "'\n" EXIT_MARK ": %d\n", end, exit_code);
    const size_t tail_len = tail != NULL ? strlen(tail) : 0;
    char *file = assay_arena_alloc(arena, strlen(head) + output.len + tail_len + 1);
    char *at = file;

    if (tail == NULL || file == NULL)
        return (struct assay_bytes){NULL, 0};
    at = mempcpy(at, head, strlen(head));
    at = mempcpy(at, output.data != NULL ? output.data : "", output.len);
    at = mempcpy(at, tail, tail_len);
    return (struct assay_bytes){file, (size_t)(at - file)};
}
