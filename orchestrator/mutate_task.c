// SPDX-License-Identifier: MIT
// mutate_task.c - a mutant that tests tell, as a task: which of these tests are hidden, what the
// base tree is, what mends it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "envs/edits_text.h"
#include "orchestrator/mutate_parts.h"
#include "orchestrator/tree_view.h"
#include "rewards/narrow.h"
#include "rewards/symbols.h"

#define PATCH_BYTES_MAX ((size_t)16 << 20)
#define TAGS 3

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- tests and where they stand -----------------------------------------------------------------

// "tests/test_a.py::Class::test_b[c]": its file, and "Class.test_b".
struct test_place {
    const char *path, *name;
};

static bool find_place(struct test_place *out, const char *id, struct assay_arena *arena)
{
    const char *colons = strstr(id, "::");
    const char *end = strchr(id, '[');
    char *name;

    *out = (struct test_place){NULL, NULL};
    if (!colons)
        return true;
    if (!end)
        end = id + strlen(id);
    if (end < colons + 2)
        return true;
    out->path = assay_arena_memdup(arena, id, (size_t)(colons - id));
    name = assay_arena_memdup(arena, colons + 2, (size_t)(end - colons - 2));
    out->name = name;
    if (!out->path || !name)
        return false;
    // "::" becomes "."
    for (char *at = name, *to = name;; at++) {
        if (at[0] == ':' && at[1] == ':') {
            *to++ = '.';
            at++;
        } else {
            *to++ = *at;
        }
        if (*at == '\0')
            break;
    }
    return true;
}

static bool has_path(const struct assay_strings *paths, const char *path)
{
    for (size_t i = 0; i < paths->count; i++)
        if (strcmp(paths->items[i], path) == 0)
            return true;
    return false;
}

// The files in which these tests stand; none where an id does not tell.
static enum assay_status files_of(struct assay_strings *out, const struct assay_strings *ids,
        struct assay_arena *arena, struct assay_error *err)
{
    const char **items = assay_arena_array(arena, ids->count + 1, sizeof(*items));

    if (!items)
        return no_memory(err);
    *out = (struct assay_strings){items, 0};
    for (size_t i = 0; i < ids->count; i++) {
        struct test_place place;

        if (!find_place(&place, ids->items[i], arena))
            return no_memory(err);
        if (!place.path) {
            out->count = 0;
            return ASSAY_OK;
        }
        if (!has_path(out, place.path))
            items[out->count++] = place.path;
    }
    return ASSAY_OK;
}

// --- hidden tests -------------------------------------------------------------------------------

// A function of tests that fail.
struct suspect {
    struct test_place place;
    uint64_t turn; // in which they are hidden
    bool hidden;
};

static int by_turn(const void *a, const void *b)
{
    const struct suspect *left = a, *right = b;

    return (left->turn > right->turn) - (left->turn < right->turn);
}

static enum assay_status list_suspects(struct suspect **out, size_t *count,
        const struct mutate_finding *finding, struct assay_arena *arena, struct assay_error *err)
{
    struct suspect *list = assay_arena_array(arena, finding->failing.count + 1, sizeof(*list));

    *count = 0;
    if (!list)
        return no_memory(err);
    for (size_t i = 0; i < finding->failing.count; i++) {
        struct test_place place;
        size_t known = 0;

        if (!find_place(&place, finding->failing.items[i], arena))
            return no_memory(err);
        while (known < *count && place.path &&
                (strcmp(list[known].place.path, place.path) != 0 ||
                        strcmp(list[known].place.name, place.name) != 0))
            known++;
        if (place.path && known == *count) {
            const uint64_t parts[3] = {finding->seed, assay_hash64(place.path, strlen(place.path)),
                    assay_hash64(place.name, strlen(place.name))};

            list[(*count)++] =
                    (struct suspect){.place = place, .turn = assay_hash64(parts, sizeof(parts))};
        }
    }
    qsort(list, *count, sizeof(*list), by_turn);
    *out = list;
    return ASSAY_OK;
}

// May the function go and the rest still be a program? Not the only one of its class.
static const struct assay_symbol *removable(const struct assay_symbols *symbols, const char *name)
{
    const char *dot = strrchr(name, '.');
    const size_t class_len = dot ? (size_t)(dot - name) : 0;
    const struct assay_symbol *found = NULL;
    size_t beside = 0;

    for (size_t i = 0; i < symbols->count; i++) {
        const struct assay_symbol *symbol = &symbols->items[i];

        if (!symbol->is_function)
            continue;
        if (strcmp(symbol->name, name) == 0) {
            if (found)
                return NULL; // twice: the one that counts is not known
            found = symbol;
        } else if (dot && strncmp(symbol->name, name, class_len + 1) == 0 &&
                !strchr(symbol->name + class_len + 1, '.')) {
            beside++;
        }
    }
    return !dot || beside > 0 ? found : NULL;
}

// The text without lines first..last (from 1).
static bool cut_lines(
        struct assay_bytes *text, size_t first, size_t last, struct assay_arena *arena)
{
    char *out = assay_arena_alloc(arena, text->len + 1);
    size_t line = 1, len = 0;

