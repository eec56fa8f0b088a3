// SPDX-License-Identifier: MIT
// apply_gnu.c - what GNU patch makes of a diff, file by file, as if on disk.
//
// Which file is meant is settled by what is there: of the names that exist, the
// one with the fewest folders, then the shortest last part, then the shortest.
#include <limits.h>
#include <string.h>

#include "envs/apply_hunk.h"
#include "envs/apply_ladder.h"
#include "envs/apply_paths.h"

enum { MOVES_MAX = 1000 };

struct gnu_applier {
    const struct assay_apply_options *options;
    struct paths *paths;
    size_t file_bytes_max, bytes_left;
    uint64_t steps_left;
    struct assay_hunk_record *records;
    size_t record_count;
    struct assay_arena *arena;
};

static enum assay_status refuse(const struct assay_gnu_file *file, const char *path,
        const char *reason, struct assay_error *err)
{
    return assay_fail(err, ASSAY_EPATCH, "line %zu: %.150s: GNU patch: %s", file->patch_line,
            path != NULL ? path : "?", reason);
}

// The file as the patch left it so far.
static enum assay_status look(struct gnu_applier *applier, const struct assay_gnu_file *file,
        const char *path, struct assay_file *out, struct assay_error *err)
{
    struct path_entry *entry = NULL;
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_file){.content = {.data = "", .len = 0}};
    if (!assay_patch_path_allowed(path))
        return refuse(file, path, "a patch may not name this path", err);
    status = paths_probe(&entry, applier->paths, path, err);
    if (status == ASSAY_EREFUSED)
        return refuse(file, path, "is below a symbolic link", err);
    if (status != ASSAY_OK || entry->state == PATH_GONE)
        return status;
    *out = entry->state == PATH_PATCHED ? entry->now : entry->tree;
    if (out->kind == ASSAY_FILE_NONE && entry->made_folder)
        out->kind = ASSAY_FILE_DIR;
    return ASSAY_OK;
}

static size_t folders_in(const char *name)
{
    size_t count = 0;

    for (const char *p = name; *p != '\0'; p++)
        count += p[0] == '/' && p > name && p[-1] != '/';
    return count;
}

static size_t base_length(const char *name)
{
    const char *slash = strrchr(name, '/');

    return strlen(slash != NULL ? slash + 1 : name);
}

// Negative when `a` is the better name.
static int compare_names(const char *a, const char *b)
{
    const size_t keys[2][3] = {
            {folders_in(a), base_length(a), strlen(a)}, {folders_in(b), base_length(b), strlen(b)}};

    for (size_t i = 0; i < 3; i++) {
        if (keys[0][i] != keys[1][i])
            return keys[0][i] < keys[1][i] ? -1 : 1;
    }
    return 0;
}

// Index of the best name of those for which `use` is set; ASSAY_GNU_NAMES: none.
static size_t best_name(const char *const names[ASSAY_GNU_NAMES], const bool use[ASSAY_GNU_NAMES])
{
    size_t best = ASSAY_GNU_NAMES;

    for (size_t i = 0; i < ASSAY_GNU_NAMES; i++) {
        if (names[i] != NULL && use[i] &&
                (best == ASSAY_GNU_NAMES || compare_names(names[i], names[best]) < 0))
            best = i;
    }
    return best;
}

// How many folders would have to be made for the file.
static enum assay_status missing_folders(
        size_t *out, struct gnu_applier *applier, const char *name, struct assay_error *err)
{
    size_t present = 0;

    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const char *folder = assay_arena_memdup(applier->arena, name, (size_t)(slash - name));
        struct path_entry *entry = NULL;
        enum assay_status status = ASSAY_OK;

        if (folder == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory for a path");
        if (!assay_patch_path_allowed(folder))
            break;
        status = paths_probe(&entry, applier->paths, folder, NULL);
        if (status != ASSAY_OK && status != ASSAY_EREFUSED)
            return assay_fail(err, status, "%.150s: cannot be looked up", folder);
        if (status == ASSAY_EREFUSED || (entry->tree.kind != ASSAY_FILE_DIR && !entry->made_folder))
            break;
        present++;
    }
    *out = folders_in(name) - present;
    return ASSAY_OK;
}

