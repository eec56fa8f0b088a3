// SPDX-License-Identifier: MIT
#include "envs/apply_binary.h"

#include <git2.h>
#include <string.h>

// A cursor over a delta.
struct delta {
    const unsigned char *p, *end;
};

// Seven bits a byte, the lowest first. False when the delta ends or the number is too big.
static bool read_size(struct delta *delta, size_t *size)
{
    unsigned shift = 0;

    *size = 0;
    while (delta->p < delta->end && shift < 63) {
        const unsigned char byte = *delta->p++;

        *size |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
        shift += 7;
    }
    return false;
}

// The bytes of a number that the bits of `flags` say are there.
static bool read_flagged(struct delta *delta, unsigned flags, unsigned byte_count, size_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < byte_count; i++) {
        if ((flags & 1U << i) == 0)
            continue;
        if (delta->p == delta->end)
            return false;
        *value |= (size_t)*delta->p++ << (8 * i);
    }
    return true;
}

// One instruction: copy a piece of the old content, or take bytes from the delta.
static bool step(
        struct delta *delta, struct assay_bytes old, char *new, size_t new_size, size_t *at)
{
    const unsigned char op = *delta->p++;
    size_t offset = 0, size = op;
    const char *from = NULL;

    if (op == 0)
        return false; // reserved
    if ((op & 0x80) != 0) {
        if (!read_flagged(delta, op & 0x0fU, 4, &offset) ||
                !read_flagged(delta, (op >> 4) & 0x07U, 3, &size))
            return false;
        if (size == 0)
            size = 0x10000;
        if (offset > old.len || size > old.len - offset)
            return false;
        from = old.data + offset;
    } else {
        if (size > (size_t)(delta->end - delta->p))
            return false;
        from = (const char *)delta->p;
        delta->p += size;
    }
    if (size > new_size - *at)
        return false;
    memcpy(new + *at, from, size);
    *at += size;
    return true;
}

static enum assay_status apply_delta(struct assay_bytes *out, struct assay_bytes patch,
        struct assay_bytes old, size_t bytes_max, struct assay_arena *arena,
        struct assay_error *err)
{
    struct delta delta = {.p = (const unsigned char *)patch.data};
    size_t old_size = 0, new_size = 0, at = 0;
    char *new = NULL;

    delta.end = delta.p + patch.len;
    if (!read_size(&delta, &old_size) || !read_size(&delta, &new_size))
        return assay_fail(err, ASSAY_EPATCH, "the binary delta is broken");
    if (old_size != old.len)
        return assay_fail(err, ASSAY_EPATCH, "the binary delta is for %zu bytes, the file has %zu",
                old_size, old.len);
    if (new_size > bytes_max)
        return assay_fail(err, ASSAY_EPATCH, "the new content has %zu bytes, more than %zu",
                new_size, bytes_max);
    new = assay_arena_alloc(arena, new_size + 1);
    if (new == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for %zu bytes", new_size);
    while (delta.p < delta.end) {
        if (!step(&delta, old, new, new_size, &at))
            return assay_fail(err, ASSAY_EPATCH, "the binary delta is broken");
    }
    if (at != new_size)
        return assay_fail(err, ASSAY_EPATCH, "the binary delta ends too early");
    *out = (struct assay_bytes){.data = new, .len = new_size};
    return ASSAY_OK;
}

static bool is_full_name(const char *blob)
{
    return strlen(blob) == GIT_OID_HEXSZ && strspn(blob, "0123456789abcdefABCDEF") == GIT_OID_HEXSZ;
}

static bool is_null_name(const char *blob)
{
    return strspn(blob, "0") == GIT_OID_HEXSZ;
}

static bool blob_is(const char *blob, struct assay_bytes content)
{
    git_oid oid;
    bool same = false;

    if (git_libgit2_init() < 0)
        return false;
    if (git_odb_hash(&oid, content.data, content.len, GIT_OBJECT_BLOB) == 0)
        same = git_oid_streq(&oid, blob) == 0;
    git_libgit2_shutdown();
    return same;
}

static enum assay_status new_content(struct assay_bytes *out, const struct assay_patch_file *file,
        struct assay_bytes old, size_t bytes_max, struct assay_arena *arena,
        struct assay_error *err)
{
    if (file->binary_data.data == NULL)
        return assay_fail(err, ASSAY_EPATCH, "the patch does not hold the binary content");
    if (file->binary_delta)
        return apply_delta(out, file->binary_data, old, bytes_max, arena, err);
    if (file->binary_data.len > bytes_max)
        return assay_fail(err, ASSAY_EPATCH, "the new content has %zu bytes, more than %zu",
                file->binary_data.len, bytes_max);
    *out = file->binary_data;
    return ASSAY_OK;
}

enum assay_status binary_apply(struct assay_bytes *out, const struct assay_patch_file *file,
        struct assay_bytes old, bool tolerant, size_t bytes_max, struct assay_arena *arena,
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (!is_full_name(file->old_blob) || !is_full_name(file->new_blob)) {
        if (tolerant && file->binary_data.data != NULL && !file->binary_delta)
            return new_content(out, file, old, bytes_max, arena, err);
        return assay_fail(err, ASSAY_EPATCH, "a binary patch needs a full index line");
    }
    if (file->op == ASSAY_PATCH_ADD ? old.len > 0 : !blob_is(file->old_blob, old))
        return assay_fail(err, ASSAY_EPATCH, "the binary patch is for other content");
    if (is_null_name(file->new_blob)) {
        *out = (struct assay_bytes){.data = "", .len = 0};
        return ASSAY_OK;
    }
    status = new_content(out, file, old, bytes_max, arena, err);
    if (status == ASSAY_OK && !blob_is(file->new_blob, *out))
        status = assay_fail(err, ASSAY_EPATCH, "the binary patch gives other content than it says");
    return status;
}
