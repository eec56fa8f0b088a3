// SPDX-License-Identifier: MIT
// unpack.h - the bytes of a file, whether it is plain, gzip or zstd.
//
// What it is, its first bytes say, not its name. Memory is one window, whatever the file.
#ifndef ASSAY_TASKS_UNPACK_H
#define ASSAY_TASKS_UNPACK_H

#include <stddef.h>

#include "base/error.h"

struct assay_unpack; // opaque; owned by whoever called assay_unpack_open()

// `fd` is borrowed, and read from where it stands. ASSAY_ENOMEM, ASSAY_EIO.
ASSAY_MUST_USE enum assay_status assay_unpack_open(
        struct assay_unpack **out, int fd, struct assay_error *err);
// Fill `bytes`; *got is less only at the end. ASSAY_EINVAL: what is packed is broken or cut off.
ASSAY_MUST_USE enum assay_status assay_unpack_read(struct assay_unpack *unpack, void *bytes,
        size_t size, size_t *got, struct assay_error *err);
void assay_unpack_close(struct assay_unpack *unpack); // NULL is allowed

#endif
