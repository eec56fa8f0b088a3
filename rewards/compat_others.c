// SPDX-License-Identifier: MIT
// compat_others.c - the graders beside SWE-bench's own: SWE-smith, R2E-Gym, Pro, rebench.
#include <string.h>

#include "rewards/compat.h"
#include "rewards/log_parse.h"

#define START_LINE "+ : '>>>>> Start Test Output'"
#define END_LINE "+ : '>>>>> End Test Output'"

// --- parsers of their own -----------------------------------------------------------------------

// "id STATUS" from the start of the line, as pytest -v prints it.
static void parse_smith(struct assay_log_run *run)
{
    struct assay_regex *verbose =
            assay_log_regex(run, "(" PY_NS "+)" PY_S "+(FAILED|PASSED|SKIPPED|ERROR|XFAIL)", 0);
    struct assay_text rest = run->text, line;
    struct assay_regex_match match;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line))
        if (assay_log_match(run, verbose, line, &match))
            assay_log_put_word(run, match.groups[1], match.groups[2]);
}

// The parts behind the first "::", joined by dots, to the first " - ": "t.py::A::b - msg" is "A.b".
static void r2e_id(struct assay_log_run *run, struct assay_text id, bool whole_without)
{
    struct assay_text part, rest, message;

    assay_log_id_begin(run);
    if (!assay_py_cut(id, "::", &part, &rest)) {
        if (!whole_without)
            return;
        rest = id;
    }
    assay_py_cut(rest, " - ", &rest, &message);
    for (bool more = true; more;) {
        more = assay_py_cut(rest, "::", &part, &rest);
        assay_log_id_add(run, part);
        if (more)
            assay_log_id_adds(run, ".");
    }
}

// pytest's short summary, behind its first headline.
static void parse_r2e(struct assay_log_run *run)
{
    static const char *const words[] = {"PASSED", "FAILED", "ERROR", NULL};
    struct assay_regex *colour = assay_log_regex(run, "\\x1b\\[" PY_D "+m", 0);
    struct assay_text before, rest, line;

    if (!assay_py_cut(run->text, "short test summary info", &before, &rest))
        return;
    assay_py_cut(rest, "short test summary info", &rest, &before);
    rest = assay_py_strip(rest);
    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        for (size_t i = 0; words[i] != NULL; i++) {
            if (!assay_text_has(line, words[i]))
                continue;
            r2e_id(run, assay_log_sub(run, colour, line, ""), false);
            assay_log_put_word(run, assay_log_id(run), assay_text_of(words[i]));
            break;
        }
    }
}

static const struct assay_log_parser smith_pytest = {.name = "swesmith", .parse = parse_smith};
static const struct assay_log_parser r2e_pytest = {.name = "r2e", .parse = parse_r2e};

static bool reads_pytest(const struct assay_log_parser *parser)
{
    return parser->parse == assay_parse_pytest || parser->parse == assay_parse_pytest_options ||
            parser->parse == assay_parse_pytest_v2 || parser->parse == assay_parse_matplotlib ||
            parser->parse == assay_parse_seaborn;
}

// --- ids under which results are compared -------------------------------------------------------

// An id without what a run measures: " [1.3 ms]", " in 0.2 sec", " (5 ms)".
#define TIME_TAIL                                                                                  \
    PY_S "*" ONE_STEP "(?:\\[" PY_S "*" NUMBER PY_S "*m?s" PY_S "*\\]|" PY_S "in" PY_S             \
         "+" NUMBER PY_S "*m?s(?:ec)?|\\(" PY_S "*" NUMBER PY_S "*m?s" PY_S "*\\))" PY_S "*$"
#define NUMBER PY_D "+(?:\\." PY_D "+)?"

struct renaming {
    struct assay_log_run run;
    struct assay_log_map map;
    struct assay_regex *tail; // what is cut off; NULL: nothing
    bool r2e;
};

