// SPDX-License-Identifier: MIT
// yaml_json_fuzz.c - what is written of a YAML document is JSON; an error names the file.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/yaml_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct assay_json_limits limits = {.bytes_max = (size_t)64 << 20, .depth_max = 64};
    struct assay_json_writer w;
    struct assay_json *json = NULL;
    struct assay_error err = {0};
    struct assay_buf text;

    if (size > 65536)
        return 0;
    assay_buf_init(&text, (size_t)64 << 20);
    assay_json_writer_init(&w, &text, 0);
    if (assay_yaml_write_json(&w, NULL, false, (struct assay_bytes){(const char *)data, size},
                "f.yaml", &err) != ASSAY_OK) {
        if (strncmp(err.message, "f.yaml:", 7) != 0)
            abort();
    } else if (assay_json_parse(&json, text.data, text.len, limits, "f", 1, &err) != ASSAY_OK &&
            strstr(err.message, "duplicate key") == NULL && strstr(err.message, "UTF-8") == NULL) {
        abort(); // a key may stand twice in YAML; JSON's reader refuses that by itself
    }
    assay_json_free(json);
    assay_buf_free(&text);
    return 0;
}
