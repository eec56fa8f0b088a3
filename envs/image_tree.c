// SPDX-License-Identifier: MIT
// image_tree.c - layers on top of each other, in memory. Node 0 is the root.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/image_parts.h"

#define LINKS_MAX 64 // on the way to one entry
#define DEPTH_MAX 512
#define SLOTS_FIRST ((size_t)4096)

enum assay_status assay_image_tree_begin(struct assay_image_tree *tree,
        const struct assay_image_bounds *bounds, struct assay_arena *arena, struct assay_error *err)
{
    *tree = (struct assay_image_tree){.arena = arena, .bounds = *bounds};
    tree->slots = calloc(SLOTS_FIRST, sizeof(*tree->slots));
    tree->nodes = calloc(1024, sizeof(*tree->nodes));
    if (tree->slots == NULL || tree->nodes == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "image");
    tree->slot_count = SLOTS_FIRST;
    tree->cap = 1024;
    tree->count = 1;
    tree->nodes[0] = (struct assay_image_node){
            .name = "", .kind = 'd', .mode = 0755, .time = ASSAY_DEPOT_TIME_S};
    return ASSAY_OK;
}

void assay_image_tree_end(struct assay_image_tree *tree)
{
    free(tree->slots);
    free(tree->nodes);
    *tree = (struct assay_image_tree){.count = 0};
}

// --- looking up ----------------------------------------------------------------------------------

static size_t slot_of(const struct assay_image_tree *tree, size_t parent, const char *name)
{
    const uint64_t parts[2] = {parent, assay_hash64(name, strlen(name))};

    return (size_t)assay_hash64(parts, sizeof(parts)) & (tree->slot_count - 1);
}

// A name's newest node stands for it, dead or not.
size_t assay_image_tree_look(const struct assay_image_tree *tree, size_t parent, const char *name)
{
    for (size_t i = slot_of(tree, parent, name); tree->slots[i] != 0;
            i = (i + 1) & (tree->slot_count - 1)) {
        const struct assay_image_node *node = &tree->nodes[tree->slots[i]];

        if (node->parent == parent && strcmp(node->name, name) == 0)
            return node->dead ? 0 : tree->slots[i];
    }
    return 0;
}

static void enter(struct assay_image_tree *tree, size_t index)
{
    const struct assay_image_node *node = &tree->nodes[index];
    size_t i = slot_of(tree, node->parent, node->name);

    while (tree->slots[i] != 0) {
        const struct assay_image_node *other = &tree->nodes[tree->slots[i]];

        if (other->parent == node->parent && strcmp(other->name, node->name) == 0)
            break;
        i = (i + 1) & (tree->slot_count - 1);
    }
    tree->slots[i] = index;
}

static bool grow(struct assay_image_tree *tree)
{
    if (tree->count == tree->cap) {
        struct assay_image_node *nodes = reallocarray(tree->nodes, tree->cap * 2, sizeof(*nodes));

        if (nodes == NULL)
            return false;
        tree->nodes = nodes;
        tree->cap *= 2;
    }
    if (tree->count * 2 >= tree->slot_count) {
        size_t *slots = calloc(tree->slot_count * 2, sizeof(*slots));

        if (slots == NULL)
            return false;
        free(tree->slots);
        tree->slots = slots;
        tree->slot_count *= 2;
        for (size_t i = 1; i < tree->count; i++)
            enter(tree, i);
    }
    return true;
}

static enum assay_status add(struct assay_image_tree *tree, size_t parent, const char *name,
        const struct assay_image_node *node, size_t *out, struct assay_error *err)
{
    const char *copy;
    size_t index;

    if (tree->count >= tree->bounds.entries_max)
        return assay_fail(err, ASSAY_EINVAL, "more than %zu entries", tree->bounds.entries_max);
    copy = assay_arena_strdup(tree->arena, name);
    if (copy == NULL || !grow(tree))
        return assay_fail(err, ASSAY_ENOMEM, "image");
    index = tree->count++;
    tree->nodes[index] = *node;
    tree->nodes[index].name = copy;
    tree->nodes[index].parent = parent;
    tree->nodes[index].child = 0;
    tree->nodes[index].next = tree->nodes[parent].child;
    tree->nodes[parent].child = index;
    enter(tree, index);
    *out = index;
    return ASSAY_OK;
}

// --- paths ---------------------------------------------------------------------------------------

struct walk {
    struct assay_image_tree *tree;
    size_t layer, at;
    unsigned links;
    char rest[2 * PATH_MAX]; // what is still to be walked
};

static enum assay_status follow(struct walk *walk, const char *target, const char *rest,
        size_t parent, struct assay_error *err)
{
    char joined[2 * PATH_MAX];

    if (++walk->links > LINKS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "links without end");
    if ((size_t)snprintf(joined, sizeof(joined), "%s/%s", target, rest) >= PATH_MAX)
        return assay_fail(err, ASSAY_EINVAL, "too long a path");
    memcpy(walk->rest, joined, strlen(joined) + 1);
    walk->at = target[0] == '/' ? 0 : parent;
    return ASSAY_OK;
}

// One folder further. A link on the way leads to where it would inside the root; what is missing
// there is made, as container tools do; a file in the way gives way.
static enum assay_status step(
        struct walk *walk, const char *part, const char *rest, struct assay_error *err)
{
    const struct assay_image_node dir = {
            .kind = 'd', .mode = 0755, .layer = walk->layer, .time = ASSAY_DEPOT_TIME_S};
    struct assay_image_tree *tree = walk->tree;
    size_t found;