// Of names that do not exist, the one that needs the fewest new folders.
static enum assay_status pick_new_name(size_t *out, struct gnu_applier *applier,
        const char *const names[ASSAY_GNU_NAMES], struct assay_error *err)
{
    size_t needed[ASSAY_GNU_NAMES] = {0}, least = SIZE_MAX;
    bool use[ASSAY_GNU_NAMES] = {false};

    for (size_t i = 0; i < ASSAY_GNU_NAMES; i++) {
        enum assay_status status = ASSAY_OK;

        if (names[i] == NULL)
            continue;
        status = missing_folders(&needed[i], applier, names[i], err);
        if (status != ASSAY_OK)
            return status;
        if (needed[i] < least)
            least = needed[i];
    }
    for (size_t i = 0; i < ASSAY_GNU_NAMES; i++)
        use[i] = needed[i] == least;
    *out = best_name(names, use);
    return ASSAY_OK;
}

static enum assay_file_kind kind_of(const struct assay_gnu_file *file)
{
    const uint32_t old_type = file->modes[ASSAY_GNU_OLD] & MODE_TYPE;
    const uint32_t new_type = file->modes[ASSAY_GNU_NEW] & MODE_TYPE;

    if (old_type != 0 && new_type != 0 && old_type != new_type)
        return ASSAY_FILE_OTHER;
    return (old_type | new_type) == MODE_LINK ? ASSAY_FILE_LINK : ASSAY_FILE_REGULAR;
}

// Which of the names is patched, and what is there.
struct gnu_choice {
    const char *in, *out; // the same but for renames and copies
    struct assay_file old;
};

// Does the header create what is there already, or delete what is not?
static bool looks_reversed(
        const struct assay_gnu_file *file, bool exists, const struct assay_file *old)
{
    if (exists && old != NULL && old->content.len > 0)
        return file->missing[ASSAY_GNU_OLD] == 2;
    // The index line may say that the side that is not missing is empty.
    if (file->missing[exists ? ASSAY_GNU_OLD : ASSAY_GNU_NEW] == 1 &&
            file->missing[exists ? ASSAY_GNU_NEW : ASSAY_GNU_OLD] == 2)
        return false;
    return file->missing[ASSAY_GNU_NEW] > 0;
}

static bool moves(const struct assay_gnu_file *file)
{
    return file->renames == 3 || file->copies == 3;
}

static enum assay_status choose(struct gnu_choice *out, struct gnu_applier *applier,
        const struct assay_gnu_file *file, struct assay_error *err)
{
    const char *names[ASSAY_GNU_NAMES] = {file->names[0], file->names[1], file->names[2]};
    struct assay_file found[ASSAY_GNU_NAMES] = {0};
    bool exists[ASSAY_GNU_NAMES] = {false}, any = false;
    size_t best = ASSAY_GNU_NAMES;
    enum assay_status status = ASSAY_OK;

    if (names[ASSAY_GNU_OLD] != NULL || names[ASSAY_GNU_NEW] != NULL)
        names[ASSAY_GNU_INDEX] = NULL;
    for (size_t i = 0; i < ASSAY_GNU_NAMES && status == ASSAY_OK; i++) {
        if (names[i] == NULL)
            continue;
        any = true;
        status = look(applier, file, names[i], &found[i], err);
        exists[i] = found[i].kind != ASSAY_FILE_NONE;
    }
    if (status != ASSAY_OK)
        return status;
    best = best_name(names, exists);
    if (any && (best == ASSAY_GNU_NAMES || found[best].kind == kind_of(file)) &&
            looks_reversed(
                    file, best != ASSAY_GNU_NAMES, best != ASSAY_GNU_NAMES ? &found[best] : NULL))
        return refuse(file, best != ASSAY_GNU_NAMES ? names[best] : file->names[ASSAY_GNU_OLD],
                "creates what exists, or deletes what does not", err);
    if (best == ASSAY_GNU_NAMES && file->missing[ASSAY_GNU_OLD] > 0)
        status = pick_new_name(&best, applier, names, err);
    if (status != ASSAY_OK)
        return status;
    if (best == ASSAY_GNU_NAMES)
        return refuse(
                file, any ? names[names[0] == NULL] : NULL, "can't find the file to patch", err);
    if (moves(file) && (names[ASSAY_GNU_OLD] == NULL || names[ASSAY_GNU_NEW] == NULL))
        return refuse(file, names[best], "a rename or copy without two names", err);
    out->in = names[best];
    out->out = moves(file) ? names[ASSAY_GNU_NEW] : names[best];
    out->old = found[best];
    return ASSAY_OK;
}

