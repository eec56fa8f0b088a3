// SPDX-License-Identifier: MIT
// apply.c - a patch as a whole: which files it reads, what becomes of each, all or nothing.
#include "envs/apply.h"

#include <string.h>

#include "envs/apply_binary.h"
#include "envs/apply_block.h"
#include "envs/apply_hunk.h"
#include "envs/apply_ladder.h"
#include "envs/apply_paths.h"

enum {
    APPLIED_BYTES_MAX = 32 << 20, // looked through to tell that a patch is already applied
};

// Does the file patch take its old path away for all file patches? A rename that
// is only implied does, too, but git keeps no book of it.
static bool takes_away(const struct assay_patch_file *file)
{
    return file->op == ASSAY_PATCH_DELETE || (file->op == ASSAY_PATCH_RENAME && !file->implied);
}

// A file patch with its paths as they are in this tree.
struct target {
    const struct assay_patch_file *file;
    const char *old_path, *new_path; // NULL as in *file
    unsigned marks;                  // enum hunk_mark
    bool skipped;
};

struct applier {
    const struct assay_patch *patch;
    bool tolerant;
    const struct assay_apply_options *options;
    size_t file_bytes_max, bytes_left;
    uint64_t steps_left;
    struct paths *paths;
    struct target *targets; // [patch->file_count]
    struct assay_hunk_record *records;
    size_t record_count;
    struct assay_arena *arena;
};

static const char *shown_path(const struct target *target)
{
    return target->new_path != NULL ? target->new_path : target->old_path;
}

static enum assay_status refuse(
        const struct target *target, const char *path, const char *reason, struct assay_error *err)
{
    return assay_fail(
            err, ASSAY_EPATCH, "line %zu: %.150s: %s", target->file->patch_line, path, reason);
}

// A read that failed: ours to report, except that the patch chose the path.
static enum assay_status probe(struct path_entry **out, struct applier *applier,
        const struct target *target, const char *path, struct assay_error *err)
{
    const enum assay_status status = paths_probe(out, applier->paths, path, err);

    if (status == ASSAY_EREFUSED)
        return refuse(target, path, "is below a symbolic link", err);
    return status;
}

// Finding the paths.

static bool is_prefixed(const char *raw)
{
    return raw != NULL && raw[0] != '\0' && strchr("abciow", raw[0]) != NULL && raw[1] == '/';
}

// `raw` without its first `strip` components, if that is a path; else NULL.
static const char *stripped(const char *raw, unsigned strip)
{
    for (; strip > 0 && raw != NULL; strip--) {
        raw = strchr(raw, '/');
        if (raw != NULL)
            raw++;
    }
    return raw != NULL && assay_patch_path_allowed(raw) ? raw : NULL;
}

static enum assay_status is_file(bool *found, struct applier *applier, const char *path,
        bool directory, struct assay_error *err)
{
    struct path_entry *entry = NULL;
    enum assay_status status = paths_probe(&entry, applier->paths, path, err);

    if (status == ASSAY_EREFUSED) // below a link: no candidate
        status = ASSAY_OK;
    *found = status == ASSAY_OK && entry != NULL &&
            (directory ? entry->tree.kind == ASSAY_FILE_DIR
                       : entry->tree.kind == ASSAY_FILE_REGULAR ||
                                    entry->tree.kind == ASSAY_FILE_LINK);
    return status;
}

// The path with no prefix stripped, or with one more than git strips, when the
// file is in exactly one of the two places.
static enum assay_status find_elsewhere(const char **path, struct applier *applier,
        const struct target *target, const char *raw, struct assay_error *err)
{
    const char *const candidates[] = {is_prefixed(raw) ? NULL : stripped(raw, 0), stripped(raw, 2)};
    const char *found = NULL;

    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        bool exists = false;
        enum assay_status status = ASSAY_OK;

        if (candidates[i] != NULL)
            status = is_file(&exists, applier, candidates[i], false, err);
        if (status != ASSAY_OK)
            return status;
        if (exists && found != NULL)
            return refuse(target, raw, "the file is there under two prefixes", err);
        if (exists)
            found = candidates[i];
    }
    if (found != NULL)
        *path = found;
    return ASSAY_OK;
}

