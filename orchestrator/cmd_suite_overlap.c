// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/page.h"
#include "tasks/overlap.h"

#define ARENA_BYTES ((size_t)4 << 30)

const struct assay_option assay_suite_overlap_options[] = {
        {"similar", 0, "PERCENT", "lines of two gold patches in common that are too many (80)",
                false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

struct comparison {
    struct assay_suite *left, *right; // owned; the same one for a suite with itself
    struct assay_overlap *overlaps;
    size_t count;
};

static enum assay_status print_json(const struct comparison *c, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_put_text(w, "left", c->left->name);
    assay_json_put_text(w, "right", c->right->name);
    assay_json_begin_array(w, "overlaps");
    for (size_t i = 0; i < c->count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "left", c->overlaps[i].left->instance_id);
        assay_json_put_text(w, "right", c->overlaps[i].right->instance_id);
        assay_json_put_bool(w, "same_tree", c->overlaps[i].same_tree);
        assay_json_put_double(w, "similarity", c->overlaps[i].similarity);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static void print_table(const struct comparison *c)
{
    for (size_t i = 0; i < c->count; i++)
        printf("%s  %s  %s%.0f %% of the patch\n", c->overlaps[i].left->instance_id,
                c->overlaps[i].right->instance_id,
                c->overlaps[i].same_tree ? "the same base tree, " : "",
                100 * c->overlaps[i].similarity);
    printf("%zu overlaps of %s (%zu) and %s (%zu)\n", c->count, c->left->name,
            c->left->instance_count, c->right->name, c->right->instance_count);
}

static enum assay_status compare(struct comparison *c, struct assay_context *context,
        const struct assay_invocation *in, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(context);
    const bool alone = in->argument_count == 1;
    uint64_t percent = 80;
    enum assay_status status = assay_cli_number(&percent, in, "similar", 1, 100, err);

    if (status == ASSAY_OK)
        status = assay_store_load_suite(store, in->arguments[0], &c->left, err);
    if (status == ASSAY_OK && !alone)
        status = assay_store_load_suite(store, in->arguments[1], &c->right, err);
    if (status != ASSAY_OK)
        return status;
    if (alone)
        c->right = c->left;
    status = assay_overlaps(
            &c->overlaps, &c->count, c->left, c->right, (double)percent / 100, arena, err);
    if (status == ASSAY_OK && assay_cli_flag(in, "json"))
        return print_json(c, err);
    if (status == ASSAY_OK)
        print_table(c);
    return status;
}

enum assay_exit assay_cmd_suite_overlap(struct assay_invocation *invocation)
{
    struct comparison c = {.left = NULL};
    struct assay_context *context = NULL;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_context_open(&context, invocation, false, &err);
    if (status == ASSAY_OK)
        status = compare(&c, context, invocation, arena, &err);
    assay_context_close(context);
    if (c.right != c.left)
        assay_suite_free(c.right);
    assay_suite_free(c.left);
    assay_arena_destroy(arena);
    if (status != ASSAY_OK)
        return assay_cli_fail(&err);
    return c.count == 0 ? ASSAY_EXIT_OK : ASSAY_EXIT_FAILED;
}
