// SPDX-License-Identifier: MIT
#include "rewards/counter.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "rewards/counter_text.h"
#include "rewards/match.h"

#define STREAM 0x636f756e746572 // "counter"
#define LINES_MAX 100000
#define NAME_BYTES_MIN 4

// --- when ---------------------------------------------------------------------------------------

// "path::f[1]" and "path::f[2]" are one function's.
static size_t function_length(const char *id)
{
    return strcspn(id, "[");
}

static bool has_copy(const struct assay_canary_plan *plan, const char *id)
{
    const size_t len = function_length(id);

    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].of != NULL && !plan->items[i].deaf &&
                strncmp(plan->items[i].of, id, len) == 0 && plan->items[i].of[len] == '\0')
            return true;
    return false;
}

bool assay_counter_all_copied(
        const struct assay_canary_plan *plan, const struct assay_instance *instance)
{
    for (size_t i = 0; i < instance->fail_to_pass.count; i++)
        if (!has_copy(plan, instance->fail_to_pass.items[i]))
            return false;
    return true;
}

bool assay_counter_due(const struct assay_instance *instance)
{
    return !instance->no_canaries;
}

// --- what ---------------------------------------------------------------------------------------

struct counter {
    struct assay_canary_bed bed;
    uint64_t *base_lines; // hashes of the base's lines, sorted
    size_t base_count;
    enum assay_counter_part part;
    bool everywhere; // the base's lines, too
    bool is_beside;  // the file that is being changed is none of the test patch's
    bool all;        // every line that holds an expected value; else one of each test
    bool described;
    bool one;       // of the lines
    bool more;      // there are more lines to change than are changed
    size_t changed; // lines in all
};

