// SPDX-License-Identifier: MIT
// scaffold_agentless.c - localize, draw repairs, select: no model decides what is done next.
//
//     FILES -> ELEMENTS -> REPAIRS (drawn one by one) -> [REPRODUCE -> CANDIDATES] -> LAST
//
// FILES: which of all paths; ELEMENTS: which classes, functions and lines in them, from outlines;
// REPAIRS: patches for the lines that these are. What in brackets stands is left out where fewer
// than two repairs differ. REPRODUCE: a test that the model writes, and the repository's own tests,
// are run on the unchanged tree. CANDIDATES: so they are on each repair that differs, one message
// each, and the tree is put back after it. LAST: the repair that passes most is laid and submitted:
// the repository's tests first, then its own test, then how many draws agree, then the order.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/chat.h"
#include "orchestrator/places.h"
#include "orchestrator/scaffold_parts.h"
#include "orchestrator/tree_view.h"

#define ARENA_BYTES ((size_t)4 << 30)
#define PATHS_BYTES_MAX ((size_t)64 << 10) // that the first question lists
#define SCRIPT "/tmp/assay-reproduce.sh"
#define KEPT "/tmp/assay-kept" // files as they were

enum step { FILES, ELEMENTS, REPAIRS, REPRODUCE, UNCHANGED, CANDIDATES, LAST, OVER };

struct repair {
    struct assay_bytes text;         // as the model wrote it
    const struct assay_edits *edits; // that it makes of the base tree
    unsigned draws;                  // that came to the same
    bool tests_pass, reproduced_pass;
};

struct agentless {
    const struct assay_led *led;
    struct assay_arena *arena; // owned
    enum step step;
    struct assay_sources sources;
    struct assay_places places;
    struct assay_tree_view view;
    unsigned drawn;
    struct repair repairs[ASSAY_REPAIRS_MAX]; // that differ
    size_t repair_count, at;
    bool has_test;           // the model's own, which fails on the unchanged tree
    struct assay_bytes base; // what the repository's tests print there
};

static void close_agentless(void *state)
{
    struct agentless *a = state;

    assay_tree_view_close(&a->view);
    assay_arena_destroy(a->arena);
    free(a);
}

static enum assay_status open_agentless(
        void **state, const struct assay_led *led, struct assay_error *err)
{
    const struct assay_instance *instance = led->task->instance;
    struct agentless *a = calloc(1, sizeof(*a));
    enum assay_status status;

    if (a == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "agentless: out of memory");
    a->led = led;
    a->view.fd = -1;
    status = assay_arena_create(&a->arena, ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = assay_tree_view_open(&a->view, led->task->context, instance, a->arena, err);
    if (status == ASSAY_OK)
        status = assay_sources_load(&a->sources, led->task->context, instance, a->arena, err);
    if (status == ASSAY_OK)
        status = assay_sources_rank(
                &a->sources, instance->problem, instance->task == ASSAY_TASK_WRITE_TESTS, err);
    if (status == ASSAY_OK)
        *state = a;
    else
        close_agentless(a);
    return status;
}

// --- asking --------------------------------------------------------------------------------------

// One question about the problem: what is wanted, the problem, what is shown.
static enum assay_status ask(struct agentless *a, const char *system, const struct assay_buf *shown,
        uint64_t draw, struct assay_actor_message *out, struct assay_error *err)
{
    const struct assay_actor_task *task = a->led->task;
    const struct assay_bytes problem = task->instance->problem;
    struct assay_buf messages, text;
    const struct assay_actor_question question = {.messages = &messages, .draw = draw};
    enum assay_status status;

    assay_buf_init(&messages, ASSAY_CHAT_BYTES_MAX);
    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    assay_buf_addf(&text, "The repository is %s. %s\n\n", task->instance->repo,
            task->instance->task == ASSAY_TASK_LOCALIZE
                    ? "Where must it be changed to resolve the following?"
                    : assay_chat_task(task->instance->task));
    assay_buf_add(&text, problem.data != NULL ? problem.data : "", problem.len);
    assay_buf_addf(&text, "\n\n%s", shown->data);
    assay_chat_add(&messages, "system", system, strlen(system));
    assay_chat_add(&messages, "user", text.data, text.len);
    messages.failed |= text.failed || shown->failed;
    status = a->led->kind->ask(a->led->state, &question, out, err);
    out->call_count = 0; // nobody offered it tools
    if (status == ASSAY_OK && out->text == NULL)
        out->text = "";
    assay_buf_free(&text);
    assay_buf_free(&messages);
    return status;
}

// What a question came to, as a turn of its own.
static enum assay_status note(
        struct assay_actor_message *out, const struct assay_buf *thought, struct assay_error *err)
{
    return assay_scaffold_call(
                   out, "think", "thought", (struct assay_bytes){thought->data, thought->len})
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "agentless: out of memory");
}

