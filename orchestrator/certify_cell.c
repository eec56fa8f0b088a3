// SPDX-License-Identifier: MIT
// certify_cell.c - one run of a certification, boiled down; as JSON in the store and back.
#include <string.h>

#include "base/json.h"
#include "orchestrator/certify_parts.h"
#include "orchestrator/evidence.h"
#include "rewards/match.h"

#define CELL_BYTES_MAX ((size_t)64 << 20)

static const char letters[] = {
        [ASSAY_TEST_MISSING] = '-',
        [ASSAY_TEST_PASSED] = 'P',
        [ASSAY_TEST_FAILED] = 'F',
        [ASSAY_TEST_ERROR] = 'E',
        [ASSAY_TEST_SKIPPED] = 'S',
        [ASSAY_TEST_XFAIL] = 'X',
        [ASSAY_TEST_XPASS] = 'U',
};

char assay_cell_letter(enum assay_test_status status)
{
    return letters[status];
}

enum assay_test_status assay_cell_status(char letter)
{
    for (size_t i = 0; i < sizeof(letters); i++)
        if (letters[i] == letter)
            return (enum assay_test_status)i;
    return ASSAY_TEST_MISSING;
}

// --- from a grading ------------------------------------------------------------------------------

static const char *make_vector(const struct assay_instance *instance,
        const struct assay_outcome *outcome, struct assay_arena *arena)
{
    const struct assay_strings *lists[2] = {&instance->fail_to_pass, &instance->pass_to_pass};
    char *vector = assay_arena_alloc(arena, lists[0]->count + lists[1]->count + 1);
    size_t count = 0;

    for (size_t l = 0; vector && l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            vector[count++] =
                    assay_cell_letter(assay_match_id(outcome, lists[l]->items[i], instance->rules));
    if (vector)
        vector[count] = '\0';
    return vector;
}

// What only the log tells.
static void read_log(
        struct assay_cell *cell, enum assay_check check, const struct assay_evidence *judged)
{
    static const char shifted[] = "assay: the clock is ahead\n";
    const struct assay_bytes log = judged->log;

    if (cell->resolved && check != ASSAY_CHECK_CLOCK)
        return;
    cell->hint = cell->resolved ? ASSAY_DEFECT_NONE : assay_defect_hint(log);
    cell->shifted =
            log.len >= sizeof(shifted) - 1 && memcmp(log.data, shifted, sizeof(shifted) - 1) == 0;
}

static enum assay_status read_copies(struct assay_cell *cell, const struct assay_instance *instance,
        const struct assay_evidence *judged, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_framework *framework = assay_framework_find(instance->framework);
    const struct assay_canary_plan *plan = judged->canaries;
    struct assay_cell_copy *copies = NULL;
    struct assay_copies seen;
    enum assay_status status;

    if (!framework || !plan)
        return ASSAY_OK;
    status = assay_judge_copies(&seen, instance, framework, judged, arena, err);
    if (status != ASSAY_OK)
        return status;
    copies = assay_arena_array(arena, plan->count, sizeof(*copies));
    if (!copies)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    cell->copies = copies;
    for (size_t i = 0; i < plan->count; i++)
        if ((seen.passed | seen.failed) & ASSAY_CANARY_BIT(i))
            copies[cell->copy_count++] = (struct assay_cell_copy){.of = plan->items[i].of,
                    .says = plan->items[i].says ? plan->items[i].says : "",
                    .passed = seen.passed & ASSAY_CANARY_BIT(i)};
    return ASSAY_OK;
}

// What the verdict does not tell: read back from the evidence of the last run.
static enum assay_status read_evidence(struct assay_cell *cell,
        const struct assay_instance *instance, enum assay_check check,
        const struct assay_grade *grade, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_run_evidence evidence;
    struct assay_buf raw;
    enum assay_status status = ASSAY_OK;

    if (grade->evidence_count == 0 || instance->task != ASSAY_TASK_REPAIR)
        return ASSAY_OK;
    status = assay_evidence_unpack(
            &evidence, &raw, &grade->evidence[grade->evidence_count - 1], arena, err);
    if (status == ASSAY_OK)
        read_log(cell, check, &evidence.judged);
    if (status == ASSAY_OK && check == ASSAY_CHECK_GOLD)
        status = read_copies(cell, instance, &evidence.judged, arena, err);
    assay_buf_free(&raw);
    return status;
}

// A patch that does nothing, called forged because tests pass that must not: so all expected ones
// passed without a fix, and the tests are at fault.
static bool is_vacuous(
        enum assay_check check, const struct assay_verdict *verdict, const char *vector)
{
    if (check != ASSAY_CHECK_JUNK && check != ASSAY_CHECK_NULL && check != ASSAY_CHECK_EMPTY)
        return false;
    if (verdict->cause != ASSAY_CAUSE_TAMPERED || *vector == '\0')
        return false;
    for (; *vector; vector++)
        if (assay_cell_status(*vector) != ASSAY_TEST_PASSED)
            return false;
    return true;
}

enum assay_status assay_cell_fill(struct assay_cell *cell, const struct assay_instance *instance,
        enum assay_check check, const struct assay_grade *grade, struct assay_arena *scratch,
        struct assay_error *err)
{
    const struct assay_verdict *v = &grade->verdict;

    *cell = (struct assay_cell){.done = true,
            .scored = v->scored,
            .resolved = v->scored && v->resolved,
            .vector = make_vector(instance, &grade->outcome, scratch),
            .reason = v->reason,
            .wall_ms = v->usage.wall_ms};
    if (!cell->vector)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    cell->resolved = cell->resolved || is_vacuous(check, v, cell->vector);
    if (check == ASSAY_CHECK_GOLD)
        cell->cut_id = assay_defect_cut_id(instance, &grade->outcome, &cell->whole_id);
    return read_evidence(cell, instance, check, grade, scratch, err);
}

// --- as JSON -------------------------------------------------------------------------------------

void assay_cell_write(struct assay_buf *out, const struct assay_cell *cell)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bool(&w, "scored", cell->scored);
    assay_json_put_bool(&w, "resolved", cell->resolved);
    assay_json_put_text(&w, "vector", cell->vector);
    assay_json_put_text(&w, "reason", cell->reason);
    assay_json_put_u64(&w, "hint", cell->hint);
    if (cell->cut_id) {
        assay_json_put_text(&w, "cut_id", cell->cut_id);
        assay_json_put_text(&w, "whole_id", cell->whole_id);
    }
    assay_json_begin_array(&w, "copies");
    for (size_t i = 0; i < cell->copy_count; i++) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "of", cell->copies[i].of);
        assay_json_put_bytes(&w, "says", cell->copies[i].says, strlen(cell->copies[i].says));
        assay_json_put_bool(&w, "passed", cell->copies[i].passed);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_put_bool(&w, "shifted", cell->shifted);
    assay_json_put_u64(&w, "wall_ms", cell->wall_ms);
    assay_json_end_object(&w);
}

