// SPDX-License-Identifier: MIT
#include "orchestrator/suite_export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "orchestrator/suite_harbor.h"
#include "orchestrator/suite_write.h"
#include "tasks/swebench_row.h"

#define ROW_BYTES_MAX ((size_t)512 << 20)

bool assay_export_format_from_name(enum assay_export_format *out, const char *name)
{
    static const char *const names[] = {[ASSAY_EXPORT_NATIVE] = "native",
            [ASSAY_EXPORT_SWEBENCH] = "swebench",
            [ASSAY_EXPORT_HARBOR] = "harbor"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum assay_export_format)i;
            return true;
        }
    }
    return false;
}

// --- rows ----------------------------------------------------------------------------------------

static enum assay_status write_rows(
        const struct assay_suite *suite, int fd, struct assay_error *err)
{
    struct assay_buf row;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&row, ROW_BYTES_MAX);
    for (size_t i = 0; i < suite->instance_count && status == ASSAY_OK; i++) {
        assay_buf_clear(&row);
        status = assay_swebench_row(&row, &suite->instances[i], err);
        if (status == ASSAY_OK)
            status = assay_fs_write_all(fd, row.data, row.len, err);
    }
    assay_buf_free(&row);
    return status;
}

// Beside its place, and there when it is whole.
static enum assay_status export_rows(
        const struct assay_suite *suite, const char *path, struct assay_error *err)
{
    char scratch[PATH_MAX];
    enum assay_status status;
    int fd;

    if ((size_t)snprintf(scratch, sizeof(scratch), "%s.XXXXXX", path) >= sizeof(scratch))
        return assay_fail(err, ASSAY_EINVAL, "%.100s: too long a path", path);
    fd = mkostemp(scratch, O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "write %.150s", path);
    status = write_rows(suite, fd, err);
    if (status == ASSAY_OK && fchmod(fd, 0644) != 0)
        status = assay_fail_errno(err, errno, "write %.150s", path);
    if (close(fd) != 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "write %.150s", path);
    if (status == ASSAY_OK && rename(scratch, path) != 0)
        status = assay_fail_errno(err, errno, "write %.150s", path);
    if (status != ASSAY_OK)
        (void)unlink(scratch);
    return status;
}

// --- folders -------------------------------------------------------------------------------------

static enum assay_status export_native(struct assay_context *context,
        const struct assay_suite *suite, const char *path, struct assay_error *err)
{
    const struct assay_edits none = {.count = 0};
    struct assay_suite_writer writer = {-1};
    enum assay_status status = assay_suite_writer_open(&writer, path, suite, err);

    for (size_t i = 0; i < suite->instance_count && status == ASSAY_OK; i++) {
        char tree[PATH_MAX];
        int fd = -1;

        status =
                assay_depot_tree(assay_context_depot(context), suite->instances[i].tree, tree, err);
        if (status != ASSAY_OK)
            break;
        fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        status = fd < 0 ? assay_fail_errno(err, errno, "open %.150s", tree)
                        : assay_suite_writer_add(&writer, &suite->instances[i], fd, &none, err);
        if (fd >= 0)
            close(fd);
    }
    assay_suite_writer_close(&writer);
    return status;
}

enum assay_status assay_suite_export(struct assay_context *context, const struct assay_suite *suite,
        enum assay_export_format format, const char *path, struct assay_error *err)
{
    switch (format) {
    case ASSAY_EXPORT_NATIVE:
        return export_native(context, suite, path, err);
    case ASSAY_EXPORT_SWEBENCH:
        return export_rows(suite, path, err);
    case ASSAY_EXPORT_HARBOR:
        return assay_suite_export_harbor(context, suite, path, err);
    }
    return assay_fail(err, ASSAY_EINVAL, "unknown format");
}
