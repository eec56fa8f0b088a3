// SPDX-License-Identifier: MIT
// predictions_fuzz.c - every row is a prediction or says what is wrong with it, and where.
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/predictions.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct assay_prediction *prediction)
{
    switch (prediction->state) {
    case ASSAY_PREDICTION_PATCH:
        if (prediction->patch.len == 0 || strlen(prediction->patch.data) != prediction->patch.len)
            abort();
        break;
    case ASSAY_PREDICTION_EMPTY:
    case ASSAY_PREDICTION_TOO_BIG:
        if (prediction->patch.data != NULL)
            abort();
        break;
    case ASSAY_PREDICTION_BAD_ROW:
        if (prediction->error == NULL || strchr(prediction->error, ':') == NULL)
            abort();
        return;
    }
    if (prediction->error != NULL || !assay_instance_id_valid(prediction->instance_id))
        abort();
}

// What begins like gzip or zstd and is not has no rows, which is said.
static bool looks_packed(const uint8_t *data, size_t size)
{
    static const uint8_t gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};

    return (size >= sizeof(gzip) && memcmp(data, gzip, sizeof(gzip)) == 0) ||
            (size >= sizeof(zstd) && memcmp(data, zstd, sizeof(zstd)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_predictions *predictions = NULL;
    struct assay_error err = {0};
    char path[32];
    const int fd = memory_file(path, data, size);

    if (fd < 0)
        return 0;
    if (assay_predictions_read(&predictions, path, &err) == ASSAY_OK) {
        for (size_t i = 0; i < predictions->count; i++)
            check(&predictions->items[i]);
        assay_predictions_free(predictions);
    } else if (!looks_packed(data, size) || err.message[0] == 0) {
        abort(); // there is a file, so there are rows
    }
    close(fd);
    return 0;
}
