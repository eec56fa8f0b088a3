// SPDX-License-Identifier: MIT
// dockerfile.h - what a Dockerfile says of an environment, as far as a recipe can say it too.
// Internal to tasks/.
//
// Read: FROM, WORKDIR, ENV, RUN, and COPY or ADD of files that lie beside it. Passed over: what
// only a container has (CMD, EXPOSE, LABEL, USER, ...). Anything else is refused with file and
// line: a task in another environment than its own would be another task.
#ifndef ASSAY_TASKS_DOCKERFILE_H
#define ASSAY_TASKS_DOCKERFILE_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

#define ASSAY_DOCKERFILE_COPIES_MAX 64

struct assay_dockerfile {
    const char *from;         // image
    const char *workdir;      // absolute; "/" when it says nothing
    struct assay_strings env; // "NAME=value"
    struct assay_strings run; // shell commands, each with the workdir it runs in: "cd DIR && ..."
    struct assay_copy {
        const char *from; // relative to the folder of the Dockerfile; "." is all of it
        const char *to;   // absolute
        bool into;        // `to` is a folder, whatever `from` is
        size_t line;
    } copies[ASSAY_DOCKERFILE_COPIES_MAX];
    size_t copy_count;
};

// Texts in the arena. ASSAY_EINVAL ("source:line: why"), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_dockerfile_read(struct assay_dockerfile *out,
        struct assay_bytes text, const char *source, struct assay_arena *arena,
        struct assay_error *err);

#endif
