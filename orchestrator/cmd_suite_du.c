// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/page.h"
#include "orchestrator/suite_du.h"

#define ARENA_BYTES ((size_t)1 << 30)
#define MIB 1048576.0

static enum assay_status print_json(const struct assay_suite_usage *usages, size_t count,
        uint64_t disk_bytes, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_put_u64(w, "disk_bytes", disk_bytes);
    assay_json_begin_array(w, "suites");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "suite", usages[i].suite);
        assay_json_put_u64(w, "instance_count", usages[i].instance_count);
        assay_json_put_u64(w, "tree_count", usages[i].tree_count);
        assay_json_put_u64(w, "unpacked_bytes", usages[i].unpacked_bytes);
        assay_json_put_u64(w, "disk_bytes", usages[i].disk_bytes);
        assay_json_put_u64(w, "own_bytes", usages[i].own_bytes);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static void print_table(const struct assay_suite_usage *usages, size_t count, uint64_t disk_bytes)
{
    printf("%-24s %9s %7s %13s %12s %12s\n", "suite", "instances", "trees", "as copies MiB",
            "on disk MiB", "its own MiB");
    for (size_t i = 0; i < count; i++)
        printf("%-24s %9zu %7zu %13.1f %12.1f %12.1f\n", usages[i].suite, usages[i].instance_count,
                usages[i].tree_count, (double)usages[i].unpacked_bytes / MIB,
                (double)usages[i].disk_bytes / MIB, (double)usages[i].own_bytes / MIB);
    printf("%.1f MiB of file contents in all\n", (double)disk_bytes / MIB);
}

enum assay_exit assay_cmd_suite_du(struct assay_invocation *invocation)
{
    struct assay_suite_usage *usages = NULL;
    struct assay_context *context = NULL;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    uint64_t disk_bytes = 0;
    size_t count = 0;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_context_open(&context, invocation, false, &err);
    if (status == ASSAY_OK)
        status = assay_suite_usages(&usages, &count, &disk_bytes, context, arena, &err);
    if (status == ASSAY_OK && assay_cli_flag(invocation, "json"))
        status = print_json(usages, count, disk_bytes, &err);
    else if (status == ASSAY_OK)
        print_table(usages, count, disk_bytes);
    assay_context_close(context);
    assay_arena_destroy(arena);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}
