// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "envs/image.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/page.h"

#define ARENA_BYTES ((size_t)1 << 30)

const struct assay_option assay_image_import_options[] = {
        {"name", 0, "NAME", "what recipes call it: \"base\": \"image:NAME\"", false},
        {"ref", 0, "REF", "which image, if there are several: a tag, or repo:tag", false},
        {"max-bytes", 0, "N", "refuse more bytes of files than this, unpacked (64 GiB)", false},
        {"max-entries", 0, "N", "refuse more entries than this (4,000,000)", false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

static enum assay_status print_json(const struct assay_image *image, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_put_text(w, "id", image->id);
    assay_json_put_text(w, "name", image->name);
    assay_json_put_text(w, "workdir", image->workdir);
    assay_strings_write(w, "env", &image->env);
    assay_strings_write(w, "layers", &image->layers);
    assay_json_put_u64(w, "bytes", image->bytes);
    assay_json_put_u64(w, "new_bytes", image->new_bytes);
    assay_json_put_u64(w, "entry_count", image->entry_count);
    return assay_page_print(&page, err);
}

static void print_image(const struct assay_image *image)
{
    printf("image %.12s: %zu layers, %zu entries, %.1f MiB (%.1f MiB of it new)\n", image->id,
            image->layers.count, image->entry_count, (double)image->bytes / 1048576,
            (double)image->new_bytes / 1048576);
    printf("a recipe starts from it with \"base\": \"image:%s\"\n",
            image->name[0] == '\0' ? image->id : image->name);
    if (image->workdir[0] != '\0')
        printf("its working folder: %s\n", image->workdir);
    for (size_t i = 0; i < image->env.count; i++) {
        fputs(i == 0 ? "its variables, for the recipe's env: " : "  ", stdout);
        assay_cli_put(stdout, image->env.items[i]);
        fputc('\n', stdout);
    }
}

enum assay_exit assay_cmd_image_import(struct assay_invocation *in)
{
    struct assay_image_bounds bounds = {0};
    uint64_t entries_max = 0;
    struct assay_context *context = NULL;
    struct assay_arena *arena = NULL;
    struct assay_image image;
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&bounds.bytes_max, in, "max-bytes", 1, UINT64_C(1) << 50, &err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&entries_max, in, "max-entries", 1, UINT32_MAX, &err);
    bounds.entries_max = (size_t)entries_max;
    if (status == ASSAY_OK)
        status = assay_context_open(&context, in, false, &err);
    if (status == ASSAY_OK)
        status = assay_image_import(&image, assay_context_depot(context), in->arguments[0],
                assay_cli_value(in, "ref"), assay_cli_value(in, "name"), &bounds, arena, &err);
    if (status == ASSAY_OK && assay_cli_flag(in, "json"))
        status = print_json(&image, &err);
    else if (status == ASSAY_OK)
        print_image(&image);
    assay_context_close(context);
    assay_arena_destroy(arena);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}
