/* SPDX-License-Identifier: MIT */
/* Numbers in groups of seven bits, lowest first; the top bit says that more follow. */
#ifndef VARINT_H
#define VARINT_H

#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10

/* Writes at most VARINT_MAX bytes; returns how many. */
size_t varint_put(unsigned char *out, uint64_t value);

/* Returns how many bytes were read, or 0 if the data ends too early or is not a 64-bit number. */
size_t varint_get(const void *data, size_t size, uint64_t *value);

/* Signed numbers as unsigned ones: 0, -1, 1, -2, ... become 0, 1, 2, 3, ... */
uint64_t zigzag_encode(int64_t value);
int64_t zigzag_decode(uint64_t value);

#endif