    if (!out)
        return false;
    for (size_t i = 0; i < text->len; i++) {
        if (line < first || line > last)
            out[len++] = text->data[i];
        line += text->data[i] == '\n';
    }
    out[len] = '\0';
    *text = (struct assay_bytes){out, len};
    return true;
}

// Take one function of tests out of its file. *done false: it has to stay.
static enum assay_status hide(struct assay_edits *edits, bool *done,
        const struct mutate_finding *finding, const struct test_place *place,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_edit *edit = NULL;
    const struct assay_symbol *symbol;
    struct assay_symbols symbols;
    struct assay_file file;
    int fd = finding->tree_fd;
    enum assay_status status = ASSAY_OK;

    *done = false;
    for (size_t i = 0; i < edits->count; i++)
        if (strcmp(edits->items[i].path, place->path) == 0)
            edit = &edits->items[i];
    if (!edit) {
        if (!assay_fs_path_is_plain(place->path))
            return ASSAY_OK;
        status = assay_file_read_dir(&fd, place->path, arena, &file, err);
        if (status != ASSAY_OK || file.kind != ASSAY_FILE_REGULAR)
            return status;
        edit = &edits->items[edits->count];
        *edit = (struct assay_edit){place->path, ASSAY_FILE_REGULAR, file.executable, file.content};
    }
    status = assay_symbols_find(&symbols, place->path, edit->content, arena, err);
    symbol = status == ASSAY_OK ? removable(&symbols, place->name) : NULL;
    if (!symbol)
        return status;
    if (!cut_lines(&edit->content, symbol->first, symbol->last, arena))
        return no_memory(err);
    edits->count += edit == &edits->items[edits->count];
    *done = true;
    return ASSAY_OK;
}

// Half of the functions that fail go, and one at least, where that can be done.
static enum assay_status hide_half(struct mutate_made *out, struct assay_edits *shown,
        const struct mutate_finding *finding, struct assay_arena *arena, struct assay_error *err)
{
    const char **hidden = assay_arena_array(arena, finding->failing.count + 1, sizeof(*hidden));
    struct suspect *suspects = NULL;
    size_t count = 0, gone = 0;
    enum assay_status status = list_suspects(&suspects, &count, finding, arena, err);

    if (status == ASSAY_OK && !hidden)
        status = no_memory(err);
    for (size_t i = 0; i < count && gone < (count + 1) / 2 && status == ASSAY_OK; i++) {
        status = hide(shown, &suspects[i].hidden, finding, &suspects[i].place, arena, err);
        gone += suspects[i].hidden;
    }
    out->hidden = (struct assay_strings){hidden, 0};
    for (size_t i = 0; i < finding->failing.count && status == ASSAY_OK; i++) {
        struct test_place place;

        if (!find_place(&place, finding->failing.items[i], arena))
            return no_memory(err);
        for (size_t s = 0; s < count && place.path; s++)
            if (suspects[s].hidden && strcmp(suspects[s].place.path, place.path) == 0 &&
                    strcmp(suspects[s].place.name, place.name) == 0)
                hidden[out->hidden.count++] = finding->failing.items[i];
    }
    return status;
}

// --- patches ------------------------------------------------------------------------------------

static enum assay_status read_edited(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    const struct assay_edit *edit = assay_edits_find(user, path);

    (void)arena;
    (void)err;
    *out = edit ? (struct assay_file){edit->kind, edit->executable, edit->content}
                : (struct assay_file){.kind = ASSAY_FILE_NONE};
    return ASSAY_OK;
}

// What turns the files `from` into the files `to` of the same paths.
static enum assay_status make_patch(struct assay_bytes *out, const struct assay_edits *to,
        struct assay_edits *from, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, PATCH_BYTES_MAX);
    status = assay_edits_text(&text, to, read_edited, from, arena, err);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(out, &text, "patch of a mutant", arena, err);
    assay_buf_free(&text);
    return status;
}

static int by_path(const void *a, const void *b)
{
    const struct assay_edit *left = a, *right = b;

    return strcmp(left->path, right->path);
}

// The same files as the fixed tree has them.
static enum assay_status read_whole(struct assay_edits *out, const struct assay_edits *edits,
        int tree_fd, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_edits){.count = edits->count};
    out->items = assay_arena_array(arena, edits->count + 1, sizeof(*out->items));
    if (!out->items)
        return no_memory(err);
    for (size_t i = 0; i < edits->count && status == ASSAY_OK; i++) {
        struct assay_file file;

        out->items[i] = edits->items[i];
        status = assay_file_read_dir(&tree_fd, edits->items[i].path, arena, &file, err);
        if (status == ASSAY_OK)
            out->items[i].content = file.content;
    }
    return status;
}

