// SPDX-License-Identifier: MIT
// counter_data.h - files of data that tests name: what is expected, and stands in no program.
//
// A test that compares with tests/golden/none.sql says "none", "none.sql" or "golden/none.sql", and
// nothing of what is expected. Pure: which files there are is handed in.
#ifndef ASSAY_REWARDS_COUNTER_DATA_H
#define ASSAY_REWARDS_COUNTER_DATA_H

#include "base/arena.h"
#include "rewards/reader.h"
#include "tasks/instance.h"

#define ASSAY_DATA_NAMES_MAX 8192

// Is this a file of data: no program, no settings of a build or a runner? `content` may be cut off.
bool assay_is_data_file(const char *path, struct assay_bytes content);

// Does `name`, as a test says it, mean this path? The path itself or its end, from a '/' on, with
// or without what stands behind a dot of the file's name; or a folder that the file is in.
bool assay_data_is_meant(struct assay_text name, const char *path);

// What may be names in the text of tests: words in quotes, words with a dot or a slash in them.
struct assay_data_names {
    struct assay_data_name *items; // ASSAY_DATA_NAMES_MAX, in the arena
    size_t count;
};
ASSAY_MUST_USE enum assay_status assay_data_names_init(
        struct assay_data_names *out, struct assay_arena *arena, struct assay_error *err);
// The text is borrowed; further names than there is room for are passed over.
void assay_data_names_learn(struct assay_data_names *names, struct assay_text text);
// Behind the last text, before the first question.
void assay_data_names_sort(struct assay_data_names *names);
bool assay_data_names_mean(const struct assay_data_names *names, const char *path);

// Folders in which files of data may lie beside tests at `paths`, with "/" at the end ("" is never
// one). A folder may be named twice, or lie in another. In the arena.
ASSAY_MUST_USE enum assay_status assay_data_folders(struct assay_strings *out,
        const struct assay_strings *paths, struct assay_arena *arena, struct assay_error *err);

#endif
