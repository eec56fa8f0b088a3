// SPDX-License-Identifier: MIT
// workspace.c - layers of a grading box: base tree, what the model patch changed, what assay
// trusts.
#include "envs/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "envs/depot_tree.h"
#include "tasks/patch.h"

#define TEST_ARENA_BYTES_MAX ((size_t)1 << 30)
#define TICK_NS (10L * 1000 * 1000) // the longest that kernels are built with

// What the making of one workspace shares.
struct making {
    struct assay_workspace *workspace;
    struct assay_depot *depot;
    const struct assay_instance *instance;
    const struct assay_workspace_options *options;
    struct assay_patch *test_patch; // NULL: the instance has none
    struct assay_arena *test_arena; // of the test patch and what becomes of it
    int tree_fd;
};

static bool names_path(const struct assay_patch *patch, const char *path)
{
    for (size_t i = 0; patch != NULL && i < patch->file_count; i++) {
        const struct assay_patch_file *file = &patch->files[i];

        if ((file->old_path != NULL && strcmp(file->old_path, path) == 0) ||
                (file->new_path != NULL && strcmp(file->new_path, path) == 0))
            return true;
    }
    return false;
}

// By either reading of the patch (tasks/patch.h).
static bool is_touched(const struct assay_patch *patch, const char *path)
{
    return patch != NULL && (names_path(patch, path) || names_path(patch->exact, path));
}

// Compiled Python is loaded in place of the source whose time and size it
// names, and all times of a tree are known: no patch may bring any.
static bool is_bytecode(const char *path)
{
    static const char *const globs[] = {
            "**/__pycache__/**", "__pycache__/**", "**/*.pyc", "*.pyc", "**/*.pyo", "*.pyo"};

    for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++)
        if (assay_glob_match(globs[i], path))
            return true;
    return false;
}

static bool matches_any(const struct assay_strings *globs, const char *path)
{
    for (size_t i = 0; i < globs->count; i++)
        if (assay_glob_match(globs->items[i], path))
            return true;
    return false;
}

static bool is_among(const struct assay_strings *paths, const char *path)
{
    for (size_t i = 0; i < paths->count; i++)
        if (strcmp(paths->items[i], path) == 0)
            return true;
    return false;
}

static bool is_protected(void *user, const char *path)
{
    const struct making *making = user;

    if (is_bytecode(path) || (making->options->wanted && !making->options->wanted(path)))
        return true;
    if (!(making->options->with_test_patch && making->instance->tests_at == NULL &&
                is_touched(making->test_patch, path)) &&
            !matches_any(&making->options->protected_globs, path) &&
            (!matches_any(&making->options->test_globs, path) ||
                    is_among(&making->options->test_exempt, path)))
        return false;
    return !matches_any(&making->instance->protected_allowed, path);
}

static bool is_edited_by_model(void *user, const char *path)
{
    const struct making *making = user;
    const struct assay_edits *edits = making->workspace->model_edits;

    for (size_t i = 0; edits != NULL && i < edits->count; i++)
        if (strcmp(edits->items[i].path, path) == 0)
            return true;
    return false;
}

static void push_lower(struct assay_workspace *workspace)
{
    workspace->lowers[workspace->lower_count] = workspace->paths[workspace->lower_count];
    workspace->lower_count++;
}

// `dir`/<name>, with the edits in overlay form; made, or empty where the scratch was used before.
static enum assay_status write_layer(struct assay_depot *depot, const struct assay_edits *edits,
        const char *dir, const char *name, char path[PATH_MAX], struct assay_error *err)
{
    uid_t uid = 0;
    gid_t gid = 0;
    int fd = -1;
    enum assay_status status = assay_depot_path(path, dir, name, err);

    const bool used = status == ASSAY_OK && access(path, F_OK) == 0;

    if (status == ASSAY_OK && !used)
        status = assay_depot_mkdir(depot, AT_FDCWD, path, err);
    if (status != ASSAY_OK)
        return status;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", path);
    assay_depot_ids(depot, &uid, &gid);
    status = used ? assay_depot_own(depot, fd, 0755, err) : ASSAY_OK;
    if (status == ASSAY_OK)
        status = assay_edits_write_layer(edits, fd, uid, gid, err);
    close(fd);
    return status;
}