enum assay_status mutate_bug_patch(struct assay_bytes *out, int tree_fd,
        const struct assay_mutant *mutant, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_edit wrong = {mutant->path, ASSAY_FILE_REGULAR, false, mutant->content};
    const struct assay_edits bug = {.items = &wrong, .count = 1};
    struct assay_edits right;
    struct assay_file file;
    enum assay_status status = assay_file_read_dir(&tree_fd, wrong.path, arena, &file, err);

    wrong.executable = file.executable;
    if (status == ASSAY_OK)
        status = read_whole(&right, &bug, tree_fd, arena, err);
    if (status == ASSAY_OK)
        status = make_patch(out, &bug, &right, arena, err);
    return status;
}

static enum assay_status make_patches(struct mutate_made *out, struct assay_edits *shown,
        const struct mutate_finding *finding, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_edit wrong = {
            finding->mutant->path, ASSAY_FILE_REGULAR, false, finding->mutant->content};
    struct assay_edits bug = {.items = &wrong, .count = 1};
    struct assay_edits right, tests, whole;
    struct assay_file file;
    int fd = finding->tree_fd;
    enum assay_status status = assay_file_read_dir(&fd, wrong.path, arena, &file, err);

    wrong.executable = file.executable;
    qsort(shown->items, shown->count, sizeof(*shown->items), by_path);
    if (status == ASSAY_OK)
        status = read_whole(&right, &bug, fd, arena, err);
    if (status == ASSAY_OK)
        status = read_whole(&tests, shown, fd, arena, err);
    if (status == ASSAY_OK)
        status = make_patch(&out->task.gold_patch, &right, &bug, arena, err);
    if (status == ASSAY_OK)
        status = make_patch(&out->task.test_patch, &tests, shown, arena, err);
    out->broken = (struct assay_edits){.count = 0};
    out->broken.items = assay_arena_array(arena, shown->count + 1, sizeof(*out->broken.items));
    if (status == ASSAY_OK && !out->broken.items)
        status = no_memory(err);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < shown->count; i++)
        out->broken.items[out->broken.count++] = shown->items[i];
    out->broken.items[out->broken.count++] = wrong;
    qsort(out->broken.items, out->broken.count, sizeof(wrong), by_path);
    status = read_whole(&whole, &out->broken, fd, arena, err);
    if (status == ASSAY_OK)
        status = make_patch(&out->task.base.patch, &out->broken, &whole, arena, err);
    return status;
}

// --- the same, narrowed -------------------------------------------------------------------------

static enum assay_status keep_of_files(struct assay_strings *out, const struct assay_strings *ids,
        const struct assay_strings *files, struct assay_arena *arena, struct assay_error *err)
{
    const char **items = assay_arena_array(arena, ids->count + 1, sizeof(*items));

    if (!items)
        return no_memory(err);
    *out = (struct assay_strings){items, 0};
    for (size_t i = 0; i < ids->count; i++) {
        struct test_place place;

        if (!find_place(&place, ids->items[i], arena))
            return no_memory(err);
        if (place.path && has_path(files, place.path))
            items[out->count++] = ids->items[i];
    }
    return ASSAY_OK;
}

static enum assay_status narrow(
        struct mutate_made *out, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_strings files;
    bool possible = false;
    enum assay_status status = ASSAY_OK;

    out->narrow = out->task;
    if (strcmp(out->task.framework, "pytest") != 0)
        return ASSAY_OK;
    status = files_of(&files, &out->task.fail_to_pass, arena, err);
    if (status != ASSAY_OK || files.count == 0)
        return status;
    if (!assay_narrow_pytest(&out->narrow.test_cmd, &possible, &out->task.test_cmd, &files, arena))
        return no_memory(err);
    if (!possible) {
        out->narrow.test_cmd = out->task.test_cmd;
        return ASSAY_OK;
    }
    return keep_of_files(&out->narrow.pass_to_pass, &out->task.pass_to_pass, &files, arena, err);
}

// --- the whole ----------------------------------------------------------------------------------

enum assay_status mutate_make(struct mutate_made *out, const struct mutate_finding *finding,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_edits shown = {.count = 0};
    const char **tags = assay_arena_array(arena, TAGS, sizeof(*tags));
    enum assay_status status = ASSAY_OK;

    *out = (struct mutate_made){.task = *finding->ground};
    out->task.fail_to_pass = finding->failing;
    out->task.pass_to_pass = finding->passing;
    shown.items = assay_arena_array(arena, finding->failing.count + 1, sizeof(*shown.items));
    if (!tags || !shown.items)
        return no_memory(err);
    if (strcmp(finding->ground->framework, "pytest") == 0)
        status = hide_half(out, &shown, finding, arena, err);
    if (status == ASSAY_OK)
        status = make_patches(out, &shown, finding, arena, err);
    if (status == ASSAY_OK)
        status = mutate_problem(&out->task.problem, finding, &out->hidden, arena, err);
    if (status != ASSAY_OK)
        return status;
    tags[0] = "mutant";
    tags[1] = finding->mutant->operator_name;
    tags[2] = out->hidden.count > 0 ? "hidden-tests" : "all-tests-shown";
    out->task.tags = (struct assay_strings){tags, TAGS};
    return narrow(out, arena, err);
}