// A new file without "b/": below the one of its first directories that exists.
static enum assay_status find_new_place(
        const char **path, struct applier *applier, const char *raw, struct assay_error *err)
{
    if (is_prefixed(raw))
        return ASSAY_OK;
    for (unsigned strip = 0; strip <= 2; strip += 2) {
        const char *candidate = stripped(raw, strip);
        const char *slash = candidate != NULL ? strchr(candidate, '/') : NULL;
        const char *folder = NULL;
        bool exists = false;
        enum assay_status status = ASSAY_OK;

        if (slash == NULL)
            continue;
        folder = assay_arena_memdup(applier->arena, candidate, (size_t)(slash - candidate));
        if (folder == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory for a path");
        status = is_file(&exists, applier, folder, true, err);
        if (status != ASSAY_OK)
            return status;
        if (exists) {
            *path = candidate;
            return ASSAY_OK;
        }
    }
    return ASSAY_OK;
}

static enum assay_status resolve_path(const char **path, struct applier *applier,
        const struct target *target, const char *raw, bool is_new, struct assay_error *err)
{
    bool exists = false;
    enum assay_status status = ASSAY_OK;

    if (*path == NULL || raw == NULL)
        return ASSAY_OK;
    status = is_file(&exists, applier, *path, false, err);
    if (status != ASSAY_OK || (exists && !is_new))
        return status;
    if (is_new)
        return find_new_place(path, applier, raw, err);
    return find_elsewhere(path, applier, target, raw, err);
}

// Only formats that have no prefix to strip keep the slash.
static bool is_absolute(const struct applier *applier, const struct assay_patch_file *file)
{
    const char *raw = file->new_raw != NULL ? file->new_raw : file->old_raw;

    return applier->patch->format != ASSAY_FORMAT_DIFF && raw != NULL && raw[0] == '/';
}

static bool is_there(struct applier *applier, const char *path)
{
    struct path_entry *entry = NULL;

    return paths_probe(&entry, applier->paths, path, NULL) == ASSAY_OK &&
            (entry->tree.kind != ASSAY_FILE_NONE || entry->made);
}

static enum assay_status resolve(struct applier *applier, size_t index, struct assay_error *err)
{
    struct target *target = &applier->targets[index];
    const struct assay_patch_file *file = target->file;
    const char *path = file->old_path != NULL ? file->old_path : file->new_path;
    const bool is_new = file->op == ASSAY_PATCH_ADD;
    const bool in_place = file->op == ASSAY_PATCH_MODIFY || file->op == ASSAY_PATCH_DELETE;
    struct path_entry *entry = NULL;
    enum assay_status status = ASSAY_OK;

    target->old_path = file->old_path;
    target->new_path = file->new_path;
    target->marks |= applier->patch->unwrapped ? HUNK_UNWRAPPED : 0U;
    if (!applier->tolerant || !(is_new || in_place))
        return ASSAY_OK;
    status = paths_get(&entry, applier->paths, path, err);
    if (status != ASSAY_OK || (entry->made && !is_new))
        return status;
    status = resolve_path(
            &path, applier, target, is_new ? file->new_raw : file->old_raw, is_new, err);
    if (status == ASSAY_OK && file->may_create && file->old_path != NULL &&
            applier->patch->format != ASSAY_FORMAT_DIFF && strcmp(path, file->old_path) == 0)
        status = resolve_path(&path, applier, target, file->new_raw, true, err);
    if (status != ASSAY_OK)
        return status;
    const char *named = is_new ? file->new_path : file->old_path;

    if (named == NULL || strcmp(path, named) != 0)
        target->marks |= HUNK_STRIP;
    else if (is_absolute(applier, file) && !is_there(applier, path))
        return refuse(target, is_new ? file->new_raw : file->old_raw,
                "the path is absolute, and no part of it is in the tree", err);
    target->old_path = file->old_path != NULL ? path : NULL;
    target->new_path = file->new_path != NULL ? path : NULL;
    return ASSAY_OK;
}

static bool skips(const struct applier *applier, const char *path)
{
    return path == NULL || applier->options->skip(applier->options->user, path);
}

// Paths first, since a file patch may depend on what a later one takes away.
static enum assay_status prepare(struct applier *applier, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < applier->patch->file_count && status == ASSAY_OK; i++) {
        struct target *target = &applier->targets[i];
        struct path_entry *entry = NULL;

        target->file = &applier->patch->files[i];
        status = resolve(applier, i, err);
        if (status == ASSAY_OK && target->new_path != NULL)
            status = paths_get(&entry, applier->paths, target->new_path, err);
        if (status == ASSAY_OK && entry != NULL && target->file->whole && entry->made)
            status = refuse(target, target->new_path, "a second content for this file", err);
        if (status != ASSAY_OK)
            break;
        if (target->new_path != NULL && entry != NULL)
            entry->made = true;
        target->skipped = applier->options->skip != NULL && skips(applier, target->old_path) &&
                skips(applier, target->new_path);
        if (!target->skipped && !takes_away(target->file))
            continue;
        status = paths_get(&entry, applier->paths,
                target->old_path != NULL ? target->old_path : target->new_path, err);
        if (status != ASSAY_OK)
            break;
        entry->skipped |= target->skipped;
        if (!target->skipped)
            entry->state = PATH_GOING;
    }
    return status;
}

