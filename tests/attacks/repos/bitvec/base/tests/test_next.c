// SPDX-License-Identifier: MIT
#include "bitvec.h"
#include "check.h"

int main(void)
{
    struct bitvec v;

    CHECK(bv_init(&v, 100));
    bv_set(&v, 64, 1);
    CHECK(bv_next(&v, 0) == 64 && bv_next(&v, 65) == 100);
    bv_free(&v);
    return 0;
}
