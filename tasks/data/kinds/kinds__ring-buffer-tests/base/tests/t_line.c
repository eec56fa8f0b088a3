/* SPDX-License-Identifier: MIT */
#include "ring.h"
#include "tap.h"

int main(int argc, char **argv)
{
    unsigned char store[32];
    char line[8];
    struct ring ring;

    (void)argc;
    plan(argv, 4);
    ring_init(&ring, store, sizeof store);
    ring_write(&ring, "one\ntw", 6);
    ok(ring_line(&ring, line, sizeof line) == 4 && strcmp(line, "one\n") == 0, "reads a line");
    ok(ring_line(&ring, line, sizeof line) == 0 && ring_used(&ring) == 2, "leaves half a line");
    ring_write(&ring, "o plus\n", 7);
    ok(ring_line(&ring, line, sizeof line) == 0, "refuses a line that does not fit");
    ok(ring_find(&ring, '+') == -1, "finds nothing");
    return finish();
}
