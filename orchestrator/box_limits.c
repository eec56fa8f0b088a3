// SPDX-License-Identifier: MIT
// box_limits.c - limits of a box as people write them.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/box_options.h"

enum unit { UNIT_TIME, UNIT_BYTES, UNIT_COUNT };

struct limit_name {
    const char *name;
    size_t offset;
    uint64_t most; // what "none" means; 0: there must be one
    enum unit unit;
    bool narrow; // a uint32_t
};

#define LIMIT(name, unit, field, narrow, most)                                                     \
    {                                                                                              \
        name, offsetof(struct assay_box_limits, field), most, unit, narrow                         \
    }

static const struct limit_name limit_names[] = {
        LIMIT("wall", UNIT_TIME, wall_ms_max, false, UINT32_MAX),
        LIMIT("cpu", UNIT_TIME, cpu_ms_max, false, UINT32_MAX),
        LIMIT("idle", UNIT_TIME, idle_ms_max, false, UINT32_MAX),
        LIMIT("memory", UNIT_BYTES, memory_bytes_max, false, 0),
        LIMIT("disk", UNIT_BYTES, disk_bytes_max, false, 0),
        LIMIT("inodes", UNIT_COUNT, inodes_max, false, 0),
        LIMIT("output", UNIT_BYTES, output_bytes_max, false, INT64_MAX),
        LIMIT("processes", UNIT_COUNT, process_count_max, true, 0),
        LIMIT("files", UNIT_COUNT, open_file_count_max, true, 0),
};

#define NAME_COUNT (sizeof(limit_names) / sizeof(limit_names[0]))

static const struct {
    enum unit unit;
    const char *suffix;
    double factor;
} suffixes[] = {{UNIT_TIME, "ms", 1}, {UNIT_TIME, "s", 1000}, {UNIT_TIME, "", 1000},
        {UNIT_TIME, "m", 60e3}, {UNIT_TIME, "h", 3600e3}, {UNIT_BYTES, "", 1},
        {UNIT_BYTES, "K", 1024}, {UNIT_BYTES, "M", 1048576}, {UNIT_BYTES, "G", 1073741824},
        {UNIT_BYTES, "T", 1099511627776}, {UNIT_COUNT, "", 1}};

static enum assay_status unknown_name(const char *text, struct assay_error *err)
{
    char names[160] = "";
    size_t len = 0;

    for (size_t i = 0; i < NAME_COUNT && len < sizeof(names); i++)
        len += (size_t)snprintf(
                names + len, sizeof(names) - len, "%s%s", i > 0 ? " " : "", limit_names[i].name);
    return assay_fail(err, ASSAY_EUSAGE, "--limit: '%.40s' is not NAME=VALUE with a NAME of: %s",
            text, names);
}

// False when `text` is no number of this unit.
static bool read_value(uint64_t *out, const char *text, enum unit unit)
{
    char *end = NULL;
    double value = 0;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    value = strtod(text, &end);
    if (errno != 0)
        return false;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (suffixes[i].unit != unit || strcmp(suffixes[i].suffix, end) != 0)
            continue;
        value *= suffixes[i].factor;
        if (value < 1 || value > 9e15)
            return false;
        *out = (uint64_t)value;
        return true;
    }
    return false;
}

enum assay_status assay_box_limit_set(
        struct assay_box_limits *limits, const char *text, struct assay_error *err)
{
    static const char *const hints[] = {
            "a time as 500ms, 10s, 5m, 1h", "a size as 512K, 64M, 2G", "a whole number"};
    const char *value = strchr(text, '=');
    const struct limit_name *row = NULL;
    uint64_t number = 0;

    for (size_t i = 0; value != NULL && i < NAME_COUNT; i++)
        if (strlen(limit_names[i].name) == (size_t)(value - text) &&
                strncmp(limit_names[i].name, text, (size_t)(value - text)) == 0)
            row = &limit_names[i];
    if (row == NULL)
        return unknown_name(text, err);
    value++;
    if (row->most > 0 && strcmp(value, "none") == 0)
        number = row->offset == offsetof(struct assay_box_limits, idle_ms_max) ? 0 : row->most;
    else if (!read_value(&number, value, row->unit) || (row->narrow && number > INT32_MAX))
        return assay_fail(err, ASSAY_EUSAGE, "--limit %s: '%.40s' is not %s%s", row->name, value,
                hints[row->unit], row->most > 0 ? ", or none" : "");
    if (row->narrow) {
        const uint32_t narrow = (uint32_t)number;

        memcpy((char *)limits + row->offset, &narrow, sizeof(narrow));
    } else {
        memcpy((char *)limits + row->offset, &number, sizeof(number));
    }
    return ASSAY_OK;
}
