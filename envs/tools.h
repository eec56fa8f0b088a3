// SPDX-License-Identifier: MIT
// tools.h - what an actor can do in an episode: one table of names, arguments and functions.
#ifndef ASSAY_ENVS_TOOLS_H
#define ASSAY_ENVS_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

struct assay_episode;
struct assay_observation;

#define ASSAY_TOOL_PARAMETERS_MAX 8
#define ASSAY_TOOL_ARGUMENTS_BYTES_MAX ((size_t)16 << 20) // of one action's JSON

enum assay_tool_type { ASSAY_TOOL_TEXT, ASSAY_TOOL_NUMBER, ASSAY_TOOL_FLAG };

struct assay_tool_parameter {
    const char *name;
    enum assay_tool_type type;
    bool required;
    const char *doc;
    const char *const *choices; // of a text, NULL-terminated; NULL: any
};

// The value of the parameter at the same place in the tool's row.
struct assay_tool_value {
    const char *text; // borrowed from the arguments
    uint64_t number;
    bool given, flag;
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which tables read
struct assay_tool {
    const char *name;
    const char *doc;
    struct assay_tool_parameter parameters[ASSAY_TOOL_PARAMETERS_MAX]; // ends with a NULL name
    // A call that makes no sense, or fails, is an observation (assay_observation_refuse()); an
    // error is trouble of ours.
    enum assay_status (*run)(struct assay_episode *episode, const struct assay_tool_value *values,
            struct assay_observation *out, struct assay_error *err);
};

const struct assay_tool *assay_tool_table(size_t *count);
const struct assay_tool *assay_tool_find(const char *name); // NULL: none

// The JSON Schema of a tool's arguments.
void assay_tool_write_schema(
        struct assay_json_writer *w, const char *key, const struct assay_tool *tool);
// All tools as the "tools" of a chat-completions request have them.
void assay_tools_write(struct assay_json_writer *w, const char *key);

#endif