static void rename_begin(struct renaming *renaming, enum assay_compat compat, size_t bytes,
        struct assay_arena *arena)
{
    *renaming = (struct renaming){.r2e = compat == ASSAY_COMPAT_R2E};
    renaming->run = (struct assay_log_run){.map = &renaming->map,
            .arena = arena,
            .id_bytes_left = bytes,
            .work_left = ASSAY_LOG_WORK_SPARE};
    assay_buf_init(&renaming->run.scratch, bytes);
    if (compat == ASSAY_COMPAT_REBENCH)
        renaming->tail = assay_log_regex(&renaming->run, TIME_TAIL, 0);
}

static struct assay_text renamed(struct renaming *renaming, struct assay_text id)
{
    if (renaming->r2e) {
        r2e_id(&renaming->run, id, true);
        return assay_log_id(&renaming->run);
    }
    return renaming->tail != NULL ? assay_log_sub(&renaming->run, renaming->tail, id, "") : id;
}

static void rename_end(struct renaming *renaming)
{
    assay_log_free_regexes(&renaming->run);
    assay_buf_free(&renaming->run.scratch);
}

// --- rules ---------------------------------------------------------------------------------------

static bool success_of(enum assay_compat compat, const struct assay_log_entry *entry)
{
    const enum assay_test_status status = entry != NULL ? entry->status : ASSAY_TEST_MISSING;

    return status == ASSAY_TEST_PASSED ||
            (compat == ASSAY_COMPAT_SWESMITH && status == ASSAY_TEST_XFAIL);
}

static bool divide(struct renaming *renaming, enum assay_compat compat,
        const struct assay_strings *ids, struct assay_strings *success,
        struct assay_strings *failure, struct assay_arena *arena)
{
    const char **yes = assay_arena_array(arena, ids->count, sizeof(*yes));
    const char **no = assay_arena_array(arena, ids->count, sizeof(*no));

    if (yes == NULL || no == NULL)
        return false;
    *success = (struct assay_strings){yes, 0};
    *failure = (struct assay_strings){no, 0};
    for (size_t i = 0; i < ids->count; i++) {
        const struct assay_text id = renamed(renaming, assay_text_of(ids->items[i]));
        const struct assay_log_entry *entry = assay_log_find(&renaming->map, id.data, id.len);

        if (success_of(compat, entry))
            yes[success->count++] = ids->items[i];
        else if (compat != ASSAY_COMPAT_SWESMITH || entry == NULL ||
                entry->status == ASSAY_TEST_FAILED || entry->status == ASSAY_TEST_ERROR)
            no[failure->count++] = ids->items[i];
    }
    return true;
}

// How many different ids the lists hold, under the names that are compared.
static size_t expected_count(const struct assay_instance *instance, enum assay_compat compat,
        size_t bytes, struct assay_arena *arena, bool *no_memory)
{
    const struct assay_strings *lists[] = {&instance->fail_to_pass, &instance->pass_to_pass};
    struct renaming expected;

    rename_begin(&expected, compat, bytes, arena);
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            assay_log_put(&expected.run, renamed(&expected, assay_text_of(lists[l]->items[i])),
                    ASSAY_TEST_PASSED);
    *no_memory |= expected.run.no_memory;
    rename_end(&expected);
    return expected.map.count;
}

static size_t list_bytes(const struct assay_instance *instance)
{
    const struct assay_strings *lists[] = {&instance->fail_to_pass, &instance->pass_to_pass};
    size_t bytes = 0;

    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            bytes += strlen(lists[l]->items[i]) + 1;
    return bytes;
}

static enum assay_status apply_rules(struct assay_swebench_report *report, enum assay_compat compat,
        const struct assay_instance *instance, size_t log_bytes, struct assay_arena *arena,
        struct assay_error *err)
{
    const size_t bytes = 16 * log_bytes + 4 * list_bytes(instance) + ((size_t)32 << 20);
    struct renaming seen;
    bool no_memory = false;

