/* SPDX-License-Identifier: MIT */
#include "varint.h"

size_t varint_put(unsigned char *out, uint64_t value)
{
    size_t n = 0;

    while (value >= 0x80) {
        out[n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (unsigned char)value;
    return n;
}

size_t varint_get(const void *data, size_t size, uint64_t *value)
{
    const unsigned char *in = data;
    uint64_t result = 0;

    for (size_t n = 0; n < size && n < VARINT_MAX; n++) {
        result |= (uint32_t)(in[n] & 0x7f) << (7 * n % 32);
        if (in[n] < 0x80) {
            *value = result;
            return n + 1;
        }
    }
    return 0;
}

uint64_t zigzag_encode(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 31);
}

int64_t zigzag_decode(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}