static enum assay_status charge(struct gnu_applier *applier, const struct assay_gnu_file *file,
        const char *path, size_t bytes, struct assay_error *err)
{
    if (bytes > applier->file_bytes_max || bytes > applier->bytes_left)
        return refuse(file, path, "too much content", err);
    applier->bytes_left -= bytes;
    return ASSAY_OK;
}

// Is there a file where `path` needs a folder? That one of them went before does not help: git's
// deletions come last.
static enum assay_status check_folders(struct gnu_applier *applier,
        const struct assay_gnu_file *file, const char *path, struct assay_error *err)
{
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const char *folder = assay_arena_memdup(applier->arena, path, (size_t)(slash - path));
        struct path_entry *entry = NULL;
        enum assay_status status = ASSAY_OK;

        if (folder == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory for a path");
        status = paths_probe(&entry, applier->paths, folder, err);
        if (status != ASSAY_OK)
            return status;
        if (entry->written ||
                (entry->tree.kind != ASSAY_FILE_DIR && entry->tree.kind != ASSAY_FILE_NONE))
            return refuse(file, path, "its folder is a file", err);
    }
    return ASSAY_OK;
}

static enum assay_status note_folders(
        struct gnu_applier *applier, const char *path, struct assay_error *err)
{
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const char *folder = assay_arena_memdup(applier->arena, path, (size_t)(slash - path));
        struct path_entry *entry = NULL;
        enum assay_status status = ASSAY_OK;

        if (folder == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory for a path");
        status = paths_get(&entry, applier->paths, folder, err);
        if (status != ASSAY_OK)
            return status;
        entry->made_folder = true;
    }
    return ASSAY_OK;
}

static enum assay_status write_file(struct gnu_applier *applier, const char *path,
        size_t patch_line, const struct assay_file *new, struct assay_error *err)
{
    struct path_entry *entry = NULL;
    enum assay_status status = note_folders(applier, path, err);

    if (status == ASSAY_OK)
        status = paths_probe(&entry, applier->paths, path, err);
    if (status != ASSAY_OK)
        return status;
    entry->patch_line = patch_line;
    entry->state = PATH_PATCHED;
    entry->now = *new;
    entry->final = *new;
    entry->written = true;
    return ASSAY_OK;
}

static enum assay_status remove_file(
        struct gnu_applier *applier, const char *path, struct assay_error *err)
{
    struct path_entry *entry = NULL;
    const enum assay_status status = paths_probe(&entry, applier->paths, path, err);

    if (status != ASSAY_OK)
        return status;
    entry->state = PATH_GONE;
    entry->written = false;
    entry->removed = true;
    return ASSAY_OK;
}

