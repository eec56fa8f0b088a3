// SPDX-License-Identifier: MIT
// yaml_json.h - a YAML document as JSON text. Internal to tasks/.
//
// Mappings, lists and scalars; anchors, aliases and tags are refused, and so is a second document.
// What stands without quotes and is null, true or false becomes that; everything else, numbers too,
// becomes a text, as it is written.
#ifndef ASSAY_TASKS_YAML_JSON_H
#define ASSAY_TASKS_YAML_JSON_H

#include "base/error.h"
#include "base/json.h"
#include "tasks/instance.h"

// Write the document as one value under `key` (NULL: none). With `members` it is a mapping, whose
// members are written into the object that is open. Errors: ASSAY_EINVAL ("source:line: why").
ASSAY_MUST_USE enum assay_status assay_yaml_write_json(struct assay_json_writer *w, const char *key,
        bool members, struct assay_bytes text, const char *source, struct assay_error *err);

#endif
