// SPDX-License-Identifier: MIT
// tool_patch.c - apply_patch: the patch engine over the files of an episode's box.
//
// The engine works out every edit before the first one is written. Contents go through the session;
// what a session cannot do (removing, modes, links) is done by the box's own programs.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "envs/apply.h"
#include "envs/episode_inner.h"

#define ARENA_BYTES ((size_t)1 << 30)
#define FILE_BYTES_MAX ((size_t)64 << 20)
#define PATHS_SHOWN 50

struct patching {
    struct assay_episode *e;
    struct assay_arena *arena;
};

// --- reading -------------------------------------------------------------------------------------

static const char *in_tree(const struct patching *p, const char *path)
{
    return assay_arena_printf(p->arena, "%s/%s", p->e->place.recipe->workdir, path);
}

// A path below a link leads elsewhere: only directories may be on the way.
static enum assay_status check_way(
        const struct patching *p, const char *path, bool *none, struct assay_error *err)
{
    struct assay_file_info info = {0};

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const char *way = assay_arena_printf(
                p->arena, "%s/%.*s", p->e->place.recipe->workdir, (int)(slash - path), path);
        enum assay_status status;

        if (way == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "apply_patch: out of memory");
        status = assay_session_stat(p->e->session, way, false, &info, err);
        if (status == ASSAY_ENOTFOUND || (status == ASSAY_OK && S_ISREG(info.mode))) {
            *none = true;
            return ASSAY_OK;
        }
        if (status != ASSAY_OK)
            return status;
        if (S_ISLNK(info.mode))
            return assay_fail(err, ASSAY_EREFUSED, "%.150s lies below a link", path);
    }
    return ASSAY_OK;
}

static enum assay_status read_content(
        struct patching *p, const char *path, struct assay_file *out, struct assay_error *err)
{
    struct assay_buf bytes;
    const char *copy = NULL;
    enum assay_status status;

    assay_buf_init(&bytes, FILE_BYTES_MAX);
    status = assay_session_read(p->e->session, path, 0, FILE_BYTES_MAX, &bytes, NULL, err);
    if (status == ASSAY_OK) {
        copy = assay_arena_memdup(p->arena, bytes.data, bytes.len);
        if (copy == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "apply_patch: out of memory");
        out->content = (struct assay_bytes){copy, bytes.len};
    }
    assay_buf_free(&bytes);
    return status;
}

static enum assay_status read_file(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    struct patching *p = user;
    struct assay_file_info info = {0};
    const char *place = in_tree(p, path);
    bool none = false;
    enum assay_status status = check_way(p, path, &none, err);

    (void)arena;
    memset(out, 0, sizeof(*out));
    if (status != ASSAY_OK || none)
        return status;
    if (place == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "apply_patch: out of memory");
    status = assay_session_stat(p->e->session, place, false, &info, err);
    if (status == ASSAY_ENOTFOUND)
        return ASSAY_OK;
    if (status != ASSAY_OK)
        return status;
    out->executable = (info.mode & 0100) != 0;
    if (S_ISREG(info.mode)) {
        out->kind = ASSAY_FILE_REGULAR;
        return read_content(p, place, out, err);
    }
    // A link's target cannot be read from outside; a patch of one is refused as of something else.
    out->kind = S_ISDIR(info.mode) ? ASSAY_FILE_DIR : ASSAY_FILE_OTHER;
    return ASSAY_OK;
}

static enum assay_status list_names(void *user, const char *path, struct assay_arena *arena,
        struct assay_strings *out, struct assay_error *err)
{
    const struct patching *p = user;
    struct assay_file_list list = {0};
    const char *place = in_tree(p, path);
    const char **names = NULL;
    enum assay_status status = place == NULL
            ? assay_fail(err, ASSAY_ENOMEM, "apply_patch: out of memory")
            : assay_session_list(p->e->session, place, 100000, arena, &list, err);

    if (status != ASSAY_OK)
        return status;
    names = assay_arena_array(arena, list.count + 1, sizeof(*names));
    if (names == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "apply_patch: out of memory");
    for (size_t i = 0; i < list.count; i++)
        names[i] = list.entries[i].name;
    *out = (struct assay_strings){names, list.count};
    return ASSAY_OK;
}

// --- writing -------------------------------------------------------------------------------------

static enum assay_status do_effect(
        struct patching *p, const char *const *argv, const char *path, struct assay_error *err)
{
    bool done = false;
    enum assay_status status = assay_tool_effect(p->e, argv, &done, err);

    if (status == ASSAY_OK && !done)
        return assay_fail(err, ASSAY_EPATCH, "%.150s: %s failed in the box", path, argv[0]);
    return status;
}

