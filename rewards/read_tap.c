// SPDX-License-Identifier: MIT
// read_tap.c - the Test Anything Protocol: records of TAP helpers, the log of prove, plain TAP.
//
// Channel: "SCRIPT\tTAP LINE\n". Log: prove names a script ("t/a.t .. ") and its
// lines follow; without prove there is one nameless script. A test's id is
// "SCRIPT::description", or its number when it has no description; "SCRIPT"
// alone stands for the whole script.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "rewards/reader.h"

#define SCRIPTS_MAX 4096

struct script {
    struct assay_text name; // borrowed from the evidence; empty without prove
    uint64_t name_hash;     // a run may name thousands of scripts by turns
    size_t planned, count;
    bool has_plan, skip_all, bailed;
    bool failed;   // a test of it did
    bool bad;      // prove says so, or its numbers do not agree
    bool said_ok;  // prove's own "ok" for a script whose lines it does not show
    bool finished; // its result was written
};

struct tap {
    struct assay_reader *reader;
    struct assay_outcome *into, *scripts_into;
    bool channel;           // a second number is tampering there, and bad TAP in a log
    struct script *scripts; // owned
    size_t count, capacity, current;
    bool any_failed, any_bad, no_memory;
};

static bool is_script(const struct script *script, struct assay_text name, uint64_t hash)
{
    return script->name_hash == hash && script->name.len == name.len &&
            memcmp(script->name.data, name.data, name.len) == 0;
}

// Index of the script called `name`, made if it is new; SIZE_MAX: no more.
static size_t script_at(struct tap *tap, struct assay_text name)
{
    const uint64_t hash = assay_hash64(name.data, name.len);

    if (tap->count > 0 && is_script(&tap->scripts[tap->current], name, hash))
        return tap->current;
    for (size_t i = 0; i < tap->count; i++)
        if (is_script(&tap->scripts[i], name, hash))
            return i;
    if (tap->count == SCRIPTS_MAX) {
        assay_reader_problem(tap->reader, "more than %d TAP scripts", SCRIPTS_MAX);
        return SIZE_MAX;
    }
    if (tap->count == tap->capacity) {
        const size_t capacity = tap->capacity == 0 ? 64 : tap->capacity * 2;
        struct script *scripts = realloc(tap->scripts, capacity * sizeof(*scripts));

        if (scripts == NULL) {
            tap->no_memory = true;
            return SIZE_MAX;
        }
        tap->scripts = scripts;
        tap->capacity = capacity;
    }
    tap->scripts[tap->count] = (struct script){.name = name, .name_hash = hash};
    return tap->count++;
}

static void add_test(struct tap *tap, const struct script *script, struct assay_text description,
        enum assay_test_status status)
{
    if (script->name.len == 0)
        assay_reader_add(tap->reader, tap->into, description, status);
    else
        assay_reader_add_joined(tap->reader, tap->into, script->name, "::", description, status);
}

// " # SKIP why" or " # TODO why" at the end of a description, in any case; "\#" is no directive.
static bool cut_directive(struct assay_text *description, bool *skip, bool *todo)
{
    for (size_t i = 0; i + 5 <= description->len; i++) {
        struct assay_text word;

        if (description->data[i] != '#' || (i > 0 && description->data[i - 1] == '\\'))
            continue;
        word = assay_text_trim(
                (struct assay_text){description->data + i + 1, description->len - i - 1});
        *skip = word.len >= 4 && strncasecmp(word.data, "skip", 4) == 0;
        *todo = word.len >= 4 && strncasecmp(word.data, "todo", 4) == 0;
        if (*skip || *todo) {
            description->len = i;
            return true;
        }
    }
    return false;
}

static void odd_number(struct tap *tap, struct script *script, const char *what)
{
    if (tap->channel)
        assay_reader_problem(tap->reader, "the private channel of %s has %s",
                assay_show(tap->reader->arena, script->name.data, script->name.len), what);
    script->bad = true;
}

