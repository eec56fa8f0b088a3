// SPDX-License-Identifier: MIT
// burn MODE MS PROCESSES - what runs in the boxes of benches/limits: use processor time, say how
// much.
//
// MODE waited: children that are waited for. orphans: their parents are gone before they burn.
// ignored: nobody waits for them (SIGCHLD ignored). The sum of what each process measured of
// itself comes on stdout, in microseconds. MODE forever: until killed, MS is ignored.
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t used_us(int who)
{
    struct rusage usage = {0};

    (void)getrusage(who, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void burn(uint64_t until_us)
{
    while (used_us(RUSAGE_SELF) < until_us)
        for (volatile uint64_t i = 0; i < 20000; i++) {
            // Most of it in the program, some in the kernel.
        }
}

// Returns in a child that is to burn. An orphan's parent tells nobody what it used itself.
static bool begin(const char *mode)
{
    if (fork() != 0)
        return false;
    if (strcmp(mode, "orphans") == 0 && fork() != 0)
        _exit(0);
    return true;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 3 ? argv[1] : "";
    const uint64_t each_us = argc > 3 ? strtoull(argv[2], NULL, 10) * 1000 : 0;
    const unsigned long count = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    const bool forever = strcmp(mode, "forever") == 0;
    uint64_t sum_us = 0;
    uint64_t part_us = 0;
    int ends[2];

    if (count == 0 || count > 1000 || pipe(ends) < 0)
        return 2;
    if (strcmp(mode, "ignored") == 0)
        (void)signal(SIGCHLD, SIG_IGN);
    for (unsigned long i = forever ? 1 : 0; i < count; i++) {
        if (!begin(mode))
            continue;
        burn(forever ? UINT64_MAX : each_us / count);
        part_us = used_us(RUSAGE_SELF);
        _exit(write(ends[1], &part_us, sizeof(part_us)) == (ssize_t)sizeof(part_us) ? 0 : 1);
    }
    if (forever)
        burn(UINT64_MAX);
    close(ends[1]);
    while (read(ends[0], &part_us, sizeof(part_us)) == (ssize_t)sizeof(part_us))
        sum_us += part_us;
    while (wait(NULL) > 0 || errno == EINTR) {
        // All of them, where they can be waited for.
    }
    (void)printf("%" PRIu64 "\n", sum_us + used_us(RUSAGE_SELF));
    return 0;
}
