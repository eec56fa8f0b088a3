// SPDX-License-Identifier: MIT
// What must hold: no bytes make the reader of stored evidence crash or read past their end, and
// what it takes comes back as it was through a frame.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_bytes(struct assay_bytes a, struct assay_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void compare(const struct assay_run_evidence *a, const struct assay_run_evidence *b)
{
    must(a->judged.box_cause == b->judged.box_cause && a->judged.exit_code == b->judged.exit_code);
    must(same_bytes(a->judged.log, b->judged.log));
    must(same_bytes(a->judged.report, b->judged.report));
    must(a->judged.file_count == b->judged.file_count);
    for (size_t i = 0; i < a->judged.file_count; i++) {
        must(same_text(a->judged.files[i].name, b->judged.files[i].name));
        must(same_bytes(a->judged.files[i].content, b->judged.files[i].content));
    }
    must((a->judged.canaries == NULL) == (b->judged.canaries == NULL));
    if (a->judged.canaries != NULL)
        must(a->judged.canaries->count == b->judged.canaries->count);
    must(same_text(a->trouble, b->trouble) && same_text(a->role, b->role));
    must(strcmp(a->run_hash, b->run_hash) == 0 && strcmp(a->run_key, b->run_key) == 0);
    must(a->command.count == b->command.count && a->env.count == b->env.count);
}

static void there_and_back(const struct assay_run_evidence *evidence, struct assay_arena *arena)
{
    struct assay_run_evidence back;
    struct assay_frame frame;
    struct assay_buf raw;

    must(assay_evidence_pack(&frame, evidence, arena, NULL) == ASSAY_OK);
    assay_buf_init(&raw, (size_t)64 << 20);
    must(assay_frame_unpack(&raw, (struct assay_bytes){frame.data, frame.len}, frame.raw_bytes,
                 "evidence", NULL) == ASSAY_OK);
    must(assay_evidence_read(&back, raw.data, raw.len, arena, NULL) == ASSAY_OK);
    compare(evidence, &back);
    assay_buf_free(&raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_run_evidence evidence;
    struct assay_arena *arena = NULL;

    if (assay_arena_create(&arena, (size_t)256 << 20, NULL) != ASSAY_OK)
        return 0;
    if (assay_evidence_read(&evidence, (const char *)data, size, arena, NULL) == ASSAY_OK)
        there_and_back(&evidence, arena);
    assay_arena_destroy(arena);
    return 0;
}