// "ok 3 - description # SKIP why", after "ok" or "not ok".
static void test_line(struct tap *tap, struct script *script, struct assay_text rest, bool ok)
{
    bool skip = false, todo = false;
    enum assay_test_status status = ok ? ASSAY_TEST_PASSED : ASSAY_TEST_FAILED;
    size_t number = 0;

    rest = assay_text_trim(rest);
    script->count++;
    if (assay_text_number(&rest, &number) && number != script->count)
        odd_number(tap, script, "a test whose number is out of order");
    if (script->has_plan && script->planned < script->count)
        odd_number(tap, script, "more tests than its plan");
    rest = assay_text_trim(rest);
    if (assay_text_skip(&rest, "-"))
        rest = assay_text_trim(rest);
    (void)cut_directive(&rest, &skip, &todo);
    rest = assay_text_trim(rest);
    if (skip)
        status = ASSAY_TEST_SKIPPED;
    else if (todo)
        status = ok ? ASSAY_TEST_XPASS : ASSAY_TEST_XFAIL;
    script->failed = script->failed || status == ASSAY_TEST_FAILED;
    if (rest.len == 0) {
        char digits[24];

        (void)snprintf(digits, sizeof(digits), "%zu", script->count);
        add_test(tap, script, assay_text_of(digits), status);
        return;
    }
    add_test(tap, script, rest, status);
}

static void plan_line(struct tap *tap, struct script *script, struct assay_text rest)
{
    size_t planned = 0;

    if (!assay_text_number(&rest, &planned))
        return;
    rest = assay_text_trim(rest);
    if (rest.len > 0 && rest.data[0] != '#')
        return; // "1..3 and more" is prose
    if (script->has_plan && script->name.len == 0 && script->count == script->planned)
        script->count = 0; // nameless scripts, one after another
    else if (script->has_plan)
        odd_number(tap, script, "a second plan");
    script->has_plan = true;
    script->planned = planned;
    script->skip_all = planned == 0;
    if (script->count > planned)
        odd_number(tap, script, "more tests than its plan");
}

// True when the line was TAP.
static bool tap_line(struct tap *tap, struct script *script, struct assay_text line)
{
    if (assay_text_skip(&line, "1..")) {
        plan_line(tap, script, line);
        return true;
    }
    if (assay_text_skip(&line, "Bail out!")) {
        script->bailed = true;
        tap->reader->reading->interrupted = true;
        return true;
    }
    if (assay_text_is(line, "ok") && script->has_plan && script->count >= script->planned)
        return false; // prove's word for the script
    if (assay_text_is(line, "ok") || assay_text_skip(&line, "ok ")) {
        if (line.len == 2 && script->count == 0 && !script->has_plan && !tap->channel) {
            script->said_ok = true; // prove without -v
            return true;
        }
        test_line(tap, script, assay_text_is(line, "ok") ? (struct assay_text){line.data, 0} : line,
                true);
        return true;
    }
    if (assay_text_is(line, "not ok") || assay_text_skip(&line, "not ok ")) {
        if (assay_text_is(line, "not ok"))
            line.len = 0;
        test_line(tap, script, line, false);
        return true;
    }
    return false;
}

// The result of a whole script, once all its lines were seen.
static void finish_script(struct tap *tap, struct script *script)
{
    const bool shown = script->has_plan || script->count > 0;
    enum assay_test_status status = ASSAY_TEST_PASSED;

    if (shown && (!script->has_plan || script->count != script->planned))
        script->bad = true;
    if (script->bailed)
        script->bad = true;
    if (script->bad)
        status = ASSAY_TEST_ERROR;
    else if (script->failed)
        status = ASSAY_TEST_FAILED;
    else if (script->skip_all)
        status = ASSAY_TEST_SKIPPED;
    else if (!shown && !script->said_ok)
        return;
    tap->any_failed = tap->any_failed || script->failed;
    tap->any_bad = tap->any_bad || script->bad;
    // What prove says of a whole script adds to the channel, which cannot know how it exited.
    if (script->name.len > 0 && (tap->scripts_into == tap->into || script->bad))
        assay_reader_add(tap->reader, tap->scripts_into, script->name, status);
}