// The layer of a test patch is the same for all runs of its instance: kept by
// what it is made from. Files that the model may and did change stay the model's.
static enum assay_status trusted_key(
        const struct making *making, char key[ASSAY_SHA256_HEX_BYTES], struct assay_error *err)
{
    const struct assay_edits *edits = making->workspace->model_edits;
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay test layer 1");
    assay_sha256_field_text(
            sha, making->instance->tests_at == NULL ? making->instance->tree : "elsewhere");
    assay_sha256_field(sha, making->instance->test_patch.data, making->instance->test_patch.len);
    for (size_t i = 0; edits != NULL && making->instance->tests_at == NULL && i < edits->count; i++)
        if (is_touched(making->test_patch, edits->items[i].path))
            assay_sha256_field_text(sha, edits->items[i].path);
    assay_sha256_hex(sha, key);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

// What is laid elsewhere is laid over nothing.
static enum assay_status read_nothing(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    (void)user;
    (void)path;
    (void)arena;
    (void)err;
    *out = (struct assay_file){.kind = ASSAY_FILE_NONE};
    return ASSAY_OK;
}

static enum assay_status build_trusted(
        struct making *making, const char *target, struct assay_error *err)
{
    const bool elsewhere = making->instance->tests_at != NULL;
    const struct assay_apply_options options = {.mode = ASSAY_APPLY_EXACT,
            .skip = elsewhere ? NULL : is_edited_by_model,
            .user = making,
            .list = elsewhere ? NULL : assay_dir_list_dir};
    struct assay_edits *edits = NULL;
    char scratch[PATH_MAX], path[PATH_MAX];
    bool moved = false;
    enum assay_status status = assay_patch_apply(&edits, making->test_patch,
            elsewhere ? read_nothing : assay_file_read_dir, &making->tree_fd, &options,
            making->test_arena, err);

    if (status != ASSAY_OK) {
        (void)assay_wrap(err, "test patch");
        return status;
    }
    status = assay_depot_tmp(making->depot, scratch, err);
    if (status != ASSAY_OK)
        return status;
    status = write_layer(making->depot, edits, scratch, "root", path, err);
    if (status == ASSAY_OK)
        status = assay_depot_publish(making->depot, scratch, target, &moved, err);
    if (!moved)
        assay_depot_drop_tmp(making->depot, scratch);
    return status;
}

static enum assay_status add_trusted(struct making *making, struct assay_error *err)
{
    struct assay_workspace *workspace = making->workspace;
    const bool elsewhere = making->instance->tests_at != NULL;
    char key[ASSAY_SHA256_HEX_BYTES], target[80], name[96];
    char *path = elsewhere ? workspace->tests_path : workspace->paths[workspace->lower_count];
    enum assay_status status = trusted_key(making, key, err);

    if (status != ASSAY_OK)
        return status;
    snprintf(target, sizeof(target), "layers/%s", key);
    snprintf(name, sizeof(name), "%s/root", target);
    status = assay_depot_path(path, assay_depot_home(making->depot), name, err);
    if (status == ASSAY_OK && access(path, F_OK) != 0)
        status = build_trusted(making, target, err);
    if (status == ASSAY_OK && !elsewhere)
        push_lower(workspace);
    return status;
}

static bool is_partly_protected(const struct making *making, const char *path)
{
    return matches_any(&making->options->partly_globs, path) &&
            !matches_any(&making->instance->protected_allowed, path);
}

// Is this edit one to a part of the file that the model may change?
static enum assay_status may_stand(struct making *making, const struct assay_edit *edit,
        struct assay_arena *arena, bool *out, struct assay_error *err)
{
    struct assay_file before = {.kind = ASSAY_FILE_NONE};
    const enum assay_status status =
            assay_file_read_dir(&making->tree_fd, edit->path, arena, &before, err);

    if (status != ASSAY_OK)
        return status;
    *out = making->options->may_change != NULL && before.kind == ASSAY_FILE_REGULAR &&
            edit->kind == ASSAY_FILE_REGULAR && edit->executable == before.executable &&
            making->options->may_change(edit->path, before.content, edit->content);
    return ASSAY_OK;
}

// Edits of files that are protected in part, as far as they change that part, become dropped ones.
static enum assay_status drop_partly(
        struct making *making, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_edits *edits = making->workspace->model_edits;
    const char **dropped =
            assay_arena_array(arena, edits->count + edits->dropped.count, sizeof(*dropped));
    size_t count = 0, kept = 0;
    enum assay_status status = ASSAY_OK;

    if (dropped == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "model patch: out of memory");
    for (size_t i = 0; i < edits->dropped.count; i++)
        dropped[count++] = edits->dropped.items[i];
    for (size_t i = 0; i < edits->count && status == ASSAY_OK; i++) {
        bool stands = true;

        if (is_partly_protected(making, edits->items[i].path))
            status = may_stand(making, &edits->items[i], arena, &stands, err);
        if (stands)
            edits->items[kept++] = edits->items[i];
        else
            dropped[count++] = edits->items[i].path;
    }
    edits->count = kept;
    edits->dropped = (struct assay_strings){dropped, count};
    return status;
}

static enum assay_status work_out_model(
        struct making *making, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_apply_options options = {.mode = making->options->mode,
            .skip = is_protected,
            .user = making,
            .list = assay_dir_list_dir};
    const enum assay_status status =
            assay_patch_apply(&making->workspace->model_edits, making->options->model_patch,
                    assay_file_read_dir, &making->tree_fd, &options, arena, err);

    if (status != ASSAY_OK) {
        (void)assay_wrap(err, "model patch");
        return status;
    }
    return drop_partly(making, arena, err);
}

static enum assay_status add_model(struct making *making, struct assay_error *err)
{
    struct assay_workspace *workspace = making->workspace;
    enum assay_status status = assay_depot_take_scratch(making->depot, workspace->scratch, err);

    if (status == ASSAY_OK)
        status = write_layer(making->depot, workspace->model_edits, workspace->scratch, "model",
                workspace->paths[workspace->lower_count], err);
    if (status != ASSAY_OK)
        return status;
    workspace->model_path = workspace->paths[workspace->lower_count];
    push_lower(workspace);
    return ASSAY_OK;
}

static enum assay_status parse_test_patch(struct making *making, struct assay_error *err)
{
    const struct assay_bytes *text = &making->instance->test_patch;
    enum assay_status status = ASSAY_OK;

    if (text->data == NULL || text->len == 0)
        return ASSAY_OK;
    status = assay_patch_parse(&making->test_patch, text->data, text->len, making->test_arena, err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "test patch");
    return status;
}

static enum assay_status open_tree(
        struct making *making, char path[PATH_MAX], struct assay_error *err)
{
    const enum assay_status status =
            assay_depot_tree(making->depot, making->instance->tree, path, err);

    if (status != ASSAY_OK)
        return status;
    making->tree_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (making->tree_fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", path);
    return ASSAY_OK;
}

enum assay_status assay_workspace_make(struct assay_workspace *out, struct assay_depot *depot,
        const struct assay_instance *instance, const struct assay_workspace_options *options,
        struct assay_arena *arena, struct assay_error *err)
{
    struct making making = {.workspace = out,
            .depot = depot,
            .instance = instance,
            .options = options,
            .tree_fd = -1};
    char tree[PATH_MAX];
    enum assay_status status = ASSAY_OK;

    memset(out, 0, sizeof(*out));
    status = assay_arena_create(&making.test_arena, TEST_ARENA_BYTES_MAX, err);
    if (status == ASSAY_OK)
        status = open_tree(&making, tree, err);
    if (status == ASSAY_OK)
        status = parse_test_patch(&making, err);
    if (status == ASSAY_OK && options->model_patch != NULL)
        status = work_out_model(&making, arena, err);
    if (status == ASSAY_OK && options->with_test_patch && making.test_patch != NULL)
        status = add_trusted(&making, err);
    if (status == ASSAY_OK && out->model_edits != NULL && out->model_edits->count > 0)
        status = add_model(&making, err);
    if (status == ASSAY_OK) {
        memcpy(out->paths[out->lower_count], tree, sizeof(tree));
        push_lower(out);
    } else {
        assay_workspace_release(out, depot);
    }
    if (making.tree_fd >= 0)
        close(making.tree_fd);
    assay_arena_destroy(making.test_arena);
    return status;
}

enum assay_status assay_workspace_make_edited(struct assay_workspace *out,
        struct assay_depot *depot, const struct assay_instance *instance, struct assay_edits *edits,
        struct assay_error *err)
{
    struct making making = {.workspace = out, .depot = depot, .instance = instance, .tree_fd = -1};
    char tree[PATH_MAX];
    enum assay_status status = assay_depot_tree(depot, instance->tree, tree, err);

    memset(out, 0, sizeof(*out));
    out->model_edits = edits;
    if (status == ASSAY_OK && edits->count > 0)
        status = add_model(&making, err);
    if (status == ASSAY_OK) {
        memcpy(out->paths[out->lower_count], tree, sizeof(tree));
        push_lower(out);
    } else {
        assay_workspace_release(out, depot);
    }
    return status;
}

// --- what is planted for one run ----------------------------------------------------------------

#define PLANTED 3 // its place in paths[]

// Is `path`, or what it lies in, the model's doing?
static bool is_of_model(const struct assay_edits *edits, const char *path)
{
    for (size_t i = 0; edits != NULL && i < edits->count; i++) {
        const size_t len = strlen(edits->items[i].path);

        if (strncmp(edits->items[i].path, path, len) == 0 &&
                (path[len] == '\0' || path[len] == '/'))
            return true;
    }
    return false;
}

enum assay_status assay_workspace_read(const struct assay_workspace *workspace, const char *path,
        struct assay_arena *arena, struct assay_file *out, struct assay_error *err)
{
    if (is_of_model(workspace->model_edits, path))
        return assay_fail(err, ASSAY_ENOTFOUND, "%.200s is the model's", path);
    for (size_t i = 0; i < workspace->lower_count; i++) {
        const int fd = open(workspace->lowers[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct assay_file file = {.kind = ASSAY_FILE_NONE};
        enum assay_status status = ASSAY_OK;
        int dir = fd;

        if (workspace->lowers[i] == workspace->paths[PLANTED] || fd < 0) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        status = assay_file_read_dir(&dir, path, arena, &file, err);
        close(fd);
        if (status != ASSAY_OK)
            return status == ASSAY_EREFUSED
                    ? assay_fail(err, ASSAY_ENOTFOUND, "%.200s is below a link", path)
                    : status;
        if (file.kind == ASSAY_FILE_REGULAR) {
            *out = file;
            return ASSAY_OK;
        }
        if (file.kind != ASSAY_FILE_NONE)
            break;
    }
    return assay_fail(err, ASSAY_ENOTFOUND, "no file %.200s", path);
}

// Code can see when a file of its own was last changed (ctime), and nobody can set that: the layer
// is as old in each run.
static enum assay_status write_model_anew(struct assay_workspace *workspace,
        struct assay_depot *depot, unsigned number, struct assay_error *err)
{
    char name[32];

    if (workspace->model_path == NULL || number == 0)
        return ASSAY_OK;
    snprintf(name, sizeof(name), "model-%u", number);
    return write_layer(
            depot, workspace->model_edits, workspace->scratch, name, workspace->model_path, err);
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

// The time that a change has now. Where times are finer than ticks (Linux 6.13), a folder that was
// looked at gets the exact one, and nothing that is made after it is older.
static bool change_now(const char *folder, struct timespec *out)
{
    struct stat st;

    if (lstat(folder, &st) != 0 || utimensat(AT_FDCWD, folder, NULL, AT_SYMLINK_NOFOLLOW) != 0 ||
            lstat(folder, &st) != 0)
        return false;
    *out = st.st_ctim;
    return true;
}

// Files of one tick of the kernel's clock are of one age, and whether the model's and those laid
// behind them are would be chance: what differs by chance tells one run from another.
static void pass_tick(const struct assay_workspace *workspace)
{
    const struct timespec moment = {.tv_nsec = TICK_NS / 8};
    const struct assay_edits *edits = workspace->model_edits;
    struct timespec now = {0};
    char path[PATH_MAX];
    struct stat st;
    size_t last = workspace->model_path != NULL ? edits->count : 0;

    while (last > 0 && edits->items[last - 1].kind == ASSAY_FILE_NONE)
        last--;
    if (last == 0 ||
            snprintf(path, sizeof(path), "%s/%s", workspace->model_path,
                    edits->items[last - 1].path) >= (int)sizeof(path) ||
            lstat(path, &st) != 0)
        return;
    for (unsigned i = 0; i < 16; i++) {
        if (!change_now(workspace->scratch, &now) || is_later(&now, &st.st_ctim))
            return;
        nanosleep(&moment, NULL);
    }
}

enum assay_status assay_workspace_plant(struct assay_workspace *workspace,
        struct assay_depot *depot, const struct assay_edits *edits, struct assay_error *err)
{
    const unsigned number = workspace->planted_count++;
    char name[32];
    enum assay_status status = ASSAY_OK;

    if (workspace->scratch[0] == '\0')
        status = assay_depot_take_scratch(depot, workspace->scratch, err);
    if (status != ASSAY_OK)
        return status;
    status = write_model_anew(workspace, depot, number, err);
    if (status != ASSAY_OK)
        return status;
    pass_tick(workspace);
    snprintf(name, sizeof(name), "planted-%u", number);
    status = write_layer(depot, edits, workspace->scratch, name, workspace->paths[PLANTED], err);
    if (status != ASSAY_OK)
        return status;
    if (workspace->lowers[0] == workspace->paths[PLANTED])
        return ASSAY_OK;
    memmove(workspace->lowers + 1, workspace->lowers,
            workspace->lower_count * sizeof(workspace->lowers[0]));
    workspace->lowers[0] = workspace->paths[PLANTED];
    workspace->lower_count++;
    return ASSAY_OK;
}

void assay_workspace_release(struct assay_workspace *workspace, struct assay_depot *depot)
{
    if (workspace->scratch[0] != '\0')
        assay_depot_give_scratch(depot, workspace->scratch);
    workspace->scratch[0] = '\0';
    workspace->lower_count = 0;
}