// --- where ---------------------------------------------------------------------------------------

static enum assay_status ask_files(
        struct agentless *a, struct assay_actor_message *out, struct assay_error *err)
{
    static const char system[] =
            "You find where software must be changed. You are shown a problem and the files of a "
            "repository. Answer with at most five of their paths, those that must be changed, most "
            "important first, one a line, in a block between lines of ```.";
    const bool tests = a->led->task->instance->task == ASSAY_TASK_WRITE_TESTS;
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    assay_buf_adds(&text, "The files:\n\n");
    for (size_t i = 0; i < a->sources.count && text.len < PATHS_BYTES_MAX; i++)
        if (tests || !a->sources.items[i].test)
            assay_buf_addf(&text, "%s\n", a->sources.items[i].path);
    status = ask(a, system, &text, 0, out, err);
    if (status == ASSAY_OK)
        status = assay_places_read_files(&a->places, &a->sources, out->text, a->arena, err);
    assay_buf_clear(&text);
    assay_buf_adds(&text, "Files:\n");
    for (size_t i = 0; i < a->places.count; i++)
        assay_buf_addf(&text, "%s\n", a->places.items[i].source->path);
    if (status == ASSAY_OK)
        status = note(out, &text, err);
    assay_buf_free(&text);
    a->step = ELEMENTS;
    return status;
}

static enum assay_status ask_elements(
        struct agentless *a, struct assay_actor_message *out, struct assay_error *err)
{
    static const char system[] =
            "You find where software must be changed. You are shown a problem and outlines of "
            "files: the line number and first line of each class and function. Answer with what "
            "must be changed or read to resolve it, below the file's path, in a block between "
            "lines of ```:\n\n```\npath/to/file\nclass: Name\nfunction: Name.method\nline: 12\n```";
    const bool localize = a->led->task->instance->task == ASSAY_TASK_LOCALIZE;
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    assay_places_outline(&text, &a->places);
    status = ask(a, system, &text, 0, out, err);
    assay_buf_clear(&text);
    if (status == ASSAY_OK) {
        assay_places_read_elements(&a->places, out->text);
        assay_places_answer(&text, &a->places);
        if (!localize)
            status = note(out, &text, err);
        else if (!assay_scaffold_call(
                         out, "submit", "answer", (struct assay_bytes){text.data, text.len}))
            status = assay_fail(err, ASSAY_ENOMEM, "agentless: out of memory");
    }
    assay_buf_free(&text);
    a->step = localize ? OVER : REPAIRS;
    return status;
}

// --- repairs -------------------------------------------------------------------------------------

static bool same_edits(const struct assay_edits *a, const struct assay_edits *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct assay_edit *x = &a->items[i], *y = &b->items[i];

        if (strcmp(x->path, y->path) != 0 || x->kind != y->kind || x->executable != y->executable ||
                x->content.len != y->content.len ||
                (x->content.len > 0 &&
                        memcmp(x->content.data, y->content.data, x->content.len) != 0))
            return false;
    }
    return true;
}

// Keep what the answer makes of the base tree, if it makes anything; `thought` says what.
static enum assay_status take_repair(
        struct agentless *a, const char *answer, struct assay_buf *thought, struct assay_error *err)
{
    const struct assay_bytes text = {assay_arena_strdup(a->arena, answer), strlen(answer)};
    struct assay_edits *edits = NULL;
    struct assay_error trouble = {0};
    enum assay_status status = text.data != NULL
            ? assay_tree_view_apply(&edits, &a->view, text, NULL, NULL, &trouble)
            : assay_fail(err, ASSAY_ENOMEM, "agentless: out of memory");

