// SPDX-License-Identifier: MIT
#include "sandbox/layer.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"

const struct assay_place assay_places[ASSAY_PLACE_COUNT] = {
        {"/tmp", 01777}, {"/var/tmp", 01777}, {"/home/box", 0755}};

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

bool assay_naming_next(struct assay_naming *naming, const char **target,
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
        else if (assay_layers_count(assay_snapshot_layers(plan->from), place->path) == 0)
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

// It stays in its part.
static bool is_name(const char *name)
{
    return name[0] != '\0' && name[0] != '/' && strstr(name, "..") == NULL;
}

static enum assay_status check_from(const struct assay_box_plan *plan,
        const struct assay_layers *layers, struct assay_error *err)
{
    struct assay_naming naming = {.plan = plan};
    char name[ASSAY_LAYER_NAME_BYTES];
    const char *target = NULL;
    size_t found = 0;
    uint32_t part = 0;

    if (layers->part_count > ASSAY_PARTS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "from: %zu parts, at most %d", layers->part_count,
                ASSAY_PARTS_MAX);
    for (size_t i = 0; i < layers->count; i++)
        if (layers->items[i].part >= layers->part_count || !is_name(layers->items[i].name) ||
                strlen(layers->items[i].name) >= ASSAY_LAYER_NAME_BYTES)
            return assay_fail(err, ASSAY_EINVAL, "from: layer %zu is malformed", i);
    while (assay_naming_next(&naming, &target, name, &part)) {
        const size_t count = assay_layers_count(layers, target);

        if (count + plan->snapshot > ASSAY_SNAPSHOT_DEPTH_MAX)
            return assay_fail(err, ASSAY_EINVAL, "snapshot: more than %d layers for %.120s",
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
    if (plan->snapshot && layers->part_count + parts > ASSAY_PARTS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "snapshot: more than %d parts", ASSAY_PARTS_MAX);
    return check_from(plan, layers, err);
}
