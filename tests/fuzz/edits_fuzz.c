// SPDX-License-Identifier: MIT
// edits_fuzz.c - a model's answer to a repair task, edits of lines: a fine one is a patch that
// `git apply` would take, and that changes the file; any other has a reason.
//
// Input: the file, a NUL, the answer.
#include <stdlib.h>
#include <string.h>

#include "envs/apply.h"
#include "tasks/repair_prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static enum assay_status read_file(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    (void)arena;
    (void)err;
    must(strcmp(path, "a.py") == 0);
    *out = (struct assay_file){ASSAY_FILE_REGULAR, false, *(const struct assay_bytes *)user};
    return ASSAY_OK;
}

static void check_patch(
        const struct assay_answer *answer, struct assay_bytes file, struct assay_arena *arena)
{
    const struct assay_apply_options options = {.mode = ASSAY_APPLY_EXACT};
    struct assay_patch *patch = NULL;
    struct assay_edits *edits = NULL;

    must(assay_patch_parse(&patch, answer->patch.data, answer->patch.len, arena, NULL) == ASSAY_OK);
    must(patch->exact != NULL);
    must(assay_patch_apply(&edits, patch, read_file, &file, &options, arena, NULL) == ASSAY_OK);
    must(edits->count == 1);
    must(edits->items[0].content.len != file.len ||
            memcmp(edits->items[0].content.data, file.data, file.len) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    struct assay_arena *arena = NULL;
    struct assay_answer answer;
    struct assay_bytes file, text;

    if (nul == NULL || size > 1 << 14 ||
            assay_arena_create(&arena, (size_t)1 << 28, NULL) != ASSAY_OK)
        return 0;
    file = (struct assay_bytes){(const char *)data, (size_t)(nul - data)};
    text = (struct assay_bytes){(const char *)nul + 1, size - file.len - 1};
    must(assay_answer_read(&answer, "a.py", file, text, arena, NULL) == ASSAY_OK);
    must((answer.fault == ASSAY_ANSWER_FINE) == (answer.reason == NULL));
    if (answer.fault == ASSAY_ANSWER_FINE)
        check_patch(&answer, file, arena);
    assay_arena_destroy(arena);
    return 0;
}
