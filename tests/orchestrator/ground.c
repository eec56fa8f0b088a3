// SPDX-License-Identifier: MIT
#include "tests/orchestrator/ground.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/harness.h"

static enum assay_status open_context(
        struct ground *ground, bool with_sandbox, struct assay_error *err)
{
    static const struct assay_option home = {"home", 0, "DIR", "", false};
    char home_path[64];
    const struct assay_given given = {&home, home_path};
    const struct assay_invocation invocation = {.given = &given,
            .given_count = 1,
            .log = {.fd = STDERR_FILENO, .level_max = ASSAY_LOG_ERROR},
            .interrupted = &ground->cancel};
    enum assay_status status;

    *ground = (struct ground){.folder = "/tmp/assay-ground-XXXXXX"};
    if (mkdtemp(ground->folder) == NULL)
        return assay_fail(err, ASSAY_EIO, "%s", ground->folder);
    (void)snprintf(home_path, sizeof(home_path), "%s/home", ground->folder);
    status = assay_arena_create(&ground->arena, (size_t)1 << 30, err);
    if (status == ASSAY_OK)
        status = assay_context_open(&ground->context, &invocation, with_sandbox, err);
    return status;
}

enum assay_status ground_open_bare(struct ground *ground, struct assay_error *err)
{
    return open_context(ground, false, err);
}

enum assay_status ground_open(struct ground *ground, struct assay_error *err)
{
    const char *build = getenv("ASSAY_BUILD_DIR"); // NOLINT(concurrency-mt-unsafe): one thread yet
    char program[4096];

    (void)snprintf(program, sizeof(program), "%s/assay-box", build ? build : ".");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    if (setenv("ASSAY_BOX_PROGRAM", program, 0) != 0)
        return assay_fail(err, ASSAY_EIO, "no environment");
    if (access("/usr/bin/python3", X_OK) != 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no python3");
    return open_context(ground, true, err);
}

void ground_close(struct ground *ground)
{
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assay_context_close(ground->context);
    assay_arena_destroy(ground->arena);
    assert_int_equal(
            assay_fs_remove_tree(tmp_fd, strrchr(ground->folder, '/') + 1, NULL), ASSAY_OK);
    close(tmp_fd);
}
