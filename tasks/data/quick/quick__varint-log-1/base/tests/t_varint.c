/* SPDX-License-Identifier: MIT */
#include "tap.h"
#include "varint.h"

static int survives(uint64_t value)
{
    unsigned char bytes[VARINT_MAX];
    uint64_t back = ~value;
    size_t n = varint_put(bytes, value);

    return varint_get(bytes, n, &back) == n && back == value && varint_get(bytes, n - 1, &back) == 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    plan(argv, 4);
    ok(survives(0) && survives(127) && survives(128), "one and two bytes");
    ok(survives(16383) && survives(16384) && survives(1 << 27), "three bytes and more");
    ok(zigzag_encode(0) == 0 && zigzag_encode(-1) == 1 && zigzag_encode(1) == 2, "small signed numbers");
    ok(zigzag_decode(zigzag_encode(-1000000)) == -1000000, "a signed number there and back");
    return finish();
}