static enum assay_status settle(struct gnu_applier *applier, const struct assay_gnu_file *file,
        const struct gnu_choice *choice, struct assay_bytes content, struct assay_error *err)
{
    const bool sets_mode = file->modes[ASSAY_GNU_NEW] != 0 &&
            file->modes[ASSAY_GNU_OLD] != file->modes[ASSAY_GNU_NEW];
    struct assay_file new = {.kind = kind_of(file), .content = content};
    enum assay_status status = ASSAY_OK;

    new.executable = new.kind == ASSAY_FILE_REGULAR &&
            (sets_mode ? (file->modes[ASSAY_GNU_NEW] & 0100U) != 0 : choice->old.executable);
    if (content.len == 0 && (file->missing[ASSAY_GNU_NEW] == 2 || new.kind == ASSAY_FILE_LINK))
        return remove_file(applier, choice->out, err);
    if (content.len > 0 && file->missing[ASSAY_GNU_NEW] == 2)
        return refuse(file, choice->out, "the file differs from what the patch deletes", err);
    if (file->hunk_count == 0 && !sets_mode && !moves(file))
        return ASSAY_OK; // a header that asks for nothing
    status = write_file(applier, choice->out, file->patch_line, &new, err);
    if (status == ASSAY_OK && file->renames == 3 && strcmp(choice->in, choice->out) != 0)
        status = remove_file(applier, choice->in, err);
    return status;
}

static enum assay_status add_record(
        struct gnu_applier *applier, const struct assay_gnu_file *file, const char *path)
{
    if (file->hunk_count == 0)
        applier->records[applier->record_count] =
                (struct assay_hunk_record){.path = path, .tolerance = "gnu"};
    applier->record_count += file->hunk_count > 0 ? file->hunk_count : 1;
    return ASSAY_OK;
}

static bool shares_name(const struct assay_gnu_file *a, const struct assay_gnu_file *b)
{
    for (size_t i = 0; i < 4; i++) {
        const char *x = a->names[i / 2], *y = b->names[i % 2];

        if (x != NULL && y != NULL && strcmp(x, y) == 0)
            return true;
    }
    return false;
}

// GNU patch writes what git headers ask for at its end, and reads files that it renames or copies
// as they were. What then comes of one that is changed twice depends on the order in which it
// happens to write; no such patch is accepted here.
static enum assay_status check_moves(const struct assay_gnu_patch *patch, struct assay_error *err)
{
    size_t moved = 0;

    for (size_t i = 0; i < patch->file_count; i++)
        moved += moves(&patch->files[i]);
    if (moved > MOVES_MAX)
        return refuse(&patch->files[0], NULL, "too many renames and copies", err);
    for (size_t i = 0; i < patch->file_count && moved > 0; i++) {
        for (size_t k = 0; k < patch->file_count; k++) {
            if (i != k && moves(&patch->files[i]) &&
                    shares_name(&patch->files[i], &patch->files[k]))
                return refuse(&patch->files[i], patch->files[i].names[0],
                        "renamed or copied, and changed again", err);
        }
        if (moves(&patch->files[i]) && patch->files[i].missing[ASSAY_GNU_NEW] == 2)
            return refuse(&patch->files[i], patch->files[i].names[0], "renamed, and deleted", err);
    }
    return ASSAY_OK;
}

static bool is_skipped(const struct gnu_applier *applier, const struct assay_gnu_file *file)
{
    if (applier->options->skip == NULL)
        return false;
    for (size_t i = 0; i < ASSAY_GNU_NAMES; i++) {
        if (file->names[i] != NULL &&
                !applier->options->skip(applier->options->user, file->names[i]))
            return false;
    }
    return true;
}

static enum assay_status note_skipped(
        struct gnu_applier *applier, const struct assay_gnu_file *file, struct assay_error *err)
{
    struct path_entry *entry = NULL;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < 2 && status == ASSAY_OK; i++) {
        if (file->names[i] == NULL)
            continue;
        status = paths_get(&entry, applier->paths, file->names[i], err);
        if (status == ASSAY_OK)
            entry->skipped = true;
    }
    return status;
}

