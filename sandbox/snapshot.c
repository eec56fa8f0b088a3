// SPDX-License-Identifier: MIT
#include "sandbox/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fs.h"
#include "sandbox/layer.h"

#define ARENA_BYTES_MAX ((size_t)8 << 20)

// Shared by all snapshots that have it.
struct assay_part {
    atomic_uint users;
    int lease_fd, dir_fd;
};

// --- life ----------------------------------------------------------------------------------------

void assay_parts_drop(struct assay_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        close(parts->tickets[i].lease_fd);
        close(parts->tickets[i].dir_fd);
    }
    parts->count = 0;
}

static void part_release(struct assay_part *part)
{
    if (part == NULL || atomic_fetch_sub(&part->users, 1) > 1)
        return;
    close(part->lease_fd);
    close(part->dir_fd);
    free(part);
}

static struct assay_part *part_create(const struct assay_part_ticket *ticket)
{
    struct assay_part *part = malloc(sizeof(*part));

    if (part == NULL)
        return NULL;
    atomic_init(&part->users, 1);
    part->lease_fd = ticket->lease_fd;
    part->dir_fd = ticket->dir_fd;
    return part;
}

static bool add_layer(struct assay_snapshot *snapshot, struct assay_layer *items,
        const char *target, const char *name, uint32_t part)
{
    struct assay_layer *layer = &items[snapshot->layers.count++];

    layer->target = assay_arena_strdup(snapshot->arena, target);
    layer->name = assay_arena_strdup(snapshot->arena, name);
    layer->part = part;
    return layer->target != NULL && layer->name != NULL;
}

// The new box's layers, then those that it was started from.
static bool fill_layers(struct assay_snapshot *snapshot, const struct assay_box_plan *plan)
{
    const struct assay_layers *old = assay_snapshot_layers(plan->from);
    const size_t cap = ASSAY_PLACE_COUNT + plan->mount_count + (old == NULL ? 0 : old->count);
    struct assay_layer *items = assay_arena_array(snapshot->arena, cap, sizeof(*items));
    struct assay_naming naming = {.plan = plan};
    char name[ASSAY_LAYER_NAME_BYTES];
    const char *target = NULL;
    uint32_t part = 0;

    if (items == NULL)
        return false;
    snapshot->layers.items = items;
    while (assay_naming_next(&naming, &target, name, &part))
        if (!add_layer(snapshot, items, target, name, part))
            return false;
    snapshot->new_part_count = 1 + naming.parts;
    for (size_t i = 0; old != NULL && i < old->count; i++)
        if (!add_layer(snapshot, items, old->items[i].target, old->items[i].name,
                    old->items[i].part + (uint32_t)snapshot->new_part_count))
            return false;
    return true;
}

// Places for the new box's parts, then those that it was started from.
static bool fill_parts(struct assay_snapshot *snapshot, const struct assay_snapshot *from)
{
    const size_t first = snapshot->new_part_count;
    const size_t old_count = from == NULL ? 0 : from->layers.part_count;
    uint64_t *ids = assay_arena_array(snapshot->arena, first + old_count, sizeof(*ids));

    snapshot->parts =
            assay_arena_array(snapshot->arena, first + old_count, sizeof(struct assay_part *));
    if (ids == NULL || snapshot->parts == NULL)
        return false;
    for (size_t i = 0; i < old_count; i++) {
        atomic_fetch_add(&from->parts[i]->users, 1);
        ids[first + i] = from->layers.part_ids[i];
        snapshot->parts[first + i] = from->parts[i];
    }
    snapshot->layers.part_ids = ids;
    snapshot->layers.part_count = first + old_count;
    return true;
}

enum assay_status assay_snapshot_draft(
        struct assay_snapshot **out, const struct assay_box_plan *plan, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_snapshot *snapshot = NULL;

    if (assay_arena_create(&arena, ARENA_BYTES_MAX, NULL) == ASSAY_OK)
        snapshot = assay_arena_alloc(arena, sizeof(*snapshot));
    if (snapshot == NULL) {
        assay_arena_destroy(arena);
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a snapshot");
    }
    snapshot->arena = arena;
    snapshot->depth = 1 + (plan->from == NULL ? 0 : plan->from->depth);
    if (!fill_layers(snapshot, plan) || !fill_parts(snapshot, plan->from)) {
        assay_snapshot_release(snapshot);
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a snapshot");
    }
    *out = snapshot;
    return ASSAY_OK;
}

// The mode of a target's directory as the box found it.
static mode_t first_mode(const struct assay_snapshot *snapshot, const struct assay_layer *layer)
{
    const struct assay_layers *layers = &snapshot->layers;
    struct stat stat;

    for (const struct assay_layer *older = layer + 1; older < layers->items + layers->count;
            older++) {
        if (strcmp(older->target, layer->target) != 0)
            continue;
        return fstatat(snapshot->parts[older->part]->dir_fd, older->name, &stat,
                       AT_SYMLINK_NOFOLLOW) == 0
                ? stat.st_mode & 07777U
                : 0;
    }
    for (size_t i = 0; i < ASSAY_PLACE_COUNT; i++)
        if (strcmp(assay_places[i].path, layer->target) == 0)
            return assay_places[i].mode;
    return 0755;
}

