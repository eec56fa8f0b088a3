// SPDX-License-Identifier: MIT
#include "sandbox/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fs.h"
#include "sandbox/layer.h"

#define ARENA_BYTES_MAX ((size_t)8 << 20)

const struct assay_place assay_places[ASSAY_PLACE_COUNT] = {
        {"/tmp", 01777}, {"/var/tmp", 01777}, {"/home/box", 0755}};

// Shared by all snapshots that have it.
struct part {
    atomic_uint users;
    int lease_fd, dir_fd;
};

struct assay_snapshot {
    struct assay_layers layers; // in the arena
    struct part **parts;        // likewise; by the same index as layers.part_ids
    size_t depth;
    struct assay_arena *arena; // owned
};

const struct assay_layers *assay_snapshot_layers(const struct assay_snapshot *snapshot)
{
    return snapshot == NULL ? NULL : &snapshot->layers;
}

const struct assay_snapshot *assay_snapshot_of_layers(
        struct assay_arena *arena, const struct assay_layers *layers)
{
    struct assay_snapshot *snapshot = assay_arena_alloc(arena, sizeof(*snapshot));

    if (snapshot != NULL)
        snapshot->layers = *layers;
    return snapshot;
}

size_t assay_layers_count(const struct assay_layers *layers, const char *target)
{
    size_t count = 0;

    for (size_t i = 0; layers != NULL && i < layers->count; i++)
        count += strcmp(layers->items[i].target, target) == 0;
    return count;
}

bool assay_layer_has_part(const struct assay_mount *mount)
{
    return mount->kind == ASSAY_MOUNT_TMPFS && (mount->bytes_max > 0 || mount->inodes_max > 0);
}

// --- what a plan's writes are called -------------------------------------------------------------

// One target of a plan at a time.
struct naming {
    const struct assay_box_plan *plan;
    size_t next;
    uint32_t parts; // so far
};

// The next target that the plan writes to in its own tmpfs; false at the end.
static bool next_target(struct naming *naming, const char **target,
        char name[ASSAY_LAYER_NAME_BYTES], uint32_t *part)
{
    const struct assay_box_plan *plan = naming->plan;
    const bool has_lowers = plan->root_lower_count > 0;
    const size_t place_count = has_lowers ? 1 : ASSAY_PLACE_COUNT;

    *part = 0;
    if (naming->next < place_count) {
        const struct assay_place *place = &assay_places[naming->next];

        *target = has_lowers ? "/" : place->path;
        if (has_lowers)
            (void)snprintf(name, ASSAY_LAYER_NAME_BYTES, "u0");
        else if (plan->from == NULL)
            (void)snprintf(name, ASSAY_LAYER_NAME_BYTES, "root%s", place->path);
        else
            (void)snprintf(name, ASSAY_LAYER_NAME_BYTES, "p%zu", naming->next);
        naming->next++;
        return true;
    }
    for (; naming->next - place_count < plan->mount_count; naming->next++) {
        const size_t index = naming->next - place_count;
        const struct assay_mount *mount = &plan->mounts[index];

        if (mount->kind == ASSAY_MOUNT_BIND_RO || mount->upper != NULL)
            continue;
        if (assay_layer_has_part(mount))
            *part = ++naming->parts;
        *target = mount->target;
        (void)snprintf(name, ASSAY_LAYER_NAME_BYTES, "%c%zu",
                mount->kind == ASSAY_MOUNT_TMPFS ? 't' : 'u', index + 1);
        naming->next++;
        return true;
    }
    return false;
}

static enum assay_status check_from(const struct assay_box_plan *plan,
        const struct assay_layers *layers, struct assay_error *err)
{
    struct naming naming = {.plan = plan};
    char name[ASSAY_LAYER_NAME_BYTES];
    const char *target = NULL;
    size_t found = 0;
    uint32_t part = 0;

    if (layers->part_count == 0 || layers->part_count > ASSAY_PARTS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "from: %zu parts, not 1..%d", layers->part_count,
                ASSAY_PARTS_MAX);
    for (size_t i = 0; i < layers->count; i++)
        if (layers->items[i].part >= layers->part_count ||
                !assay_fs_path_is_plain(layers->items[i].name) ||
                strlen(layers->items[i].name) >= ASSAY_LAYER_NAME_BYTES)
            return assay_fail(err, ASSAY_EINVAL, "from: layer %zu is malformed", i);
    while (next_target(&naming, &target, name, &part)) {
        const size_t count = assay_layers_count(layers, target);

        if (count > ASSAY_SNAPSHOT_DEPTH_MAX)
            return assay_fail(err, ASSAY_EINVAL, "from: more than %d layers for %.120s",
                    ASSAY_SNAPSHOT_DEPTH_MAX, target);
        found += count;
    }
    if (found != layers->count)
        return assay_fail(err, ASSAY_EINVAL,
                "from: the plan does not write to every target of the snapshot, or to one twice");
    return ASSAY_OK;
}

