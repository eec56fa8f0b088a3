// SPDX-License-Identifier: MIT
#include "tests/sandbox/snapshots.h"

#include <stdio.h>

char snapshots_base[PATH_MAX];
static const char *const base_lowers[] = {snapshots_base};

void snapshots_make_base(const char *name)
{
    char path[PATH_MAX], below[64];

    boxes_directory(snapshots_base, name);
    (void)snprintf(below, sizeof(below), "%s/dir", name);
    boxes_directory(path, below);
    (void)snprintf(below, sizeof(below), "%s/dir/deep", name);
    boxes_file(path, below, "base\n");
    (void)snprintf(below, sizeof(below), "%s/file", name);
    boxes_file(path, below, "base\n");
    (void)snprintf(below, sizeof(below), "%s/other", name);
    boxes_file(path, below, "base\n");
}

void snapshots_plan(struct boxes_plan *plan, const char *script, const struct assay_snapshot *from,
        bool snapshot)
{
    boxes_plan_init(plan, script);
    boxes_add_mount(plan, ASSAY_MOUNT_OVERLAY, "/testbed", base_lowers, 1);
    plan->plan.cwd = "/testbed";
    plan->plan.from = from;
    plan->plan.snapshot = snapshot;
}

struct assay_snapshot *snapshots_step(
        const struct assay_snapshot *from, const char *script, const char *text)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_snapshot *snapshot = NULL;

    snapshots_plan(&plan, script, from, true);
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, text);
    snapshot = result.snapshot;
    result.snapshot = NULL;
    assay_box_result_release(&result);
    assert_non_null(snapshot);
    return snapshot;
}

void snapshots_look(const struct assay_snapshot *from, const char *script, const char *text)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    snapshots_plan(&plan, script, from, false);
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, text);
    assert_null(result.snapshot);
    assay_box_result_release(&result);
}
