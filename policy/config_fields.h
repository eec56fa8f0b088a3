// SPDX-License-Identifier: MIT
// config_fields.h - the families of config.json and their plain fields: tables that reading
// (config_json.c) and writing (config_write.c) share. Internal.
#ifndef ASSAY_POLICY_CONFIG_FIELDS_H
#define ASSAY_POLICY_CONFIG_FIELDS_H

#include <math.h>
#include <stddef.h>

#include "policy/config.h"

#define ASSAY_CONFIG_BYTES_MAX ((size_t)4 << 20)

enum assay_field_type {
    ASSAY_FIELD_U32,
    ASSAY_FIELD_FLOAT,
    ASSAY_FIELD_DOUBLE,
    ASSAY_FIELD_BOOL,
    ASSAY_FIELD_ID,
};

struct assay_config_field {
    const char *key;
    enum assay_field_type type;
    size_t offset; // in struct assay_model_config
    double value;  // default; NAN: the field is required
};

#define AT(member) offsetof(struct assay_model_config, member)
#define REQUIRED ((double)NAN)

// How the rest of a config.json is read and written.
enum assay_config_kind {
    ASSAY_CONFIG_M1,
    ASSAY_CONFIG_HF_MINIMAX,
    ASSAY_CONFIG_QWEN3,
    ASSAY_CONFIG_QWEN3_MOE,
    ASSAY_CONFIG_MINIMIND,
    ASSAY_CONFIG_OURS,
};

struct assay_config_family {
    const char *model_type;
    enum assay_config_kind kind;
    const struct assay_config_field *fields;
    size_t field_count; // <= ASSAY_CONFIG_FIELDS_MAX
};
enum { ASSAY_CONFIG_FIELDS_MAX = 64 };

// NULL: there is none of that name. model_type may be NULL.
const struct assay_config_family *assay_config_family_find(const char *model_type);

// Names in "layer_types", and ours of "slopes"; the second table ends with NULL.
extern const char *const assay_config_layer_names[];
extern const char *const assay_config_slope_names[];

#endif