static void read_channel(struct tap *tap)
{
    const struct assay_bytes report = tap->reader->evidence->report;
    struct assay_text rest = {report.data, report.len}, line, name;

    for (size_t number = 1; assay_text_line(&rest, &line); number++) {
        size_t at;

        if (rest.len == 0 && report.data[report.len - 1] != '\n')
            break; // cut off by death; the script's plan will not fit
        if (!assay_text_split(&line, "\t", &name) || name.len == 0) {
            assay_reader_problem(tap->reader, "line %zu of the private channel is no record: %s",
                    number, assay_show(tap->reader->arena, line.data, line.len));
            return;
        }
        at = script_at(tap, name);
        if (at == SIZE_MAX)
            return;
        tap->current = at;
        (void)tap_line(tap, &tap->scripts[at], line);
        if (tap->reader->reading->problems.count == ASSAY_PROBLEMS_MAX)
            return;
    }
}

// "t/a.t .. " or "t/a.t ..... ok": *name is what prove calls the script, *word what it says of it.
static bool header_line(struct assay_text line, struct assay_text *name, struct assay_text *word)
{
    if (line.len == 0 || line.data[0] == ' ' || line.data[0] == '#' ||
            !assay_text_split(&line, " ..", name) || assay_text_has(*name, " "))
        return false;
    while (line.len > 0 && line.data[0] == '.') {
        line.data++;
        line.len--;
    }
    if (line.len > 0 && line.data[0] != ' ')
        return false;
    *word = assay_text_trim(line);
    return true;
}

static void prove_word(struct script *script, struct assay_text word)
{
    if (assay_text_is(word, "ok"))
        script->said_ok = true;
    else if (assay_text_skip(&word, "skipped"))
        script->skip_all = true;
    else if (script->failed)
        return; // what it says next is about the test that failed
    else if (assay_text_skip(&word, "Dubious") || assay_text_skip(&word, "Failed ") ||
            assay_text_skip(&word, "No subtests run") || assay_text_skip(&word, "Parse errors"))
        script->bad = true;
}

// True when the log is prove's: it exits non-zero if anything failed.
static bool read_log(struct tap *tap)
{
    struct assay_text rest = tap->reader->log, line, name, word;
    bool prove = false, summary = false;
    size_t at = script_at(tap, (struct assay_text){"", 0});

    while (at != SIZE_MAX && assay_text_line(&rest, &line)) {
        if (header_line(line, &name, &word)) {
            at = script_at(tap, name);
            if (at == SIZE_MAX)
                break;
            tap->current = at;
            prove_word(&tap->scripts[at], word);
            continue;
        }
        summary = summary || assay_text_is(line, "Test Summary Report") ||
                assay_text_skip(&(struct assay_text){line.data, line.len}, "Files=");
        if (assay_text_skip(&line, "Result: ")) {
            prove = true;
            tap->any_bad = tap->any_bad || !assay_text_is(line, "PASS");
        } else if (!summary && !tap_line(tap, &tap->scripts[at], line)) {
            prove_word(&tap->scripts[at], line);
        }
    }
    return prove;
}

static void finish(struct tap *tap)
{
    for (size_t i = 0; i < tap->count; i++)
        finish_script(tap, &tap->scripts[i]);
}

static bool complete(const struct tap *tap)
{
    for (size_t i = 0; i < tap->count; i++)
        if (!tap->scripts[i].has_plan || tap->scripts[i].count != tap->scripts[i].planned)
            return false;
    return true;
}

enum assay_status assay_read_tap(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    struct tap channel = {.reader = &reader,
            .into = &out->channel,
            .scripts_into = &out->channel,
            .channel = true};
    struct tap log = {.reader = &reader, .into = &out->log, .scripts_into = &out->log};
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    out->has_channel = out->begun = evidence->report.len > 0;
    read_channel(&channel);
    finish(&channel);
    out->ended = out->begun && complete(&channel);
    out->exit_blind = !read_log(&log);
    if (out->has_channel)
        log.scripts_into = &out->channel;
    finish(&log);
    if (channel.no_memory || log.no_memory) {
        status = assay_fail(err, ASSAY_ENOMEM, "no memory for the results of TAP");
        goto out;
    }
    out->failed = out->has_channel ? channel.any_failed : log.any_failed;
    out->failed_outside = channel.any_bad || log.any_bad;
    // make says that it failed after failed tests, too.
    out->build_failed =
            out->channel.count + out->log.count == 0 && assay_log_build_failed(reader.log);
    status = assay_reader_end(&reader, err);

out:
    free(channel.scripts);
    free(log.scripts);
    return status;
}