    if (strcmp(part, ".") == 0)
        return ASSAY_OK;
    if (strcmp(part, "..") == 0) { // only links have it: entries were looked at
        walk->at = tree->nodes[walk->at].parent;
        return ASSAY_OK;
    }
    found = assay_image_tree_look(tree, walk->at, part);
    if (walk->layer == 0 && (found == 0 || tree->nodes[found].kind == 'f')) {
        walk->at = ASSAY_IMAGE_NOWHERE;
        return ASSAY_OK;
    }
    if (found != 0 && tree->nodes[found].kind == 'l')
        return follow(walk, tree->nodes[found].target, rest, walk->at, err);
    if (found != 0 && tree->nodes[found].kind == 'f')
        tree->nodes[found].dead = true;
    if (found == 0 || tree->nodes[found].dead) {
        const enum assay_status status = add(tree, walk->at, part, &dir, &found, err);

        if (status != ASSAY_OK)
            return status;
    }
    walk->at = found;
    return ASSAY_OK;
}

// "./a//b/" without empty and "." parts; false: "..", too long or too deep.
static bool clean(char out[PATH_MAX], const char *path)
{
    size_t len = 0;
    unsigned depth = 0;

    while (*path != '\0') {
        const size_t part = strcspn(path, "/");

        if (part == 2 && path[0] == '.' && path[1] == '.')
            return false;
        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (len + part + 2 > PATH_MAX || part > NAME_MAX || ++depth > DEPTH_MAX)
                return false;
            if (len > 0)
                out[len++] = '/';
            memcpy(out + len, path, part);
            len += part;
        }
        path += part;
        path += *path == '/';
    }
    out[len] = '\0';
    return true;
}

enum assay_status assay_image_tree_place(struct assay_image_tree *tree, const char *path,
        size_t layer, size_t *parent, const char **name, struct assay_error *err)
{
    struct walk walk = {.tree = tree, .layer = layer};
    char cleaned[PATH_MAX], part[NAME_MAX + 1];
    char *slash;

    if (!clean(cleaned, path))
        return assay_fail(err, ASSAY_EINVAL, "a path that leads out: '%.120s'", path);
    slash = strrchr(cleaned, '/');
    *name = assay_arena_strdup(tree->arena, slash == NULL ? cleaned : slash + 1);
    if (*name == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "image");
    if (slash == NULL) {
        *parent = 0;
        return ASSAY_OK;
    }
    *slash = '\0';
    memcpy(walk.rest, cleaned, strlen(cleaned) + 1);
    while (walk.rest[0] != '\0' && walk.at != ASSAY_IMAGE_NOWHERE) {
        char rest[2 * PATH_MAX];
        const size_t len = strcspn(walk.rest, "/");
        enum assay_status status = ASSAY_OK;

        if (len > NAME_MAX)
            return assay_fail(err, ASSAY_EINVAL, "too long a name");
        memcpy(part, walk.rest, len);
        part[len] = '\0';
        memcpy(rest, walk.rest, sizeof(rest));
        memmove(rest, rest + len + (rest[len] == '/'), strlen(rest + len + (rest[len] == '/')) + 1);
        memcpy(walk.rest, rest, sizeof(rest));
        if (len > 0)
            status = step(&walk, part, rest, err);
        if (status != ASSAY_OK)
            return status;
    }
    *parent = walk.at;
    return ASSAY_OK;
}

// --- putting and taking --------------------------------------------------------------------------

enum assay_status assay_image_tree_put(struct assay_image_tree *tree, size_t parent,
        const char *name, const struct assay_image_node *node, struct assay_error *err)
{
    size_t found = name[0] == '\0' ? 0 : assay_image_tree_look(tree, parent, name);
    const bool root = name[0] == '\0';

    if (root && node->kind != 'd')
        return assay_fail(err, ASSAY_EINVAL, "the root is no folder");
    if (root || (found != 0 && tree->nodes[found].kind == 'd' && node->kind == 'd')) {
        struct assay_image_node *dir = &tree->nodes[root ? 0 : found];

        dir->mode = node->mode;
        dir->time = node->time;
        dir->attributes = node->attributes;
        dir->layer = node->layer;
        return ASSAY_OK;
    }
    if (found != 0)
        tree->nodes[found].dead = true; // with all below it: nobody gets there any more
    return add(tree, parent, name, node, &found, err);
}

// What lower layers have below `dir`; folders with something newer in them stay. True: nothing is
// left in it.
static bool clear(struct assay_image_tree *tree, size_t dir, size_t layer, unsigned depth)
{
    bool empty = true;

    for (size_t i = tree->nodes[dir].child; i != 0; i = tree->nodes[i].next) {
        struct assay_image_node *node = &tree->nodes[i];

        bool gone = node->dead;

        if (!gone) {
            const bool has_newer =
                    node->kind == 'd' && depth < DEPTH_MAX * 2 && !clear(tree, i, layer, depth + 1);

            gone = node->layer < layer && !has_newer;
        }
        node->dead = gone;
        empty = empty && gone;
    }
    return empty;
}

void assay_image_tree_clear(struct assay_image_tree *tree, size_t dir, size_t layer)
{
    (void)clear(tree, dir, layer, 0);
}

void assay_image_tree_take(
        struct assay_image_tree *tree, size_t parent, const char *name, size_t layer)
{
    const size_t found = assay_image_tree_look(tree, parent, name);
    bool empty = true;

    if (found == 0)
        return;
    if (tree->nodes[found].kind == 'd')
        empty = clear(tree, found, layer, 0);
    if (empty && tree->nodes[found].layer < layer)
        tree->nodes[found].dead = true;
}
