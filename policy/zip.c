// SPDX-License-Identifier: MIT
#include "policy/zip.h"

#include <string.h>

#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define CENTRAL_BYTES 46
#define LOCAL_BYTES 30
#define COMMENT_BYTES_MAX 65535

struct directory {
    uint64_t offset, bytes, count;
};

static bool inside(const struct assay_mapping *m, uint64_t offset, uint64_t bytes)
{
    return offset <= m->bytes && bytes <= m->bytes - offset;
}

static bool has_magic(const struct assay_mapping *m, uint64_t offset, const char magic[4])
{
    return memcmp(m->data + offset, magic, 4) == 0;
}

// The end record is the last thing but a comment; where a field is all ones, zip64's holds it.
static bool find_directory(struct directory *out, const struct assay_mapping *m)
{
    uint64_t end, locator, end64;

    if (m->bytes < END_BYTES)
        return false;
    end = m->bytes - END_BYTES;
    while (!has_magic(m, end, "PK\5\6")) {
        if (end == 0 || m->bytes - end > END_BYTES + COMMENT_BYTES_MAX)
            return false;
        end--;
    }
    out->count = assay_load_le(m->data + end + 10, 2);
    out->bytes = assay_load_le(m->data + end + 12, 4);
    out->offset = assay_load_le(m->data + end + 16, 4);
    if (end < LOCATOR_BYTES || !has_magic(m, end - LOCATOR_BYTES, "PK\6\7"))
        return inside(m, out->offset, out->bytes);
    locator = end - LOCATOR_BYTES;
    end64 = assay_load_le(m->data + locator + 8, 8);
    if (!inside(m, end64, END64_BYTES) || !has_magic(m, end64, "PK\6\6"))
        return false;
    out->count = assay_load_le(m->data + end64 + 32, 8);
    out->bytes = assay_load_le(m->data + end64 + 40, 8);
    out->offset = assay_load_le(m->data + end64 + 48, 8);
    return inside(m, out->offset, out->bytes);
}

struct record {
    uint64_t method, stored, bytes, local;
    uint64_t name_bytes, extra_bytes, comment_bytes;
};

// zip64's extra field holds, in this order, those of bytes, stored and local that are all ones.
static bool read_extra(struct record *r, const unsigned char *extra)
{
    uint64_t *fields[] = {&r->bytes, &r->stored, &r->local};

    for (uint64_t at = 0; at + 4 <= r->extra_bytes;) {
        const uint64_t id = assay_load_le(extra + at, 2), bytes = assay_load_le(extra + at + 2, 2);
        uint64_t used = 0;

        if (bytes > r->extra_bytes - at - 4)
            return false;
        for (size_t i = 0; id == 1 && i < 3; i++) {
            if (*fields[i] != UINT32_MAX)
                continue;
            if (used + 8 > bytes)
                return false;
            *fields[i] = assay_load_le(extra + at + 4 + used, 8);
            used += 8;
        }
        at += 4 + bytes;
    }
    return true;
}

static bool read_record(struct record *r, const struct assay_mapping *m, uint64_t at, uint64_t end)
{
    const unsigned char *p = m->data + at;

    if (end - at < CENTRAL_BYTES || memcmp(p, "PK\1\2", 4) != 0)
        return false;
    *r = (struct record){.method = assay_load_le(p + 10, 2),
            .stored = assay_load_le(p + 20, 4),
            .bytes = assay_load_le(p + 24, 4),
            .name_bytes = assay_load_le(p + 28, 2),
            .extra_bytes = assay_load_le(p + 30, 2),
            .comment_bytes = assay_load_le(p + 32, 2),
            .local = assay_load_le(p + 42, 4)};
    return r->name_bytes + r->extra_bytes + r->comment_bytes <= end - at - CENTRAL_BYTES &&
            read_extra(r, p + CENTRAL_BYTES + r->name_bytes);
}

// The local header says again how long name and extra are, and need not agree.
static bool find_data(
        struct assay_zip_entry *entry, const struct record *r, const struct assay_mapping *m)
{
    uint64_t data;

    if (!inside(m, r->local, LOCAL_BYTES) || !has_magic(m, r->local, "PK\3\4"))
        return false;
    data = r->local + LOCAL_BYTES + assay_load_le(m->data + r->local + 26, 2) +
            assay_load_le(m->data + r->local + 28, 2);
    if (!inside(m, data, r->bytes))
        return false;
    entry->data = m->data + data;
    entry->bytes = r->bytes;
    return true;
}

enum assay_status assay_zip_read(struct assay_zip_entry **out, size_t *count,
        const struct assay_mapping *mapping, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_zip_entry *entries;
    struct directory dir;
    uint64_t at, end;

    if (!find_directory(&dir, mapping))
        return assay_fail(err, ASSAY_EINVAL, "a zip without its directory, or cut short");
    if (dir.count > dir.bytes / CENTRAL_BYTES || dir.count > ASSAY_WEIGHT_TENSORS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "a zip whose directory is too short for its count");
    entries = assay_arena_array(arena, (size_t)dir.count, sizeof(*entries));
    if (!entries)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    at = dir.offset;
    end = dir.offset + dir.bytes;
    for (uint64_t i = 0; i < dir.count; i++) {
        struct record r;

        if (!read_record(&r, mapping, at, end))
            return assay_fail(
                    err, ASSAY_EINVAL, "entry %llu of the zip is malformed", (unsigned long long)i);
        entries[i].name =
                assay_arena_memdup(arena, mapping->data + at + CENTRAL_BYTES, (size_t)r.name_bytes);
        if (!entries[i].name)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        if (r.method != 0 || r.stored != r.bytes)
            return assay_fail(
                    err, ASSAY_EINVAL, "entry %s of the zip is compressed", entries[i].name);
        if (!find_data(&entries[i], &r, mapping))
            return assay_fail(err, ASSAY_EINVAL, "entry %s of the zip lies outside of the file",
                    entries[i].name);
        at += CENTRAL_BYTES + r.name_bytes + r.extra_bytes + r.comment_bytes;
    }
    *out = entries;
    *count = (size_t)dir.count;
    return ASSAY_OK;
}
