// SPDX-License-Identifier: MIT
// patch_folder.h - a folder's files as new files of a patch. Internal to tasks/.
#ifndef ASSAY_TASKS_PATCH_FOLDER_H
#define ASSAY_TASKS_PATCH_FOLDER_H

#include "base/buf.h"
#include "base/error.h"

// Append all that lies below `path` of dir_fd, as files below `to` ("": of the tree itself), but
// for the one called `except` (NULL: none). `shown` is how messages name `path`. Links, devices and
// names that a diff cannot say as they are are ASSAY_EINVAL or ASSAY_EREFUSED.
ASSAY_MUST_USE enum assay_status assay_patch_add_folder(struct assay_buf *patch, int dir_fd,
        const char *path, const char *to, const char *except, const char *shown,
        struct assay_error *err);

#endif
