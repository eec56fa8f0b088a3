// SPDX-License-Identifier: MIT
// grade_data.c - files of data of the base tree that tests of the test patch name.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "orchestrator/grading.h"
#include "rewards/counter_data.h"

#define ENTRIES_MAX 4096 // of the folders of tests; what comes later is not looked at
#define DEPTH_MAX 64
#define FILE_BYTES_MAX ((off_t)1 << 20) // each is laid anew for each run

struct search {
    struct assay_grading_source *source;
    struct assay_data_names names;
    const char *folder;
    const char **found; // ASSAY_CANARY_FILES_MAX
    size_t count, entries;
    bool over;
};

static bool is_known(const struct search *search, const char *path)
{
    const struct assay_strings *paths = &search->source->canary.paths;

    for (size_t i = 0; i < paths->count; i++)
        if (strcmp(paths->items[i], path) == 0)
            return true;
    for (size_t i = 0; i < search->count; i++)
        if (strcmp(search->found[i], path) == 0)
            return true;
    return false;
}

static enum assay_status visit(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct search *search = user;
    struct assay_grading_source *source = search->source;
    struct assay_canary_file file;
    const char *path = NULL;

    search->over = search->entries++ == ENTRIES_MAX || search->count == ASSAY_CANARY_FILES_MAX;
    if (search->over)
        return assay_fail(err, ASSAY_ENOTFOUND, "no more is looked at");
    if (!S_ISREG(entry->stat.st_mode) || entry->stat.st_size > FILE_BYTES_MAX)
        return ASSAY_OK;
    path = assay_arena_printf(source->g->arena, "%s%s", search->folder, entry->path);
    if (path == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (assay_data_names_mean(&search->names, path) && !is_known(search, path) &&
            source->canary.read(source->canary.user, path, &file) &&
            assay_is_data_file(path, file.content))
        search->found[search->count++] = path;
    return ASSAY_OK;
}

// What the tests of the test patch say.
static enum assay_status learn(struct search *search, struct assay_error *err)
{
    const struct assay_canary_source *source = &search->source->canary;
    enum assay_status status = assay_data_names_init(&search->names, search->source->g->arena, err);

    for (size_t i = 0; i < source->paths.count && status == ASSAY_OK; i++) {
        struct assay_canary_file file;

        if (source->read(source->user, source->paths.items[i], &file) &&
                !assay_is_data_file(file.path, file.content))
            assay_data_names_learn(
                    &search->names, (struct assay_text){file.content.data, file.content.len});
    }
    assay_data_names_sort(&search->names);
    return status;
}

// The base tree is the last of the layers.
static enum assay_status look_into(struct search *search, int tree_fd, struct assay_error *err)
{
    const int fd = assay_fs_open_beneath(tree_fd, search->folder, O_RDONLY | O_DIRECTORY, 0);
    enum assay_status status = ASSAY_OK;

    if (fd < 0)
        return ASSAY_OK;
    status = assay_fs_walk(fd, DEPTH_MAX, visit, search, err);
    close(fd);
    // ASSAY_EINVAL: folders in folders without end.
    return search->over || status == ASSAY_EINVAL ? ASSAY_OK : status;
}

enum assay_status assay_grading_find_data(
        struct assay_grading_source *source, struct assay_error *err)
{
    const struct assay_workspace *workspace = &source->g->workspace;
    struct search search = {.source = source};
    struct assay_strings folders = {NULL, 0};
    int tree_fd = -1;
    enum assay_status status = learn(&search, err);

    if (status != ASSAY_OK || search.names.count == 0)
        return status;
    search.found =
            assay_arena_array(source->g->arena, ASSAY_CANARY_FILES_MAX, sizeof(*search.found));
    if (search.found == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_data_folders(&folders, &source->canary.paths, source->g->arena, err);
    if (status != ASSAY_OK)
        return status;
    tree_fd = open(workspace->lowers[workspace->lower_count - 1],
            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (tree_fd < 0)
        return assay_fail_errno(err, errno, "open the base tree");
    for (size_t i = 0; i < folders.count && status == ASSAY_OK && !search.over; i++) {
        search.folder = folders.items[i];
        if (i == 0 || strcmp(folders.items[i - 1], folders.items[i]) != 0)
            status = look_into(&search, tree_fd, err);
    }
    close(tree_fd);
    source->canary.data = (struct assay_strings){search.found, search.count};
    return status;
}
