// SPDX-License-Identifier: MIT
// bitvec.h - bits 0 to count - 1.
#ifndef BITVEC_H
#define BITVEC_H
#include <stddef.h>
#include <stdint.h>

struct bitvec {
    uint64_t *words;
    size_t count;
};

int bv_init(struct bitvec *v, size_t count);
void bv_free(struct bitvec *v);
void bv_set(struct bitvec *v, size_t bit, int on);
int bv_get(const struct bitvec *v, size_t bit);
size_t bv_ones(const struct bitvec *v);
void bv_flip(struct bitvec *v);
size_t bv_next(const struct bitvec *v, size_t from); // first 1 at or after `from`; count: none
#endif
