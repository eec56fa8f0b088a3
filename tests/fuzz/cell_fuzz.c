// SPDX-License-Identifier: MIT
// What must hold: no text makes the reader of a certification's stored runs crash; what it takes
// has a letter for each test, and is written and read back as it was. The first byte: how many
// tests.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/certify_parts.h"

#define TESTS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void there_and_back(
        const struct assay_cell *cell, size_t test_count, struct assay_arena *arena)
{
    struct assay_cell back = {0};
    struct assay_buf text;

    must(strlen(cell->vector) == test_count && cell->reason != NULL);
    assay_buf_init(&text, (size_t)64 << 20);
    assay_cell_write(&text, cell);
    must(!text.failed && assay_cell_read(&back, text.data, test_count, arena, NULL) == ASSAY_OK);
    must(strcmp(back.vector, cell->vector) == 0 && strcmp(back.reason, cell->reason) == 0);
    must(back.scored == cell->scored && back.resolved == cell->resolved);
    must(back.hint == cell->hint && back.wall_ms == cell->wall_ms);
    must(back.copy_count == cell->copy_count);
    for (size_t i = 0; i < cell->copy_count; i++) {
        must(strcmp(back.copies[i].of, cell->copies[i].of) == 0);
        must(strcmp(back.copies[i].says, cell->copies[i].says) == 0);
        must(back.copies[i].passed == cell->copies[i].passed);
    }
    assay_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t test_count = size > 0 ? data[0] % TESTS_MAX : 0;
    struct assay_cell cell = {0};
    struct assay_arena *arena = NULL;
    char *text = NULL;

    if (size == 0 || assay_arena_create(&arena, (size_t)64 << 20, NULL) != ASSAY_OK)
        return 0;
    text = strndup((const char *)data + 1, size - 1);
    if (text != NULL && assay_cell_read(&cell, text, test_count, arena, NULL) == ASSAY_OK)
        there_and_back(&cell, test_count, arena);
    free(text);
    assay_arena_destroy(arena);
    return 0;
}
