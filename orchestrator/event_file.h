// SPDX-License-Identifier: MIT
// event_file.h - numbers for TensorBoard: an event file of scalar summaries.
//
// Records as TFRecord has them (length, masked CRC-32C of it, content, masked CRC-32C), contents
// Event messages of protobuf (wall_time 1, step 2, file_version 3, summary 5), each written with
// one write().
#ifndef ASSAY_ORCHESTRATOR_EVENT_FILE_H
#define ASSAY_ORCHESTRATOR_EVENT_FILE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

// The name by which TensorBoard knows such a file.
#define ASSAY_EVENT_FILE_NAME "events.out.tfevents.0000000000.assay"

// What a file begins with.
void assay_event_begin(struct assay_buf *out, double wall_time);
// One value of `tag` at `step`.
void assay_event_scalar(
        struct assay_buf *out, double wall_time, int64_t step, const char *tag, float value);
// CRC-32C (Castagnoli) of bytes.
uint32_t assay_crc32c(const void *bytes, size_t size);

#endif
