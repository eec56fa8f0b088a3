/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <string.h>

#include "varint.h"

void record_open(struct record_reader *reader, const void *data, size_t size)
{
    reader->data = data;
    reader->size = size;
    reader->at = 0;
}

int record_next(struct record_reader *reader, struct record *record)
{
    size_t at = reader->at;
    uint64_t length;
    size_t n;

    if (at == reader->size) {
        return 0;
    }
    record->tag = reader->data[at++];
    n = varint_get(reader->data + at, reader->size - at, &length);
    if (n == 0) {
        return -1;
    }
    at += n;
    if (at + length > reader->size) {
        return -1;
    }
    record->content = reader->data + at;
    record->length = length;
    reader->at = at + length;
    return 1;
}

size_t record_put(void *out, size_t size, int tag, const void *content, size_t length)
{
    unsigned char head[1 + VARINT_MAX];
    size_t n;

    head[0] = (unsigned char)tag;
    n = 1 + varint_put(head + 1, length);
    if (n > size || length > size - n) {
        return 0;
    }
    memcpy(out, head, n);
    memcpy((char *)out + n, content, length);
    return n + length;
}
