// SPDX-License-Identifier: MIT
#include "orchestrator/event_file.h"

#include <string.h>

#define RECORD_BYTES_MAX 4096

uint32_t assay_crc32c(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static void put_le(struct assay_buf *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        (void)assay_buf_addc(out, (char)(unsigned char)(value >> (8 * i)));
}

static void put_varint(struct assay_buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        (void)assay_buf_addc(out, (char)(unsigned char)(value | 0x80));
    (void)assay_buf_addc(out, (char)value);
}

static void put_double(struct assay_buf *out, unsigned field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    put_varint(out, (uint64_t)field << 3 | 1);
    put_le(out, bits, 8);
}

static void put_bytes(struct assay_buf *out, unsigned field, const void *bytes, size_t len)
{
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, len);
    (void)assay_buf_add(out, bytes, len);
}

// A CRC of data that holds CRCs is weak: TFRecord rotates it and adds a constant.
static uint32_t mask(uint32_t crc)
{
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static void put_record(struct assay_buf *out, const struct assay_buf *content)
{
    const size_t at = out->len;

    put_le(out, content->len, 8);
    put_le(out, mask(assay_crc32c(out->data + at, 8)), 4);
    (void)assay_buf_add(out, content->data, content->len);
    put_le(out, mask(assay_crc32c(content->data, content->len)), 4);
}

void assay_event_begin(struct assay_buf *out, double wall_time)
{
    static const char version[] = "brain.Event:2";
    struct assay_buf event;

    assay_buf_init(&event, RECORD_BYTES_MAX);
    put_double(&event, 1, wall_time);
    put_bytes(&event, 3, version, sizeof(version) - 1);
    put_record(out, &event);
    assay_buf_free(&event);
}

void assay_event_scalar(
        struct assay_buf *out, double wall_time, int64_t step, const char *tag, float value)
{
    struct assay_buf entry, summary, event;
    uint32_t bits;

    assay_buf_init(&entry, RECORD_BYTES_MAX);
    assay_buf_init(&summary, RECORD_BYTES_MAX);
    assay_buf_init(&event, RECORD_BYTES_MAX);
    memcpy(&bits, &value, sizeof(bits));
    put_bytes(&entry, 1, tag, strlen(tag)); // Summary.Value: tag 1, simple_value 2
    put_varint(&entry, 2u << 3 | 5);
    put_le(&entry, bits, 4);
    put_bytes(&summary, 1, entry.data, entry.len);
    put_double(&event, 1, wall_time);
    put_varint(&event, 2u << 3);
    put_varint(&event, (uint64_t)step);
    put_bytes(&event, 5, summary.data, summary.len);
    put_record(out, &event);
    assay_buf_free(&entry);
    assay_buf_free(&summary);
    assay_buf_free(&event);
}