// One file patch.

static uint32_t mode_of(const struct assay_file *file)
{
    if (file->kind == ASSAY_FILE_LINK)
        return MODE_LINK;
    return file->executable ? MODE_EXECUTABLE : MODE_REGULAR;
}

static enum assay_status charge(
        struct applier *applier, const struct target *target, size_t bytes, struct assay_error *err)
{
    if (bytes > applier->file_bytes_max)
        return refuse(target, shown_path(target), "the file is too large to patch", err);
    if (bytes > applier->bytes_left)
        return refuse(target, shown_path(target), "the patch makes too much content", err);
    applier->bytes_left -= bytes;
    return ASSAY_OK;
}

// The file that the patch starts from. For a patch that turns out to create its
// file, *creates becomes true.
static enum assay_status load(struct assay_file *old, bool *creates, struct applier *applier,
        const struct target *target, struct assay_error *err)
{
    const enum assay_patch_op op = target->file->op;
    const bool in_order =
            op == ASSAY_PATCH_MODIFY || op == ASSAY_PATCH_DELETE || target->file->implied;
    struct path_entry *entry = NULL;
    enum assay_status status = ASSAY_OK;

    *old = (struct assay_file){.content = {.data = "", .len = 0}};
    *creates = op == ASSAY_PATCH_ADD;
    if (*creates)
        return ASSAY_OK;
    status = probe(&entry, applier, target, target->old_path, err);
    if (status != ASSAY_OK)
        return status;
    if (in_order && entry->state == PATH_GONE)
        return refuse(target, target->old_path, "the patch has renamed or deleted it before", err);
    *old = in_order && entry->state == PATH_PATCHED ? entry->now : entry->tree;
    if (old->kind == ASSAY_FILE_NONE && target->file->may_create) {
        *creates = true;
        return ASSAY_OK;
    }
    if (old->kind == ASSAY_FILE_NONE)
        return refuse(target, target->old_path, "no such file", err);
    if (old->kind != ASSAY_FILE_REGULAR && old->kind != ASSAY_FILE_LINK)
        return refuse(target, target->old_path, "not a file", err);
    if (target->file->old_mode != 0 &&
            (target->file->old_mode & MODE_TYPE) != (mode_of(old) & MODE_TYPE))
        return refuse(target, target->old_path,
                old->kind == ASSAY_FILE_LINK ? "is a symbolic link, the patch is for a file"
                                             : "is a file, the patch is for a symbolic link",
                err);
    return charge(applier, target, old->content.len, err);
}

// What is created must not exist, unless the patch takes it away. *present is true
// when it exists exactly as the patch would make it.
static enum assay_status check_new_place(bool *present, struct applier *applier,
        const struct target *target, const struct assay_file *new, struct assay_error *err)
{
    struct path_entry *entry = NULL;
    const enum assay_status status = probe(&entry, applier, target, target->new_path, err);

    *present = false;
    if (status != ASSAY_OK || entry->tree.kind == ASSAY_FILE_NONE ||
            entry->tree.kind == ASSAY_FILE_DIR || entry->state == PATH_GOING ||
            entry->state == PATH_GONE)
        return status;
    *present = applier->tolerant && entry->tree.kind == new->kind &&
            entry->tree.content.len ==
                    new->content.len &&memcmp(
                            entry->tree.content.data, new->content.data, new->content.len) == 0;
    if (*present)
        return ASSAY_OK;
    return refuse(target, target->new_path, "exists already", err);
}

static enum assay_status text_content(struct assay_bytes *content, const struct applier *applier,
        const struct hunk_job *job, struct assay_error *err)
{
    const enum assay_patch_format format = applier->patch->format;

    if (format == ASSAY_FORMAT_DIFF)
        return hunks_apply(content, job, err);
    // The whole file goes, whatever is in it.
    if (job->file->op == ASSAY_PATCH_DELETE) {
        *content = (struct assay_bytes){.data = "", .len = 0};
        return ASSAY_OK;
    }
    if (format == ASSAY_FORMAT_APPLY_PATCH)
        return codex_apply(content, job, err);
    return blocks_apply(content, job, format, err);
}

