// SPDX-License-Identifier: MIT
#include "bitvec.h"

#include <stdlib.h>

int bv_init(struct bitvec *v, size_t count)
{
    v->count = count;
    v->words = calloc(count / 64 + 1, sizeof(*v->words));
    return v->words != NULL;
}

void bv_free(struct bitvec *v)
{
    free(v->words);
}

void bv_set(struct bitvec *v, size_t bit, int on)
{
    if (on)
        v->words[bit / 64] |= UINT64_C(1) << bit % 64;
    else
        v->words[bit / 64] ^= UINT64_C(1) << bit % 64;
}

int bv_get(const struct bitvec *v, size_t bit)
{
    return (int)(v->words[bit / 64] >> bit % 64 & 1);
}

size_t bv_ones(const struct bitvec *v)
{
    size_t ones = 0;

    for (size_t i = 0; i < v->count / 64; i++)
        for (uint64_t word = v->words[i]; word; word &= word - 1)
            ones++;
    return ones;
}

void bv_flip(struct bitvec *v)
{
    for (size_t i = 0; i <= v->count / 64; i++)
        v->words[i] = ~v->words[i];
}

size_t bv_next(const struct bitvec *v, size_t from)
{
    while (from < v->count && !bv_get(v, from))
        from++;
    return from;
}
