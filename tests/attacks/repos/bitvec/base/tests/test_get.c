// SPDX-License-Identifier: MIT
#include "bitvec.h"
#include "check.h"

int main(void)
{
    struct bitvec v;

    CHECK(bv_init(&v, 100));
    bv_set(&v, 70, 1);
    CHECK(bv_get(&v, 70) == 1 && bv_get(&v, 69) == 0);
    bv_free(&v);
    return 0;
}
