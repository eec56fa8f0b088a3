/* SPDX-License-Identifier: MIT */
#include "ring.h"
#include "tap.h"

int main(int argc, char **argv)
{
    unsigned char store[16];
    char out[16];
    struct ring ring;

    (void)argc;
    plan(argv, 5);
    ring_init(&ring, store, sizeof store);
    ok(ring_used(&ring) == 0, "starts empty");
    ok(ring_write(&ring, "hello", 5) == 5 && ring_used(&ring) == 5, "takes five bytes");
    ok(ring_peek(&ring, 4) == 'o' && ring_peek(&ring, 5) == -1, "peeks at the last byte");
    ok(ring_read(&ring, out, 3) == 3 && memcmp(out, "hel", 3) == 0, "reads the first bytes");
    ok(ring_read(&ring, out, 9) == 2 && memcmp(out, "lo", 2) == 0, "reads no more than there is");
    return finish();
}