    if (text.data == NULL)
        return status;
    if (status != ASSAY_OK) {
        assay_buf_addf(
                thought, "Repair %u is no patch of this tree: %s", a->drawn, trouble.message);
        return ASSAY_OK;
    }
    for (size_t i = 0; i < a->repair_count; i++) {
        if (!same_edits(a->repairs[i].edits, edits))
            continue;
        a->repairs[i].draws++;
        assay_buf_addf(thought, "Repair %u is the same as an earlier one.", a->drawn);
        return ASSAY_OK;
    }
    if (edits->count > 0)
        a->repairs[a->repair_count++] = (struct repair){.text = text, .edits = edits, .draws = 1};
    assay_buf_addf(thought, "Repair %u changes %zu files.", a->drawn, edits->count);
    return ASSAY_OK;
}

static enum assay_status draw_repair(
        struct agentless *a, struct assay_actor_message *out, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    assay_places_show(&text, &a->places);
    status = ask(a, assay_patch_dialect_text, &text, a->drawn, out, err);
    assay_buf_clear(&text);
    a->drawn++;
    if (status == ASSAY_OK)
        status = take_repair(a, out->text, &text, err);
    if (status == ASSAY_OK)
        status = note(out, &text, err);
    assay_buf_free(&text);
    if (a->drawn == a->led->repairs)
        a->step = a->repair_count > 1 ? REPRODUCE : LAST;
    return status;
}

// --- trying them ---------------------------------------------------------------------------------

static const char *const any_marks[] = {"sh", "bash", "shell", "", NULL};

static enum assay_status ask_test(
        struct agentless *a, struct assay_actor_message *out, struct assay_error *err)
{
    static const char system[] =
            "You write a test that shows a problem. You are shown the problem and code of the "
            "repository. Answer with one shell script in a block between lines of ```: it is run "
            "in the repository's directory, exits with 1 while the problem is there and with 0 "
            "once it is resolved. It may write programs below /tmp and run them.";
    struct assay_bytes script = {"", 0};
    struct assay_buf text;
    const char *at;
    enum assay_status status;

    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    assay_places_show(&text, &a->places);
    status = ask(a, system, &text, 0, out, err);
    assay_buf_clear(&text);
    if (status == ASSAY_OK) {
        at = out->text;
        a->has_test = assay_scaffold_fence(&script, &at, any_marks);
        assay_buf_adds(&text, "cat >" SCRIPT " <<'ASSAY_SCRIPT_ENDS'\n");
        assay_buf_add(&text, script.data, script.len);
        assay_buf_adds(&text, "\nASSAY_SCRIPT_ENDS\nsh " SCRIPT);
        if (text.failed || (a->has_test && !assay_scaffold_shell(out, text.data)) ||
                !assay_scaffold_call(out, "run_tests", NULL, script))
            status = assay_fail(err, ASSAY_ENOMEM, "agentless: out of memory");
    }
    assay_buf_free(&text);
    a->step = UNCHANGED;
    return status;
}

static enum assay_status hear_unchanged(struct agentless *a, const struct assay_actor_seen *seen,
        size_t seen_count, struct assay_error *err)
{
    const struct assay_bytes *base = seen_count > 0 ? &seen[seen_count - 1].text : &a->base;

    if (a->has_test)
        a->has_test = seen_count > 1 && seen[0].ran && !seen[0].succeeded;
    a->base.data = assay_arena_memdup(a->arena, base->data != NULL ? base->data : "", base->len);
    a->base.len = base->len;
    a->step = CANDIDATES;
    return a->base.data != NULL ? ASSAY_OK
                                : assay_fail(err, ASSAY_ENOMEM, "agentless: out of memory");
}