static enum assay_status new_content(struct assay_bytes *content, struct applier *applier,
        const struct target *target, struct assay_bytes old, unsigned *marks,
        struct assay_error *err)
{
    const struct hunk_job job = {
            .file = target->file,
            .path = shown_path(target),
            .tolerant = applier->tolerant,
            .marks = target->marks,
            .text = old,
            .bytes_max = applier->file_bytes_max,
            .steps_left = &applier->steps_left,
            .records = applier->records + applier->record_count,
            .arena = applier->arena,
    };
    enum assay_status status = ASSAY_OK;

    if (target->file->whole)
        return whole_apply(content, &job, marks, err);
    if (!target->file->binary)
        return text_content(content, applier, &job, err);
    status = binary_apply(content, target->file, old, applier->tolerant, applier->file_bytes_max,
            applier->arena, err);
    if (status == ASSAY_EPATCH && err != NULL) {
        const struct assay_error reason = *err;

        return refuse(target, job.path, reason.message, err);
    }
    return status;
}

static enum assay_status set_mode(struct assay_file *new, const struct assay_file *old,
        const struct target *target, bool creates, struct assay_error *err)
{
    const uint32_t old_mode = creates ? 0 : mode_of(old);
    uint32_t mode = target->file->new_mode;

    if (mode == 0)
        mode = creates ? (uint32_t)MODE_REGULAR : old_mode;
    if (!creates && target->new_path != NULL && (mode & MODE_TYPE) != (old_mode & MODE_TYPE))
        return refuse(target, target->new_path, "the new mode is of another kind of file", err);
    new->kind = mode == MODE_LINK ? ASSAY_FILE_LINK : ASSAY_FILE_REGULAR;
    new->executable = mode == MODE_EXECUTABLE;
    return ASSAY_OK;
}