enum assay_status assay_layers_check(const struct assay_box_plan *plan,
        const struct assay_layers *layers, struct assay_error *err)
{
    bool keeps_upper = plan->root_upper != NULL;
    size_t parts = 1;

    for (size_t i = 0; i < plan->mount_count; i++) {
        keeps_upper = keeps_upper || plan->mounts[i].upper != NULL;
        parts += assay_layer_has_part(&plan->mounts[i]);
    }
    if (layers == NULL && !plan->snapshot)
        return ASSAY_OK;
    if (keeps_upper)
        return assay_fail(err, ASSAY_EINVAL, "a snapshot and an upper exclude each other");
    if (plan->snapshot && parts > ASSAY_BOX_PARTS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "snapshot: %zu tmpfs mounts with a size, at most %d",
                parts - 1, ASSAY_BOX_PARTS_MAX - 1);
    if (layers == NULL)
        return ASSAY_OK;
    if (plan->snapshot &&
            (layers->part_count + parts > ASSAY_PARTS_MAX ||
                    (layers->count > 0 &&
                            assay_layers_count(layers, layers->items[0].target) >=
                                    ASSAY_SNAPSHOT_DEPTH_MAX)))
        return assay_fail(err, ASSAY_EINVAL, "snapshot: more than %d boxes in a row",
                ASSAY_SNAPSHOT_DEPTH_MAX);
    return check_from(plan, layers, err);
}

// --- life ----------------------------------------------------------------------------------------

static void part_release(struct part *part)
{
    if (part == NULL || atomic_fetch_sub(&part->users, 1) > 1)
        return;
    close(part->lease_fd);
    close(part->dir_fd);
    free(part);
}

static struct part *part_create(const struct assay_part_ticket *ticket)
{
    struct part *part = malloc(sizeof(*part));

    if (part == NULL) {
        close(ticket->lease_fd);
        close(ticket->dir_fd);
        return NULL;
    }
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
static bool fill_layers(
        struct assay_snapshot *snapshot, const struct assay_box_plan *plan, size_t new_part_count)
{
    const struct assay_layers *old = assay_snapshot_layers(plan->from);
    const size_t cap = ASSAY_PLACE_COUNT + plan->mount_count + (old == NULL ? 0 : old->count);
    struct assay_layer *items = assay_arena_array(snapshot->arena, cap, sizeof(*items));
    struct naming naming = {.plan = plan};
    char name[ASSAY_LAYER_NAME_BYTES];
    const char *target = NULL;
    uint32_t part = 0;

    if (items == NULL)
        return false;
    snapshot->layers.items = items;
    while (next_target(&naming, &target, name, &part))
        if (part >= new_part_count || !add_layer(snapshot, items, target, name, part))
            return false;
    for (size_t i = 0; old != NULL && i < old->count; i++)
        if (!add_layer(snapshot, items, old->items[i].target, old->items[i].name,
                    old->items[i].part + (uint32_t)new_part_count))
            return false;
    return true;
}

// Takes over the tickets, all of them, whatever it returns.
static bool fill_parts(struct assay_snapshot *snapshot, const struct assay_snapshot *from,
        const struct assay_part_ticket *tickets, size_t ticket_count)
{
    const size_t count = ticket_count + (from == NULL ? 0 : from->layers.part_count);
    uint64_t *ids = assay_arena_array(snapshot->arena, count, sizeof(*ids));
    bool filled = true;

    snapshot->parts = assay_arena_array(snapshot->arena, count, sizeof(struct part *));
    for (size_t i = 0; i < ticket_count; i++) {
        struct part *part = part_create(&tickets[i]);

        if (part == NULL || ids == NULL || snapshot->parts == NULL) {
            part_release(part);
            filled = false;
            continue;
        }
        ids[snapshot->layers.part_count] = tickets[i].id;
        snapshot->parts[snapshot->layers.part_count++] = part;
    }
    for (size_t i = 0; filled && from != NULL && i < from->layers.part_count; i++) {
        atomic_fetch_add(&from->parts[i]->users, 1);
        ids[snapshot->layers.part_count] = from->layers.part_ids[i];
        snapshot->parts[snapshot->layers.part_count++] = from->parts[i];
    }
    snapshot->layers.part_ids = ids;
    return filled;
}

enum assay_status assay_snapshot_create(struct assay_snapshot **out,
        const struct assay_box_plan *plan, const struct assay_part_ticket *tickets,
        size_t ticket_count, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_snapshot *snapshot = NULL;

    if (assay_arena_create(&arena, ARENA_BYTES_MAX, NULL) == ASSAY_OK)
        snapshot = assay_arena_alloc(arena, sizeof(*snapshot));
    if (snapshot == NULL) {
        for (size_t i = 0; i < ticket_count; i++) {
            close(tickets[i].lease_fd);
            close(tickets[i].dir_fd);
        }
        assay_arena_destroy(arena);
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a snapshot");
    }
    snapshot->arena = arena;
    snapshot->depth = 1 + (plan->from == NULL ? 0 : plan->from->depth);
    if (!fill_parts(snapshot, plan->from, tickets, ticket_count) ||
            !fill_layers(snapshot, plan, ticket_count)) {
        assay_snapshot_release(snapshot);
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a snapshot");
    }
    *out = snapshot;
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
    if (opened == 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "the snapshot has nothing of %.120s", target);
    *count = opened;
    return ASSAY_OK;
}