// Did the box write there? If it cannot be told it did.
static bool is_written(const struct assay_snapshot *snapshot, const struct assay_layer *layer)
{
    const int fd = assay_fs_open_beneath(
            snapshot->parts[layer->part]->dir_fd, layer->name, O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    struct stat stat;
    bool written = true;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    written = fstat(fd, &stat) != 0 || (stat.st_mode & 07777U) != first_mode(snapshot, layer);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while (!written && (entry = readdir(dir)) != NULL)
        written = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return written;
}

// Layers that would show nothing are left out, and parts without a layer let go: a long row of
// boxes is as deep as what they wrote.
static void drop_empty(struct assay_snapshot *snapshot, struct assay_layer *items, uint64_t *ids)
{
    struct assay_layers *layers = &snapshot->layers;
    uint32_t renamed[ASSAY_PARTS_MAX] = {0};
    bool used[ASSAY_PARTS_MAX] = {false};
    size_t kept = 0;
    uint32_t part_count = 0;

    for (size_t i = 0; i < layers->count; i++)
        if (items[i].part >= snapshot->new_part_count || is_written(snapshot, &items[i])) {
            items[kept] = items[i];
            used[items[kept++].part] = true;
        }
    for (size_t i = 0; i < layers->part_count; i++) {
        renamed[i] = part_count;
        if (!used[i]) {
            part_release(snapshot->parts[i]);
            continue;
        }
        snapshot->parts[part_count] = snapshot->parts[i];
        ids[part_count++] = ids[i];
    }
    for (size_t i = 0; i < kept; i++)
        items[i].part = renamed[items[i].part];
    layers->count = kept;
    layers->part_count = part_count;
}

enum assay_status assay_snapshot_complete(
        struct assay_snapshot *draft, struct assay_parts *parts, struct assay_error *err)
{
    const struct assay_layers *layers = &draft->layers;
    uint64_t *ids = assay_arena_array(draft->arena, layers->part_count, sizeof(*ids));
    struct assay_layer *items = assay_arena_array(draft->arena, layers->count, sizeof(*items));

    if (parts->count != draft->new_part_count)
        return assay_fail(err, ASSAY_EIO, "the box left %zu parts of a snapshot, not %zu",
                parts->count, draft->new_part_count);
    if (ids == NULL || items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a snapshot");
    memcpy(ids, layers->part_ids, layers->part_count * sizeof(*ids));
    memcpy(items, layers->items, layers->count * sizeof(*items));
    for (; parts->count > 0; parts->count--) {
        const struct assay_part_ticket *ticket = &parts->tickets[parts->count - 1];

        draft->parts[parts->count - 1] = part_create(ticket);
        if (draft->parts[parts->count - 1] == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory for a snapshot");
        ids[parts->count - 1] = ticket->id;
    }
    drop_empty(draft, items, ids);
    draft->layers.items = items;
    draft->layers.part_ids = ids;
    return ASSAY_OK;
}

enum assay_status assay_snapshot_set_state(struct assay_snapshot *snapshot, const char *cwd,
        const char *const *env, struct assay_error *err)
{
    const char **copy = NULL;
    size_t count = 0;

    while (env[count] != NULL)
        count++;
    snapshot->cwd = assay_arena_strdup(snapshot->arena, cwd);
    copy = assay_arena_array(snapshot->arena, count + 1, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = assay_arena_strdup(snapshot->arena, env[i]);
        if (copy[i] == NULL)
            copy = NULL;
    }
    if (snapshot->cwd == NULL || copy == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a snapshot");
    snapshot->env = copy;
    return ASSAY_OK;
}

void assay_snapshot_release(struct assay_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (size_t i = 0; i < snapshot->layers.part_count; i++)
        part_release(snapshot->parts[i]);
    assay_arena_destroy(snapshot->arena);
}

// --- looking at one ------------------------------------------------------------------------------

size_t assay_snapshot_depth(const struct assay_snapshot *snapshot)
{
    return snapshot->depth;
}

uint64_t assay_snapshot_bytes(const struct assay_snapshot *snapshot)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < snapshot->layers.part_count; i++) {
        struct statvfs stat;

        if (fstatvfs(snapshot->parts[i]->dir_fd, &stat) == 0)
            bytes += (stat.f_blocks - stat.f_bfree) * stat.f_frsize;
    }
    return bytes;
}

enum assay_status assay_snapshot_open(const struct assay_snapshot *snapshot, const char *target,
        int fds[ASSAY_SNAPSHOT_DEPTH_MAX], size_t *count, struct assay_error *err)
{
    const struct assay_layers *layers = &snapshot->layers;
    size_t opened = 0;

    for (size_t i = 0; i < layers->count && opened < ASSAY_SNAPSHOT_DEPTH_MAX; i++) {
        const struct assay_layer *layer = &layers->items[i];

        if (strcmp(layer->target, target) != 0)
            continue;
        fds[opened] = assay_fs_open_beneath(
                snapshot->parts[layer->part]->dir_fd, layer->name, O_RDONLY | O_DIRECTORY, 0);
        if (fds[opened] < 0) {
            const int problem = errno;

            while (opened > 0)
                close(fds[--opened]);
            return assay_fail_errno(err, problem, "open a layer of %.120s", target);
        }
        opened++;
    }
    *count = opened;
    return ASSAY_OK;
}