// A file without hunks gets one record, too.
static enum assay_status add_records(struct applier *applier, const struct target *target,
        unsigned marks, struct assay_error *err)
{
    if (target->file->hunk_count > 0) {
        applier->record_count += target->file->hunk_count;
        return ASSAY_OK;
    }
    applier->records[applier->record_count] = (struct assay_hunk_record){
            .path = shown_path(target), .tolerance = hunk_marks_text(marks, applier->arena)};
    if (applier->records[applier->record_count++].tolerance == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a record");
    return ASSAY_OK;
}

static enum assay_status note_outcome(struct applier *applier, const struct target *target,
        const struct assay_file *new, bool creates, struct assay_error *err)
{
    const enum assay_patch_op op = target->file->op;
    struct path_entry *entry = NULL;
    enum assay_status status = ASSAY_OK;

    if (op == ASSAY_PATCH_DELETE || op == ASSAY_PATCH_RENAME) {
        status = probe(&entry, applier, target, target->old_path, err);
        if (status != ASSAY_OK)
            return status;
        // Made by this patch and deleted by it: git would leave the file.
        if (op == ASSAY_PATCH_DELETE && entry->state == PATH_PATCHED)
            entry->written = false;
        if (takes_away(target->file))
            entry->state = PATH_GONE;
        entry->keeps_folder = target->file->implied;
        entry->removed = true;
    }
    if (target->new_path == NULL)
        return ASSAY_OK;
    status = probe(&entry, applier, target, target->new_path, err);
    if (status != ASSAY_OK)
        return status;
    entry->patch_line = target->file->patch_line;
    entry->state = PATH_PATCHED;
    entry->now = *new;
    entry->final = *new;
    entry->written = true;
    entry->removed |= !creates && op == ASSAY_PATCH_MODIFY;
    return ASSAY_OK;
}

static enum assay_status apply_file(
        struct applier *applier, const struct target *target, struct assay_error *err)
{
    struct assay_file old = {0}, new = {0};
    bool creates = false, present = false;
    unsigned marks = target->marks;
    enum assay_status status = load(&old, &creates, applier, target, err);

    if (status == ASSAY_OK)
        status = set_mode(&new, &old, target, creates, err);
    if (status == ASSAY_OK)
        status = new_content(&new.content, applier, target, old.content, &marks, err);
    if (status == ASSAY_OK)
        status = charge(applier, target, new.content.len, err);
    if (status == ASSAY_OK && target->new_path != NULL &&
            (creates || target->file->op != ASSAY_PATCH_MODIFY))
        status = check_new_place(&present, applier, target, &new, err);
    if (status != ASSAY_OK)
        return status;
    if (target->new_path == NULL && new.content.len > 0)
        return refuse(target, target->old_path, "the patch deletes it and leaves content", err);
    if (present)
        marks |= HUNK_PRESENT;
    status = add_records(applier, target, marks, err);
    if (status == ASSAY_OK)
        status = note_outcome(applier, target, &new, creates, err);
    return status;
}

// Is there, for a patch that failed, nothing left to do?

static bool file_is_applied(struct applier *applier, const struct target *target)
{
    struct hunk_job job = {.file = target->file,
            .path = "",
            .steps_left = &applier->steps_left,
            .arena = applier->arena};
    struct path_entry *old = NULL, *new = NULL;
    const enum assay_patch_op op = target->file->op;

    if (target->skipped)
        return true;
    if (target->file->binary || target->file->whole)
        return false;
    if (op == ASSAY_PATCH_DELETE || op == ASSAY_PATCH_RENAME) {
        if (paths_probe(&old, applier->paths, target->old_path, NULL) != ASSAY_OK ||
                old->tree.kind != ASSAY_FILE_NONE)
            return false;
    }
    if (target->new_path == NULL)
        return true;
    if (paths_probe(&new, applier->paths, target->new_path, NULL) != ASSAY_OK ||
            (new->tree.kind != ASSAY_FILE_REGULAR &&new->tree.kind != ASSAY_FILE_LINK))
        return false;
    job.text = new->tree.content;
    if (job.text.len > applier->bytes_left)
        return false;
    applier->bytes_left -= job.text.len;
    if (target->file->new_mode != 0 && target->file->new_mode != mode_of(&new->tree))
        return false;
    return hunks_are_applied(&job);
}

static bool is_applied(struct applier *applier)
{
    applier->bytes_left = APPLIED_BYTES_MAX;
    for (size_t i = 0; i < applier->patch->file_count; i++) {
        if (!file_is_applied(applier, &applier->targets[i]))
            return false;
    }
    return true;
}

static enum assay_status applier_init(
        struct applier *applier, assay_file_read read, void *read_user, struct assay_error *err)
{
    const struct assay_patch *patch = applier->patch;
    size_t record_max = 0;

    for (size_t i = 0; i < patch->file_count; i++)
        record_max += patch->files[i].hunk_count > 0 ? patch->files[i].hunk_count : 1;
    applier->file_bytes_max = applier->options->file_bytes_max;
    if (applier->file_bytes_max == 0)
        applier->file_bytes_max = FILE_BYTES_DEFAULT;
    applier->bytes_left = applier->options->total_bytes_max;
    if (applier->bytes_left == 0)
        applier->bytes_left = TOTAL_BYTES_DEFAULT;
    applier->steps_left = STEPS_MAX;
    applier->targets =
            assay_arena_array(applier->arena, patch->file_count, sizeof(*applier->targets));
    applier->records = assay_arena_array(applier->arena, record_max, sizeof(*applier->records));
    if (applier->targets == NULL || applier->records == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for %zu files", patch->file_count);
    return paths_create(&applier->paths, read, read_user, applier->options, applier->arena, err);
}

static enum assay_status apply_all(
        struct applier *applier, struct assay_edits *edits, struct assay_error *err)
{
    enum assay_status status = prepare(applier, err);

    for (size_t i = 0; i < applier->patch->file_count && status == ASSAY_OK; i++) {
        if (!applier->targets[i].skipped)
            status = apply_file(applier, &applier->targets[i], err);
    }
    if (status == ASSAY_OK)
        status = paths_edits(edits, applier->paths, err);
    edits->hunks = applier->records;
    edits->hunk_count = applier->record_count;
    return status;
}

enum assay_status apply_once(struct assay_edits **out, const struct assay_patch *patch,
        bool tolerant, assay_file_read read, void *read_user,
        const struct assay_apply_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    struct applier applier = {
            .patch = patch, .tolerant = tolerant, .options = options, .arena = arena};
    struct assay_edits *edits = assay_arena_alloc(arena, sizeof(*edits));
    enum assay_status status = ASSAY_OK;

    if (edits == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for edits");
    status = applier_init(&applier, read, read_user, err);
    if (status == ASSAY_OK)
        status = apply_all(&applier, edits, err);
    if (status == ASSAY_EPATCH && applier.targets[applier.patch->file_count - 1].file != NULL &&
            is_applied(&applier))
        return assay_fail(err, ASSAY_EPATCH, "the patch is already applied");
    if (status == ASSAY_OK)
        *out = edits;
    return status;
}