static enum assay_status write_regular(struct patching *p, const struct assay_edit *edit,
        const char *place, struct assay_error *err)
{
    const struct assay_write_options options = {
            .mode = edit->executable ? 0755 : 0644, .parents = true};
    const char *const argv[] = {"/bin/chmod", edit->executable ? "755" : "644", "--", place, NULL};
    struct assay_file_info info = {0};
    enum assay_status status = assay_session_write(
            p->e->session, place, edit->content.data, edit->content.len, &options, err);

    if (status == ASSAY_OK)
        status = assay_session_stat(p->e->session, place, false, &info, err);
    if (status == ASSAY_OK && ((info.mode & 0100) != 0) != edit->executable)
        status = do_effect(p, argv, edit->path, err);
    return status;
}

static enum assay_status write_link(struct patching *p, const struct assay_edit *edit,
        const char *place, struct assay_error *err)
{
    const char *target = assay_arena_memdup(p->arena, edit->content.data, edit->content.len);
    const char *dir = assay_arena_strdup(p->arena, place);
    const char *const mkdir[] = {"/bin/mkdir", "-p", "--", dir, NULL};
    const char *const link[] = {"/bin/ln", "-sfn", "--", target, place, NULL};
    enum assay_status status = ASSAY_OK;

    if (target == NULL || dir == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "apply_patch: out of memory");
    *strrchr(dir, '/') = '\0';
    status = do_effect(p, mkdir, edit->path, err);
    return status == ASSAY_OK ? do_effect(p, link, edit->path, err) : status;
}

// Removals first: what is written may take the place of what goes.
static enum assay_status write_edits(
        struct patching *p, const struct assay_edits *edits, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < edits->count && status == ASSAY_OK; i++) {
        const char *place = in_tree(p, edits->items[i].path);
        const char *const rm[] = {"/bin/rm", "-rf", "--", place, NULL};

        if (place == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "apply_patch: out of memory");
        if (edits->items[i].kind == ASSAY_FILE_NONE)
            status = do_effect(p, rm, edits->items[i].path, err);
    }
    for (size_t i = 0; i < edits->count && status == ASSAY_OK; i++) {
        const struct assay_edit *edit = &edits->items[i];
        const char *place = in_tree(p, edit->path);

        if (place == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "apply_patch: out of memory");
        if (edit->kind == ASSAY_FILE_REGULAR)
            status = write_regular(p, edit, place, err);
        else if (edit->kind == ASSAY_FILE_LINK)
            status = write_link(p, edit, place, err);
    }
    return status;
}

// --- the tool ------------------------------------------------------------------------------------

static void describe(struct assay_observation *out, const struct assay_edits *edits)
{
    assay_buf_addf(&out->text, "Applied; %zu files changed:\n", edits->count);
    for (size_t i = 0; i < edits->count && i < PATHS_SHOWN; i++)
        assay_buf_addf(&out->text, "%s %s\n", edits->items[i].kind == ASSAY_FILE_NONE ? "D" : "M",
                edits->items[i].path);
    if (edits->count > PATHS_SHOWN)
        assay_buf_addf(&out->text, "[and %zu more]\n", edits->count - PATHS_SHOWN);
}

static enum assay_status apply(struct patching *p, const char *text, struct assay_observation *out,
        struct assay_error *err)
{
    const struct assay_apply_options options = {.mode = ASSAY_APPLY_TOLERANT, .list = list_names};
    struct assay_patch *patch = NULL;
    struct assay_edits *edits = NULL;
    struct assay_error trouble = {0};
    enum assay_status status =
            assay_patch_read(&patch, text, strlen(text), ASSAY_FORMAT_AUTO, p->arena, &trouble);

    if (status == ASSAY_OK)
        status = assay_patch_apply(&edits, patch, read_file, p, &options, p->arena, &trouble);
    if (status == ASSAY_OK)
        status = write_edits(p, edits, &trouble);
    if (status == ASSAY_EPATCH || status == ASSAY_EREFUSED)
        return assay_observation_refuse(
                out, "the patch was not applied: %s. Nothing was changed", trouble.message);
    if (status == ASSAY_EIO && trouble.sys_errno != 0)
        return assay_tool_refuse_path(p->e, out, "the repository", &trouble) == ASSAY_OK
                ? ASSAY_OK
                : assay_fail(err, status, "%s", trouble.message);
    if (status != ASSAY_OK)
        return assay_fail(err, status, "%s", trouble.message);
    describe(out, edits);
    return ASSAY_OK;
}

enum assay_status assay_tool_apply_patch(struct assay_episode *e,
        const struct assay_tool_value *values, struct assay_observation *out,
        struct assay_error *err)
{
    struct patching p = {.e = e};
    enum assay_status status = assay_arena_create(&p.arena, ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    status = apply(&p, values[0].text, out, err);
    assay_arena_destroy(p.arena);
    return status;
}
