// SPDX-License-Identifier: MIT
#include "orchestrator/suite_du.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"

#define DEPTH_MAX 4096
#define SLOTS_FIRST ((size_t)1 << 16)

// One inode: a content, whatever names it has.
struct content {
    ino_t inode; // 0: none
    uint64_t bytes;
    size_t suite; // that has it: the newest one that was counted
    bool shared;  // by several suites
};

struct counting {
    struct content *contents; // owned; open addressing
    size_t slots, count;
    size_t suite; // being counted, from 0
    struct assay_suite_usage *usage;
    uint64_t tree_bytes; // of the tree being walked
};

static bool grow(struct counting *c)
{
    const size_t slots = c->slots == 0 ? SLOTS_FIRST : c->slots * 2;
    struct content *contents = calloc(slots, sizeof(*contents));

    if (contents == NULL)
        return false;
    for (size_t i = 0; i < c->slots; i++) {
        size_t at = (size_t)assay_hash64(&c->contents[i].inode, sizeof(ino_t)) & (slots - 1);

        if (c->contents[i].inode == 0)
            continue;
        while (contents[at].inode != 0)
            at = (at + 1) & (slots - 1);
        contents[at] = c->contents[i];
    }
    free(c->contents);
    c->contents = contents;
    c->slots = slots;
    return true;
}

// All trees lie on one file system: the inode is enough.
static enum assay_status count_file(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct counting *c = user;
    const uint64_t bytes = (uint64_t)entry->stat.st_size;
    size_t at;

    if (!S_ISREG(entry->stat.st_mode))
        return ASSAY_OK;
    c->tree_bytes += bytes;
    if (c->count * 2 >= c->slots && !grow(c))
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    at = (size_t)assay_hash64(&entry->stat.st_ino, sizeof(ino_t)) & (c->slots - 1);
    while (c->contents[at].inode != 0 && c->contents[at].inode != entry->stat.st_ino)
        at = (at + 1) & (c->slots - 1);
    if (c->contents[at].inode == 0) {
        c->contents[at] = (struct content){entry->stat.st_ino, bytes, c->suite, false};
        c->count++;
        c->usage->disk_bytes += bytes;
    } else if (c->contents[at].suite != c->suite) {
        c->contents[at].suite = c->suite;
        c->contents[at].shared = true;
        c->usage->disk_bytes += bytes;
    }
    return ASSAY_OK;
}

static int by_tree(const void *left, const void *right)
{
    const struct assay_instance *const *a = left;
    const struct assay_instance *const *b = right;

    return strcmp((*a)->tree, (*b)->tree);
}

static enum assay_status walk_tree(struct counting *c, struct assay_context *context,
        const char *tree, struct assay_error *err)
{
    char path[PATH_MAX];
    enum assay_status status = assay_depot_tree(assay_context_depot(context), tree, path, err);
    int fd = -1;

    if (status != ASSAY_OK)
        return status;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", path);
    c->tree_bytes = 0;
    status = assay_fs_walk(fd, DEPTH_MAX, count_file, c, err);
    close(fd);
    return status;
}

static enum assay_status count_suite(struct counting *c, struct assay_context *context,
        const struct assay_suite *suite, struct assay_error *err)
{
    const struct assay_instance **sorted;
    enum assay_status status = ASSAY_OK;

    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    sorted = assay_arena_array(suite->arena, suite->instance_count + 1, sizeof(*sorted));
    if (sorted == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < suite->instance_count; i++)
        sorted[i] = &suite->instances[i];
    // NOLINTNEXTLINE(bugprone-sizeof-expression): as above
    qsort(sorted, suite->instance_count, sizeof(*sorted), by_tree);
    c->usage->instance_count = suite->instance_count;
    for (size_t i = 0; i < suite->instance_count && status == ASSAY_OK; i++) {
        if (i == 0 || strcmp(sorted[i]->tree, sorted[i - 1]->tree) != 0) {
            status = walk_tree(c, context, sorted[i]->tree, err);
            c->usage->tree_count++;
        }
        c->usage->unpacked_bytes += c->tree_bytes;
    }
    return status;
}

enum assay_status assay_suite_usages(struct assay_suite_usage **out, size_t *count,
        uint64_t *disk_bytes, struct assay_context *context, struct assay_arena *arena,
        struct assay_error *err)
{
    struct counting c = {.contents = NULL};
    struct assay_suite_row *rows = NULL;
    struct assay_suite_usage *usages = NULL;
    size_t row_count = 0;
    enum assay_status status =
            assay_store_list_suites(assay_context_store(context), arena, &rows, &row_count, err);

    if (status != ASSAY_OK)
        return status;
    usages = assay_arena_array(arena, row_count + 1, sizeof(*usages));
    if (usages == NULL || !grow(&c))
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < row_count && status == ASSAY_OK; i++) {
        struct assay_suite *suite = NULL;

        usages[i].suite = rows[i].name;
        c.suite = i;
        c.usage = &usages[i];
        status = assay_store_load_suite(assay_context_store(context), rows[i].name, &suite, err);
        if (status == ASSAY_OK)
            status = count_suite(&c, context, suite, err);
        assay_suite_free(suite);
    }
    *disk_bytes = 0;
    for (size_t i = 0; i < c.slots && status == ASSAY_OK; i++) {
        *disk_bytes += c.contents[i].bytes;
        if (c.contents[i].inode != 0 && !c.contents[i].shared)
            usages[c.contents[i].suite].own_bytes += c.contents[i].bytes;
    }
    free(c.contents);
    *out = usages;
    *count = row_count;
    return status;
}