    rename_begin(&seen, compat, bytes, arena);
    for (size_t i = 0; i < report->map.count; i++) {
        const struct assay_log_entry *entry = &report->map.entries[i];
        struct assay_text id = {entry->id, entry->id_len};

        if (!seen.r2e) // its parser makes the names already
            id = renamed(&seen, id);
        assay_log_put_word(&seen.run, id, (struct assay_text){entry->word, entry->word_len});
    }
    no_memory |= !divide(&seen, compat, &instance->fail_to_pass, &report->f2p_success,
            &report->f2p_failure, arena);
    no_memory |= !divide(&seen, compat, &instance->pass_to_pass, &report->p2p_success,
            &report->p2p_failure, arena);
    if (report->p2p_failure.count == 0 && report->f2p_failure.count == 0)
        report->resolution = ASSAY_RESOLUTION_FULL;
    else if (report->p2p_failure.count == 0 && report->f2p_success.count > 0)
        report->resolution = ASSAY_RESOLUTION_PARTIAL;
    if (seen.r2e && seen.map.count != expected_count(instance, compat, bytes, arena, &no_memory))
        report->resolution = ASSAY_RESOLUTION_NO;
    no_memory |= seen.run.no_memory;
    report->costly |= seen.map.costly;
    rename_end(&seen);
    return no_memory ? assay_fail(err, ASSAY_ENOMEM, "no memory to grade a log") : ASSAY_OK;
}

// SWE-smith looks between whole marker lines, and not at all where its own trouble is named.
static bool smith_region(struct assay_bytes *log)
{
    struct assay_text before, after, text = {log->data, log->len};

    if (assay_text_has(text, ">>>>> Patch Apply Failed") ||
            assay_text_has(text, ">>>>> Tests Timed Out"))
        return false;
    assay_py_cut(text, START_LINE, &before, &text);
    assay_py_cut(text, END_LINE, &text, &after);
    *log = (struct assay_bytes){text.data, text.len};
    return true;
}

// Rows that name no parser come from before the data said how they are to be judged.
static bool fail_only(const struct assay_instance *instance)
{
    return instance->fail_only ||
            (instance->log_parser == NULL && assay_log_fail_only_repo(instance->repo));
}

enum assay_status assay_compat_grade(struct assay_swebench_report *out, enum assay_compat compat,
        const struct assay_instance *instance, const struct assay_log_parser *parser,
        struct assay_bytes output, int exit_code, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct assay_log_context context = {
            instance->instance_id, instance->version != NULL ? instance->version : ""};
    const struct assay_bytes file = assay_swebench_file(output, exit_code, arena);
    struct assay_swebench_report report = {.resolution = ASSAY_RESOLUTION_NO};
    struct assay_bytes log =
            assay_log_decode(compat == ASSAY_COMPAT_SWESMITH ? file : output, true, arena);
    enum assay_status status;

    if (file.data == NULL || log.data == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to grade a log");
    if (compat == ASSAY_COMPAT_SWEBENCH)
        return assay_swebench_grade(out, parser, file, &context, &instance->fail_to_pass,
                &instance->pass_to_pass, fail_only(instance), arena, err);
    if (compat == ASSAY_COMPAT_R2E)
        parser = &r2e_pytest;
    else if (compat == ASSAY_COMPAT_SWESMITH && reads_pytest(parser))
        parser = &smith_pytest;
    report.found = compat != ASSAY_COMPAT_SWESMITH || smith_region(&log);
    if (!report.found) {
        *out = report;
        return ASSAY_OK;
    }
    status = assay_log_parse(&report.map, parser, log, &context, arena, err);
    if (status != ASSAY_OK)
        return status;
    report.raised = report.map.raised;
    report.costly = report.map.costly;
    report.found = report.raised == NULL && !report.costly;
    if (report.found)
        status = apply_rules(&report, compat, instance, log.len, arena, err);
    if (status == ASSAY_OK)
        *out = report;
    return status;
}