static enum assay_status copy_text(const char **out, const struct assay_json *object,
        const char *key, struct assay_arena *arena, struct assay_error *err)
{
    const char *text = NULL;
    enum assay_status status = assay_json_opt_text(&text, object, key, err);

    if (status == ASSAY_OK && text) {
        *out = assay_arena_strdup(arena, text);
        if (!*out)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    return status;
}

static enum assay_status read_cell_copies(struct assay_cell *cell, const struct assay_json *object,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json *list = NULL;
    struct assay_cell_copy *copies = NULL;
    enum assay_status status = assay_json_read_array(&list, object, "copies", err);

    if (status != ASSAY_OK)
        return status;
    copies = assay_arena_array(arena, assay_json_count(list), sizeof(*copies));
    if (!copies)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    cell->copies = copies;
    for (const struct assay_json *at = assay_json_first(list); at && status == ASSAY_OK;
            at = assay_json_next(at)) {
        struct assay_cell_copy *copy = &copies[cell->copy_count++];

        status = copy_text(&copy->of, at, "of", arena, err);
        if (status == ASSAY_OK)
            status = copy_text(&copy->says, at, "says", arena, err);
        if (status == ASSAY_OK)
            status = assay_json_read_bool(&copy->passed, at, "passed", err);
        if (status == ASSAY_OK && (!copy->of || !copy->says))
            status = assay_fail(err, ASSAY_EINVAL, "run: a copy of nothing");
    }
    return status;
}

static enum assay_status read_members(struct assay_cell *cell, const struct assay_json *object,
        struct assay_arena *arena, struct assay_error *err)
{
    uint64_t hint = 0;
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"vector", &cell->vector}, {"reason", &cell->reason}, {"cut_id", &cell->cut_id},
            {"whole_id", &cell->whole_id}};
    enum assay_status status = assay_json_read_bool(&cell->scored, object, "scored", err);

    if (status == ASSAY_OK)
        status = assay_json_read_bool(&cell->resolved, object, "resolved", err);
    if (status == ASSAY_OK)
        status = assay_json_read_bool(&cell->shifted, object, "shifted", err);
    if (status == ASSAY_OK)
        status = assay_json_read_u64(
                &cell->wall_ms, object, "wall_ms", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_json_read_u64(&hint, object, "hint", 0, ASSAY_DEFECT_DEAF, err);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && status == ASSAY_OK; i++)
        status = copy_text(texts[i].out, object, texts[i].key, arena, err);
    cell->hint = (enum assay_defect)hint;
    return status == ASSAY_OK ? read_cell_copies(cell, object, arena, err) : status;
}

enum assay_status assay_cell_read(struct assay_cell *out, const char *text, size_t test_count,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json_limits limits = {CELL_BYTES_MAX, 4};
    struct assay_cell cell = {.done = true, .reason = ""};
    struct assay_json *object = NULL;
    enum assay_status status = assay_json_parse(&object, text, strlen(text), limits, "run", 1, err);

    if (status == ASSAY_OK)
        status = read_members(&cell, object, arena, err);
    if (status == ASSAY_OK && (!cell.vector || strlen(cell.vector) != test_count))
        status = assay_fail(err, ASSAY_EINVAL, "run: a vector of other tests");
    if (status == ASSAY_OK)
        *out = cell;
    assay_json_free(object);
    return status;
}