static int compare_hashes(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static void learn_base(struct counter *counter, const char *path)
{
    const struct assay_canary_source *source = counter->bed.source;
    struct assay_canary_file file;
    struct assay_text rest, line;

    counter->base_count = 0;
    if (counter->everywhere || counter->is_beside || source->read_base == NULL ||
            !source->read_base(source->user, path, &file))
        return;
    counter->base_lines =
            assay_arena_array(counter->bed.arena, LINES_MAX, sizeof(*counter->base_lines));
    if (counter->base_lines == NULL) {
        counter->bed.no_memory = true;
        return;
    }
    rest = (struct assay_text){file.content.data, file.content.len};
    while (counter->base_count < LINES_MAX && assay_text_line(&rest, &line))
        counter->base_lines[counter->base_count++] = assay_hash64(line.data, line.len);
    qsort(counter->base_lines, counter->base_count, sizeof(uint64_t), compare_hashes);
}

static bool is_of_base(const struct counter *counter, struct assay_text line)
{
    const uint64_t hash = assay_hash64(line.data, line.len);

    return counter->base_count > 0 &&
            bsearch(&hash, counter->base_lines, counter->base_count, sizeof(uint64_t),
                    compare_hashes) != NULL;
}

// A line that is to be put in place of another, which begins at `at`.
struct replaced {
    struct assay_text line;
    const char *by;
};

// The name of a test as its text says it.
static struct assay_text name_of(const char *id)
{
    struct assay_text name = {id, function_length(id)}, head;

    (void)assay_text_split_last(&name, "::", &head);
    if (memchr(name.data, ' ', name.len) == NULL) {
        (void)assay_text_split_last(&name, ".", &head);
        (void)assay_text_split_last(&name, "/", &head);
    }
    return name;
}

// Does a test that was to be mended begin in this line?
static bool is_to_mend(const struct counter *counter, struct assay_text line)
{
    const struct assay_strings *ids = &counter->bed.instance->fail_to_pass;

    for (size_t i = 0; i < ids->count; i++) {
        const struct assay_text name = name_of(ids->items[i]);

        if (name.len >= NAME_BYTES_MIN && memmem(line.data, line.len, name.data, name.len) != NULL)
            return true;
    }
    return false;
}

// Of one test's lines: which is taken so far, and of how many it is as good as any.
struct choice {
    size_t seen;
    unsigned rank;
    bool to_mend;
};

// Is this line to be taken, and in place of the one that was taken before? Lines that are new go
// before those of the base, which only tests that were to be mended may have to lend; then those
// that are sure before the others.
static bool takes(struct counter *counter, struct choice *choice, bool is_new, bool sure)
{
    const unsigned rank = (is_new ? 2U : 0U) + (sure ? 1U : 0U);

    if (choice->seen > 0 && rank < choice->rank)
        return false;
    if (choice->seen == 0 || rank > choice->rank) {
        *choice = (struct choice){1, rank, choice->to_mend};
        return true;
    }
    return assay_canary_once_in(&counter->bed, ++choice->seen);
}

// All lines that hold an expected value, or one of each test.
static size_t choose_lines(struct counter *counter, struct assay_text text,
        enum assay_counter_shape shape, struct replaced *out, size_t room)
{
    const bool all = counter->all || shape >= ASSAY_COUNTER_DATA;
    struct assay_text rest = text, line;
    struct choice choice = {0};
    size_t count = 0;

    while (count < room && assay_text_line(&rest, &line)) {
        const bool is_new = !is_of_base(counter, line);
        const char *by = NULL;
        size_t taken = 0;
        bool sure = false;

        if (!all && assay_counter_begins_test(line))
            choice = (struct choice){.to_mend = is_to_mend(counter, line)};
        if (!is_new && !choice.to_mend)
            continue;
        by = assay_counter_line(&counter->bed, line, shape, counter->described, &sure);
        taken = choice.seen;
        if (by == NULL || (!all && !takes(counter, &choice, is_new, sure)))
            continue;
        count += all || taken == 0;
        out[count - 1] = (struct replaced){line, by};
    }
    return count;
}

static void put_lines(struct counter *counter, const struct assay_canary_file *file,
        const struct replaced *lines, size_t count)
{
    struct assay_canary_bed *bed = &counter->bed;
    const struct assay_text text = {file->content.data, file->content.len};
    size_t from = 0;
    struct assay_buf buf;

    assay_buf_init(&buf, 2 * text.len + 4096 * count);
    for (size_t i = 0; i < count; i++) {
        const size_t at = (size_t)(lines[i].line.data - text.data);

        assay_buf_add(&buf, text.data + from, at - from);
        assay_buf_adds(&buf, lines[i].by);
        from = at + lines[i].line.len;
    }
    assay_buf_add(&buf, text.data + from, text.len - from);
    bed->files[bed->file_count] = *file;
    bed->files[bed->file_count].content =
            (struct assay_bytes){assay_arena_memdup(bed->arena, buf.data, buf.len), buf.len};
    if (buf.failed || bed->files[bed->file_count].content.data == NULL)
        bed->no_memory = true;
    assay_buf_free(&buf);
    bed->file_count++;
}

// Of the files of data that end alike, one that says something else; for what has no lines.
static bool find_other(struct counter *counter, const struct assay_canary_file *file,
        struct assay_canary_file *other)
{
    const struct assay_canary_source *source = counter->bed.source;
    const struct assay_strings *lists[] = {&source->paths, &source->data};
    const char *dot = strrchr(file->path, '.');

    for (size_t i = 0; dot != NULL && i < sizeof(lists) / sizeof(lists[0]); i++)
        for (size_t j = 0; j < lists[i]->count; j++) {
            const char *path = lists[i]->items[j], *ending = strrchr(path, '.');

            if (ending != NULL && strcmp(ending, dot) == 0 &&
                    source->read(source->user, path, other) &&
                    (other->content.len != file->content.len ||
                            memcmp(other->content.data, file->content.data, other->content.len) !=
                                    0))
                return true;
        }
    return false;
}

static void change_binary(struct counter *counter, const struct assay_canary_file *file)
{
    struct assay_canary_bed *bed = &counter->bed;
    struct assay_canary_file other;

    if (counter->part == ASSAY_COUNTER_OF_TESTS || !find_other(counter, file, &other))
        return;
    counter->changed++;
    if (counter->one && assay_canary_below(bed, counter->changed) > 0)
        return;
    if (counter->one)
        bed->file_count = 0;
    bed->files[bed->file_count] = *file;
    bed->files[bed->file_count++].content = other.content;
}

static void change_text(struct counter *counter, const struct assay_canary_file *file,
        enum assay_counter_shape shape)
{
    struct assay_canary_bed *bed = &counter->bed;
    const struct assay_text text = {file->content.data, file->content.len};
    struct replaced *lines = NULL;
    size_t count = 0, room = 1;

    for (size_t i = 0; i < text.len; i++)
        room += text.data[i] == '\n';
    lines = assay_arena_array(bed->arena, room, sizeof(*lines));
    if (lines == NULL) {
        bed->no_memory = true;
        return;
    }
    count = choose_lines(counter, text, shape, lines, room);
    if (count == 0 && shape == ASSAY_COUNTER_DATA)
        count = choose_lines(counter, text, ASSAY_COUNTER_PROSE, lines, room);
    if (count == 0)
        return;
    if (counter->part == ASSAY_COUNTER_OF_ENDS) {
        counter->more = counter->more || count > 1;
        lines += count / 2 + assay_canary_below(bed, count - count / 2);
        count = 1;
    }
    counter->changed += count;
    if (!counter->one) {
        put_lines(counter, file, lines, count);
    } else if (assay_canary_below(bed, counter->changed) < count) {
        // One of all lines so far: it takes the place of the one before.
        bed->file_count = 0;
        put_lines(counter, file, &lines[assay_canary_below(bed, count)], 1);
    }
}

static void change_path(struct counter *counter, const char *path)
{
    const struct assay_canary_source *source = counter->bed.source;
    struct assay_canary_file file;
    enum assay_counter_shape shape = ASSAY_COUNTER_NONE;

    if (counter->bed.file_count == ASSAY_CANARY_FILES_MAX ||
            !source->read(source->user, path, &file))
        return;
    shape = assay_counter_shape_of(path, file.content);
    if ((shape == ASSAY_COUNTER_DATA) != (counter->part != ASSAY_COUNTER_OF_TESTS))
        return;
    if (memchr(file.content.data, '\0', file.content.len) != NULL) {
        change_binary(counter, &file);
        return;
    }
    learn_base(counter, file.path);
    change_text(counter, &file, shape);
}

static void change_files(struct counter *counter)
{
    const struct assay_canary_source *source = counter->bed.source;

    for (size_t i = 0; i < source->paths.count; i++)
        change_path(counter, source->paths.items[i]);
    // All that these hold is the base's, and tests that are new may ask for it.
    if (counter->part == ASSAY_COUNTER_OF_TESTS)
        return;
    counter->is_beside = true;
    for (size_t i = 0; i < source->data.count; i++)
        change_path(counter, source->data.items[i]);
    counter->is_beside = false;
}

static bool says_lines(const char *framework)
{
    return strcmp(framework, "tap") == 0 || strcmp(framework, "tap-log") == 0;
}

enum assay_status assay_counter_draw(struct assay_canary_file **files, size_t *count,
        const struct assay_instance *instance, const struct assay_canary_source *source,
        const struct assay_counter_how *how, struct assay_arena *arena, struct assay_error *err)
{
    struct counter *counter = assay_arena_alloc(arena, sizeof(*counter));

    if (counter == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a counter-run");
    *counter = (struct counter){.bed = {.instance = instance, .source = source, .arena = arena},
            .all = says_lines(instance->framework),
            .part = how->part,
            .one = how->one,
            .described = says_lines(instance->framework)};
    counter->bed.random = how->seed ^ STREAM;
    change_files(counter);
    if (counter->changed == 0) {
        counter->everywhere = true;
        change_files(counter);
    }
    if (counter->bed.no_memory)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a counter-run");
    // Then it is what the run before it was.
    if (how->part == ASSAY_COUNTER_OF_ENDS && !counter->more)
        counter->bed.file_count = 0;
    *files = counter->bed.files;
    *count = counter->bed.file_count;
    return ASSAY_OK;
}

// --- what it says -------------------------------------------------------------------------------

static bool is_of_function(const struct assay_instance *instance, const char *id)
{
    const size_t len = function_length(id);

    for (size_t i = 0; i < instance->fail_to_pass.count; i++)
        if (function_length(instance->fail_to_pass.items[i]) == len &&
                strncmp(instance->fail_to_pass.items[i], id, len) == 0)
            return true;
    return false;
}

// Another id of a function of FAIL_TO_PASS, which the run itself did not know.
static bool is_new_parameter(
        const struct assay_instance *instance, const struct assay_outcome *first, const char *id)
{
    return id[function_length(id)] != '\0' && assay_outcome_find(first, id) == ASSAY_TEST_MISSING &&
            is_of_function(instance, id);
}

bool assay_counter_spoke(const struct assay_instance *instance, const struct assay_outcome *counter)
{
    for (size_t i = 0; i < instance->fail_to_pass.count; i++)
        if (assay_match_id(counter, instance->fail_to_pass.items[i], instance->rules) !=
                ASSAY_TEST_MISSING)
            return true;
    for (size_t i = 0; i < counter->count; i++)
        if (is_of_function(instance, counter->results[i].id))
            return true;
    return false;
}

static bool is_failure(enum assay_test_status status)
{
    return status == ASSAY_TEST_FAILED || status == ASSAY_TEST_ERROR;
}

bool assay_counter_moved(const struct assay_instance *instance, const struct assay_outcome *counter)
{
    for (size_t i = 0; i < instance->fail_to_pass.count; i++)
        if (is_failure(assay_match_id(counter, instance->fail_to_pass.items[i], instance->rules)))
            return true;
    for (size_t i = 0; i < counter->count; i++)
        if (is_failure(counter->results[i].status) &&
                is_of_function(instance, counter->results[i].id))
            return true;
    return false;
}

enum assay_status assay_counter_passed(struct assay_strings *out,
        const struct assay_instance *instance, const struct assay_outcome *first,
        const struct assay_outcome *counter, struct assay_arena *arena, struct assay_error *err)
{
    const char **items =
            assay_arena_array(arena, instance->fail_to_pass.count + counter->count, sizeof(*items));
    size_t count = 0;

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a counter-run");
    for (size_t i = 0; i < instance->fail_to_pass.count; i++)
        if (assay_match_id(counter, instance->fail_to_pass.items[i], instance->rules) ==
                ASSAY_TEST_PASSED)
            items[count++] = instance->fail_to_pass.items[i];
    for (size_t i = 0; i < counter->count; i++)
        if (counter->results[i].status == ASSAY_TEST_PASSED &&
                is_new_parameter(instance, first, counter->results[i].id))
            items[count++] = counter->results[i].id;
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

enum assay_status assay_counter_unmoved(struct assay_strings *out,
        const struct assay_strings *passed, const struct assay_instance *instance,
        const struct assay_outcome *gold, struct assay_arena *arena, struct assay_error *err)
{
    const char **items = assay_arena_array(arena, passed->count, sizeof(*items));
    size_t count = 0;

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a counter-run");
    for (size_t i = 0; i < passed->count; i++) {
        // Gold must have come to it and failed: a run that died says nothing.
        if (is_failure(assay_match_id(gold, passed->items[i], instance->rules)))
            items[count++] = passed->items[i];
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}
