/* SPDX-License-Identifier: MIT */
/* A log of records: a tag byte, the length as a varint, the content. */
#ifndef RECORD_H
#define RECORD_H

#include <stddef.h>

struct record {
    int tag; /* 0 to 255 */
    const char *content;
    size_t length;
};

struct record_reader {
    const char *data;
    size_t size;
    size_t at;
};

void record_open(struct record_reader *reader, const void *data, size_t size);

/* 1: a record was read; 0: end of the data; -1: broken data, the reader stays where it is. */
int record_next(struct record_reader *reader, struct record *record);

/* Appends a record to `out`; returns how many bytes it took, 0 if it does not fit. */
size_t record_put(void *out, size_t size, int tag, const void *content, size_t length);

#endif
