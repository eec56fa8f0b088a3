// SPDX-License-Identifier: MIT
#include "envs/box_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/harness.h"

bool box_fixture_start(struct assay_sandbox **out)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    const char *build = getenv("ASSAY_BUILD_DIR");
    char program[512], note[512];
    const struct assay_sandbox_options options = {.box_program = program, .tier_min = ASSAY_TIER_C};
    struct assay_error err;

    snprintf(program, sizeof(program), "%s/assay-box", build == NULL ? "build/dev" : build);
    if (assay_sandbox_start(out, &options, &err) == ASSAY_OK)
        return true;
    snprintf(note, sizeof(note), "no sandbox: %s", err.message);
    ASSAY_SKIP_NOTE(note);
    return false;
}

int box_fixture_setup(void **state)
{
    struct fixture *f = NULL;
    uid_t uid = 0;
    gid_t gid = 0;

    if (fixture_setup(state) != 0)
        return -1;
    f = *state;
    assay_depot_close(f->depot);
    f->depot = NULL;
    assay_sandbox_store_ids(&uid, &gid);
    return assay_depot_open(&f->depot, f->home, uid, gid, &f->err) == ASSAY_OK ? 0 : -1;
}
