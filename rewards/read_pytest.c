// SPDX-License-Identifier: MIT
// read_pytest.c - pytest: phases from assay_pytest.py, the verbose and summary lines of the log.
#include <stdlib.h>
#include <string.h>

#include "rewards/reader.h"

// What the phases of one test said.
enum {
    SETUP_PASSED = 1 << 0,
    CALL_PASSED = 1 << 1,
    TEARDOWN_PASSED = 1 << 2,
    SOMETHING_SKIPPED = 1 << 3,
    EXPECTED_FAILURE = 1 << 4,
    UNEXPECTED_PASS = 1 << 5,
    CALL_FAILED = 1 << 6,
    OTHER_FAILED = 1 << 7,
    RAN = 1 << 8, // a phase of a test, not of a collected file
};

struct phase {
    const char *id; // in the arena
    size_t order;
    unsigned said;
};

struct phases {
    struct phase *items; // owned
    size_t count, capacity;
    bool failed; // memory ran out
    size_t collected, collect_trouble, tests;
    bool collected_known, tests_known;
    struct assay_outcome ambiguous; // ids whose log lines are not compared
};

// `xfail`: it is no failure. `marked`: the test said before it ran that it would fail.
static unsigned phase_said(const char *when, const char *outcome, bool xfail, bool marked)
{
    const bool call = strcmp(when, "call") == 0;

    if (strcmp(outcome, "failed") == 0)
        return call ? CALL_FAILED : OTHER_FAILED;
    if (strcmp(outcome, "skipped") == 0)
        return xfail && marked ? EXPECTED_FAILURE : SOMETHING_SKIPPED;
    if (strcmp(outcome, "passed") != 0)
        return 0; // "rerun": another attempt follows
    if (call)
        return xfail ? UNEXPECTED_PASS : CALL_PASSED;
    if (strcmp(when, "setup") == 0)
        return SETUP_PASSED;
    return strcmp(when, "teardown") == 0 ? TEARDOWN_PASSED : 0;
}

static void add_phase(
        struct phases *phases, struct assay_arena *arena, const char *id, unsigned said)
{
    if (phases->count == phases->capacity) {
        const size_t capacity = phases->capacity == 0 ? 256 : phases->capacity * 2;
        struct phase *items = realloc(phases->items, capacity * sizeof(*items));

        if (items == NULL) {
            phases->failed = true;
            return;
        }
        phases->items = items;
        phases->capacity = capacity;
    }
    phases->items[phases->count] =
            (struct phase){assay_arena_strdup(arena, id), phases->count, said};
    if (phases->items[phases->count].id == NULL)
        phases->failed = true;
    else
        phases->count++;
}

static void phase_record(
        struct assay_reader *reader, struct phases *phases, const struct assay_json *record)
{
    const bool xfail = assay_json_bool(assay_json_get(record, "xfail"));
    const struct assay_json *marked = assay_json_get(record, "marked");
    const char *id, *when, *outcome;

    if (!assay_record_text(reader, record, "id", &id) ||
            !assay_record_text(reader, record, "when", &when) ||
            !assay_record_text(reader, record, "outcome", &outcome))
        return;
    if (strcmp(outcome, "failed") == 0 && !xfail)
        reader->reading->failed = true;
    if (strcmp(when, "collect") == 0)
        phases->collect_trouble++;
    add_phase(phases, reader->arena, id,
            phase_said(when, outcome, xfail, marked == NULL || assay_json_bool(marked)) |
                    (strcmp(when, "collect") == 0 ? 0 : RAN));
}

// The session counts failures as well; what it counted after the last test is no test's.
static void last_record(struct assay_reader *reader, const struct assay_json *record)
{
    size_t failed = 0, counted = 0, outside = 0;

    if (!assay_record_count(reader, record, "failed", &failed) ||
            !assay_record_count(reader, record, "counted", &counted) ||
            !assay_record_count(reader, record, "outside", &outside))
        return;
    if (failed != counted)
        assay_reader_problem(
                reader, "pytest counted %zu failures, its plugin was told of %zu", counted, failed);
    reader->reading->failed_outside = outside > 0;
}