static enum assay_status apply_file(
        struct gnu_applier *applier, const struct assay_gnu_file *file, struct assay_error *err)
{
    struct gnu_choice choice = {0};
    struct assay_bytes content = {0};
    enum assay_status status = ASSAY_OK;

    if (is_skipped(applier, file))
        return note_skipped(applier, file, err);
    status = choose(&choice, applier, file, err);
    if (status == ASSAY_OK && choice.out != choice.in && !assay_patch_path_allowed(choice.out))
        status = refuse(file, choice.out, "a patch may not name this path", err);
    if (status == ASSAY_OK && kind_of(file) == ASSAY_FILE_OTHER)
        status = refuse(file, choice.in, "can't change the kind of a file", err);
    if (status == ASSAY_OK && choice.old.kind != ASSAY_FILE_NONE &&
            choice.old.kind != kind_of(file))
        status = refuse(file, choice.in, "not a regular file, or not the link it should be", err);
    if (status == ASSAY_OK && file->binary)
        status = refuse(file, choice.in, "git binary diffs are not supported", err);
    if (status == ASSAY_OK)
        status = charge(applier, file, choice.in, choice.old.content.len, err);
    if (status != ASSAY_OK)
        return status;
    const struct gnu_job job = {.file = file,
            .path = choice.out,
            .text = choice.old.content,
            .bytes_max = applier->file_bytes_max,
            .steps_left = &applier->steps_left,
            .records = applier->records + applier->record_count,
            .arena = applier->arena};

    status = check_folders(applier, file, choice.out, err);
    if (status == ASSAY_OK)
        status = gnu_hunks_apply(&content, &job, err);
    if (status == ASSAY_OK)
        status = charge(applier, file, choice.out, content.len, err);
    if (status == ASSAY_OK)
        status = settle(applier, file, &choice, content, err);
    if (status == ASSAY_OK)
        status = add_record(applier, file, choice.out);
    return status;
}

enum assay_status gnu_apply(struct assay_edits **out, const struct assay_gnu_patch *patch,
        assay_file_read read, void *read_user, const struct assay_apply_options *options,
        struct assay_arena *arena, struct assay_error *err)
{
    struct gnu_applier applier = {.options = options, .steps_left = STEPS_MAX, .arena = arena};
    struct assay_edits *edits = assay_arena_alloc(arena, sizeof(*edits));
    size_t record_max = 0;
    enum assay_status status = ASSAY_OK;

    applier.file_bytes_max =
            options->file_bytes_max > 0 ? options->file_bytes_max : FILE_BYTES_DEFAULT;
    applier.bytes_left =
            options->total_bytes_max > 0 ? options->total_bytes_max : TOTAL_BYTES_DEFAULT;
    for (size_t i = 0; i < patch->file_count; i++)
        record_max += patch->files[i].hunk_count > 0 ? patch->files[i].hunk_count : 1;
    applier.records = assay_arena_array(arena, record_max, sizeof(*applier.records));
    if (edits == NULL || applier.records == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for edits");
    status = check_moves(patch, err);
    if (status == ASSAY_OK)
        status = paths_create(&applier.paths, read, read_user, options, arena, err);
    for (size_t i = 0; i < patch->file_count && status == ASSAY_OK; i++)
        status = apply_file(&applier, &patch->files[i], err);
    if (status == ASSAY_OK)
        status = paths_edits(edits, applier.paths, err);
    if (status != ASSAY_OK)
        return status;
    if (edits->count == 0 && edits->dropped.count == 0)
        return assay_fail(err, ASSAY_EPATCH, "line %zu: GNU patch would change nothing and exit 0",
                patch->files[0].patch_line);
    edits->hunks = applier.records;
    edits->hunk_count = applier.record_count;
    *out = edits;
    return ASSAY_OK;
}