// Lines of shell that keep what the repair will change, or put it back. Compiled Python goes with
// it: one second and one size may be those of two repairs.
static void shell_around(struct assay_buf *out, const struct repair *repair, bool keep)
{
    assay_buf_clear(out);
    assay_buf_adds(out, keep ? "rm -rf " KEPT " && mkdir -p " KEPT "\nfor f in" : "for f in");
    for (size_t i = 0; i < repair->edits->count; i++) {
        assay_buf_addc(out, ' ');
        assay_buf_add_quoted(out, repair->edits->items[i].path);
    }
    assay_buf_adds(out,
            keep ? "; do [ ! -e \"$f\" ] || cp -p --parents -- \"$f\" " KEPT "; done"
                 : "; do rm -rf -- \"$f\"; done\ncp -rp " KEPT "/. . && "
                   "find . -name __pycache__ -prune -exec rm -rf {} +");
}

static enum assay_status try_candidate(
        struct agentless *a, struct assay_actor_message *out, struct assay_error *err)
{
    const struct repair *repair = &a->repairs[a->at];
    struct assay_buf line;
    bool called;

    assay_buf_init(&line, ASSAY_CHAT_BYTES_MAX);
    shell_around(&line, repair, true);
    called = assay_scaffold_shell(out, line.data) &&
            assay_scaffold_call(out, "apply_patch", "patch", repair->text) &&
            assay_scaffold_call(out, "run_tests", NULL, repair->text) &&
            (!a->has_test || assay_scaffold_shell(out, "sh " SCRIPT));
    shell_around(&line, repair, false);
    called = called && !line.failed && assay_scaffold_shell(out, line.data);
    assay_buf_free(&line);
    return called ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "agentless: out of memory");
}

static void hear_candidate(
        struct agentless *a, const struct assay_actor_seen *seen, size_t seen_count)
{
    struct repair *repair = &a->repairs[a->at];

    if (seen_count < 4 || seen[1].failed)
        return;
    // Where the repository's own tests fail without any repair, one that changes nothing of it is
    // as good as can be told.
    repair->tests_pass = seen[2].succeeded || assay_observation_same(seen[2].text, a->base);
    repair->reproduced_pass = a->has_test && seen[3].succeeded;
}

static bool is_better(const struct repair *a, const struct repair *b)
{
    if (a->tests_pass != b->tests_pass)
        return a->tests_pass;
    if (a->reproduced_pass != b->reproduced_pass)
        return a->reproduced_pass;
    return a->draws > b->draws;
}

static enum assay_status lay_best(
        struct agentless *a, struct assay_actor_message *out, struct assay_error *err)
{
    const struct repair *best = a->repair_count > 0 ? &a->repairs[0] : NULL;
    bool called = true;

    for (size_t i = 1; i < a->repair_count; i++)
        if (is_better(&a->repairs[i], best))
            best = &a->repairs[i];
    if (best != NULL)
        called = assay_scaffold_call(out, "apply_patch", "patch", best->text);
    called = called && assay_scaffold_call(out, "submit", NULL, (struct assay_bytes){NULL, 0});
    a->step = OVER;
    return called ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "agentless: out of memory");
}

static enum assay_status next(void *state, const struct assay_actor_seen *seen, size_t seen_count,
        struct assay_actor_message *out, struct assay_error *err)
{
    struct agentless *a = state;
    enum assay_status status = ASSAY_OK;

    switch (a->step) {
    case FILES:
        return ask_files(a, out, err);
    case ELEMENTS:
        return ask_elements(a, out, err);
    case REPAIRS:
        return draw_repair(a, out, err);
    case REPRODUCE:
        return ask_test(a, out, err);
    case UNCHANGED:
        status = hear_unchanged(a, seen, seen_count, err);
        break;
    case CANDIDATES:
        hear_candidate(a, seen, seen_count);
        a->at++;
        break;
    case LAST:
        break;
    case OVER:
        out->stop = true;
        return ASSAY_OK;
    }
    if (status != ASSAY_OK)
        return status;
    if (a->step == CANDIDATES && a->at < a->repair_count)
        return try_candidate(a, out, err);
    return lay_best(a, out, err);
}

const struct assay_scaffold assay_scaffold_agentless = {.name = "agentless",
        .speaks = {[ASSAY_DIALECT_PATCH] = true},
        .open = open_agentless,
        .next = next,
        .close = close_agentless};