static void visit_record(
        struct assay_reader *reader, const char *event, const struct assay_json *record, void *user)
{
    struct phases *phases = user;

    if (strcmp(event, "phase") == 0) {
        phase_record(reader, phases, record);
    } else if (strcmp(event, "collected") == 0) {
        phases->collected_known = assay_record_count(reader, record, "count", &phases->collected);
    } else if (strcmp(event, "end") == 0) {
        last_record(reader, record);
        phases->tests_known = assay_record_count(reader, record, "tests", &phases->tests);
    } else {
        assay_reader_problem(reader, "the private channel has an unknown record \"%s\"",
                assay_show(reader->arena, event, strlen(event)));
    }
}

static int compare_phases(const void *left, const void *right)
{
    const struct phase *a = left, *b = right;
    const int order = strcmp(a->id, b->id);

    return order != 0 ? order : a->order < b->order ? -1 : a->order > b->order;
}

// One status out of all phases; MISSING when the test did not come to its end.
static enum assay_test_status status_of(unsigned said)
{
    if ((said & OTHER_FAILED) != 0)
        return ASSAY_TEST_ERROR;
    if ((said & CALL_FAILED) != 0)
        return ASSAY_TEST_FAILED;
    if ((said & SOMETHING_SKIPPED) != 0)
        return ASSAY_TEST_SKIPPED;
    if ((said & TEARDOWN_PASSED) == 0)
        return ASSAY_TEST_MISSING;
    if ((said & EXPECTED_FAILURE) != 0)
        return ASSAY_TEST_XFAIL;
    if ((said & SETUP_PASSED) == 0)
        return ASSAY_TEST_MISSING;
    if ((said & UNEXPECTED_PASS) != 0)
        return ASSAY_TEST_XPASS;
    return (said & CALL_PASSED) != 0 ? ASSAY_TEST_PASSED : ASSAY_TEST_MISSING;
}

static void combine(struct assay_reader *reader, struct phases *phases)
{
    size_t tests = 0, ran = 0;

    if (phases->count > 0)
        qsort(phases->items, phases->count, sizeof(*phases->items), compare_phases);
    for (size_t i = 0; i < phases->count;) {
        const char *id = phases->items[i].id;
        unsigned said = 0, calls = 0;
        enum assay_test_status status;

        for (; i < phases->count && strcmp(phases->items[i].id, id) == 0; i++) {
            const unsigned one = phases->items[i].said;

            said |= one;
            calls += (one & (CALL_PASSED | CALL_FAILED | SOMETHING_SKIPPED)) != 0;
        }
        ran += (said & RAN) != 0;
        status = status_of(said);
        if (status == ASSAY_TEST_MISSING)
            continue;
        assay_reader_add(reader, &reader->reading->channel, assay_text_of(id), status);
        tests++;
        if (calls > 1)
            assay_reader_add(reader, &phases->ambiguous, assay_text_of(id), status);
    }
    if (phases->tests_known && phases->tests != ran)
        assay_reader_problem(reader, "pytest ended with %zu tests, the private channel has %zu",
                phases->tests, ran);
    // Only trouble with whole files: no test was found.
    reader->reading->none_collected = reader->reading->begun &&
            (tests == 0 ||
                    (phases->collected_known && phases->collected == 0 &&
                            tests <= phases->collect_trouble));
}

// --- the log ------------------------------------------------------------------------------------

static const struct {
    const char *word;
    enum assay_test_status status;
} words[] = {
        {"PASSED", ASSAY_TEST_PASSED},
        {"FAILED", ASSAY_TEST_FAILED},
        {"ERROR", ASSAY_TEST_ERROR},
        {"SKIPPED", ASSAY_TEST_SKIPPED},
        {"XFAIL", ASSAY_TEST_XFAIL},
        {"XPASS", ASSAY_TEST_XPASS},
};
#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

