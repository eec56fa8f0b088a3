// SPDX-License-Identifier: MIT
// patch_binary.c - "GIT binary patch": base 85 around zlib around the content or a delta.
#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "tasks/patch_read.h"

static const char digits[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

// Five digits make four bytes, most significant first. False for anything else.
static bool decode_group(const char *text, unsigned char bytes[4])
{
    uint64_t value = 0;

    for (size_t i = 0; i < 5; i++) {
        const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

        if (digit == NULL)
            return false;
        value = value * 85 + (uint64_t)(digit - digits);
    }
    if (value > UINT32_MAX)
        return false;
    for (size_t i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(value >> (24 - 8 * i));
    return true;
}

// One line: a letter that tells how many bytes it holds, then the groups.
static bool decode_line(struct assay_buf *out, struct assay_bytes line)
{
    const size_t group_count = line.len > 0 ? (line.len - 1) / 5 : 0;
    char letter = 0;
    size_t left = 0;

    if (line.len > 0)
        letter = line.data[0];
    if (letter >= 'A' && letter <= 'Z')
        left = (size_t)(letter - 'A') + 1;
    else if (letter >= 'a' && letter <= 'z')
        left = (size_t)(letter - 'a') + 27;
    if (left == 0 || (line.len - 1) % 5 != 0 || left > group_count * 4 ||
            left + 4 <= group_count * 4)
        return false;
    for (size_t i = 0; i < group_count; i++) {
        unsigned char bytes[4];
        const size_t take = left < 4 ? left : 4;

        if (!decode_group(line.data + 1 + i * 5, bytes) || !assay_buf_add(out, bytes, take))
            return false;
        left -= take;
    }
    return true;
}

// Exactly `size` bytes, or NULL.
static char *inflate_exactly(struct assay_arena *arena, const struct assay_buf *packed, size_t size)
{
    char *data = assay_arena_alloc(arena, size + 1);
    z_stream stream = {0};
    int result = Z_OK;

    if (data == NULL || packed->len > UINT_MAX || inflateInit(&stream) != Z_OK)
        return NULL;
    stream.next_in = (Bytef *)packed->data;
    stream.avail_in = (uInt)packed->len;
    stream.next_out = (Bytef *)data;
    stream.avail_out = (uInt)size;
    result = inflate(&stream, Z_FINISH);
    (void)inflateEnd(&stream);
    return result == Z_STREAM_END && stream.total_out == size ? data : NULL;
}

// "literal <size>" or "delta <size>" at the line; false when neither stands there.
static bool read_method(
        const struct patch_reader *reader, size_t index, bool *is_delta, size_t *size)
{
    const char *p = NULL, *end = NULL;

    if (index >= reader->line_count)
        return false;
    *is_delta = patch_line_starts(reader, index, "delta ");
    if (!*is_delta && !patch_line_starts(reader, index, "literal "))
        return false;
    p = reader->lines[index].data + (*is_delta ? strlen("delta ") : strlen("literal "));
    end = reader->lines[index].data + reader->lines[index].len;
    *size = 0;
    for (; p < end && isdigit((unsigned char)*p); p++) {
        if (*size <= ASSAY_PATCH_BINARY_BYTES_MAX)
            *size = *size * 10 + (size_t)(*p - '0');
    }
    return true;
}

// The lines of one half, up to and with the blank line that ends it.
static enum assay_status read_half(
        struct patch_reader *reader, size_t size, struct assay_bytes *data)
{
    const size_t start = reader->at;
    enum assay_status status = ASSAY_OK;
    struct assay_buf packed;

    assay_buf_init(&packed, ASSAY_PATCH_BYTES_MAX);
    reader->binary_bytes += size;
    if (reader->binary_bytes > ASSAY_PATCH_BINARY_BYTES_MAX) {
        status = patch_fail(reader, reader->at, "more than %zu bytes of binary content",
                ASSAY_PATCH_BINARY_BYTES_MAX);
        goto out;
    }
    for (reader->at++;; reader->at++) {
        struct assay_bytes line = {0};

        if (reader->at >= reader->line_count) {
            if (reader->tolerant)
                break; // the blank line at the end of the text is often lost
            status = patch_fail(reader, reader->at - 1, "the binary patch is cut off");
            goto out;
        }
        if (patch_line_is_blank(reader, reader->at))
            break;
        line = reader->lines[reader->at];
        while (line.len > 0 &&
                (line.data[line.len - 1] == '\n' ||
                        (reader->tolerant && line.data[line.len - 1] == '\r')))
            line.len--;
        if (!decode_line(&packed, line)) {
            status = patch_fail(reader, reader->at, "not a line of a binary patch");
            goto out;
        }
    }
    if (reader->at < reader->line_count)
        reader->at++;
    data->data = inflate_exactly(reader->arena, &packed, size);
    data->len = size;
    if (data->data == NULL)
        status = patch_fail(reader, start, "the binary patch does not inflate to %zu bytes", size);

out:
    assay_buf_free(&packed);
    return status;
}

enum assay_status patch_binary_read(struct patch_reader *reader, struct assay_patch_file *file)
{
    enum assay_status status = ASSAY_OK;
    struct assay_bytes reverse = {0};
    bool reverse_is_delta = false;
    size_t size = 0;

    if (!read_method(reader, reader->at, &file->binary_delta, &size))
        return patch_fail(
                reader, reader->at - 1, "no \"literal\" or \"delta\" in the binary patch");
    status = read_half(reader, size, &file->binary_data);
    if (status == ASSAY_OK && read_method(reader, reader->at, &reverse_is_delta, &size))
        status = read_half(reader, size, &reverse);
    file->binary = true;
    return status;
}
