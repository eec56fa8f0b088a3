// SPDX-License-Identifier: MIT
// crun.h - crun as a peer of the box bench: `crun run` of /bin/true with a bundle as small as may
// be.
#ifndef ASSAY_BENCH_SANDBOX_CRUN_H
#define ASSAY_BENCH_SANDBOX_CRUN_H

#include <stdbool.h>
#include <stddef.h>

// Make the bundle in `folder` and try it. False: why not, in crun's own words, is in `reason`.
bool crun_prepare(const char *folder, char *reason, size_t size);
// One container, made, run to its end and gone. From one thread.
bool crun_run(void);

#endif