// "ID STATUS   [ 10%]": the progress at the end is pytest's own.
static void drop_progress(struct assay_text *line)
{
    struct assay_text tail = *line, head;

    if (!assay_text_split_last(&tail, "[", &head) || !assay_text_drop(&tail, "]"))
        return;
    if (assay_text_drop(&tail, "%") || assay_text_has(tail, "/"))
        *line = assay_text_trim(head);
}

// "STATUS ID" of the summary ("STATUS ID - message"), "ID STATUS" of -v,
// "[gw0] [ 10%] STATUS ID" of xdist.
static void log_line(struct assay_reader *reader, struct assay_text line)
{
    struct assay_text head;

    line = assay_text_trim(line);
    if (assay_text_skip(&line, "[gw")) {
        if (!assay_text_split(&line, "] ", &head))
            return;
        line = assay_text_trim(line);
        if (assay_text_skip(&line, "[") && !assay_text_split(&line, "] ", &head))
            return;
    }
    for (size_t i = 0; i < WORD_COUNT; i++) {
        struct assay_text id = line;

        if (!assay_text_skip(&id, words[i].word) || !assay_text_skip(&id, " "))
            continue;
        // Where " - message" begins is a guess when the id holds " - " itself: leave those out.
        if (assay_text_split(&id, " - ", &head)) {
            if (memchr(head.data, '[', head.len) != NULL && head.data[head.len - 1] != ']')
                return;
            id = head;
        }
        if (assay_text_has(id, "::"))
            assay_reader_add(reader, &reader->reading->log, id, words[i].status);
        return;
    }
    drop_progress(&line);
    for (size_t i = 0; i < WORD_COUNT; i++) {
        struct assay_text id = line;

        if (!assay_text_drop(&id, words[i].word) || !assay_text_drop(&id, " "))
            continue;
        if (assay_text_has(id, "::"))
            assay_reader_add(reader, &reader->reading->log, id, words[i].status);
        return;
    }
}

static enum assay_status read_log(
        struct assay_reader *reader, struct assay_outcome *ambiguous, struct assay_error *err)
{
    struct assay_outcome *log = &reader->reading->log;
    struct assay_text rest = reader->log, line;
    enum assay_status status;
    size_t kept = 0;

    while (assay_text_line(&rest, &line))
        log_line(reader, line);
    status = assay_outcome_finish(ambiguous, err);
    if (status == ASSAY_OK)
        status = assay_outcome_finish(log, err);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < log->count; i++)
        if (assay_outcome_find(ambiguous, log->results[i].id) == ASSAY_TEST_MISSING)
            log->results[kept++] = log->results[i];
    log->count = kept;
    return ASSAY_OK;
}

// Exit 2 is an interrupt, 3 an error inside pytest, 4 a wrong command line.
static void read_end(struct assay_reading *reading)
{
    if (!reading->ended)
        return;
    if (reading->exit_expected >= 2 && reading->exit_expected <= 4)
        reading->interrupted = true;
    if (reading->exit_expected == 5)
        reading->none_collected = true;
}

enum assay_status assay_read_pytest(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    struct phases phases = {0};
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    assay_outcome_init(&phases.ambiguous, arena);
    assay_reader_records(&reader, "pytest", visit_record, &phases);
    if (phases.failed) {
        status = assay_fail(err, ASSAY_ENOMEM, "no memory for the results of pytest");
        goto out;
    }
    combine(&reader, &phases);
    read_end(out);
    status = read_log(&reader, &phases.ambiguous, err);
    if (status == ASSAY_OK)
        status = assay_reader_end(&reader, err);

out:
    free(phases.items);
    return status;
}

// `python -m pytest` trusts the current directory; a pytest found in PATH does not.
enum assay_status assay_command_pytest(const struct assay_strings *argv, struct assay_strings *out,
        struct assay_arena *arena, struct assay_error *err)
{
    return assay_python_replace_module(
            argv, "pytest", ASSAY_TRUSTED_DIR "/python/assay_pytest_main.py", out, arena, err);
}
