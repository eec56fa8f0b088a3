// SPDX-License-Identifier: MIT
// spin threads N | children N | self - use processor time without end.
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *spin(void *unused)
{
    const volatile bool more = true;

    (void)unused;
    while (more) {
        // Until killed.
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const long count = argc > 2 ? strtol(argv[2], NULL, 10) : 1;

    for (long i = 1; i < count; i++) {
        pthread_t thread;

        if (strcmp(argv[1], "threads") == 0)
            (void)pthread_create(&thread, NULL, spin, NULL);
        else if (fork() == 0)
            break;
    }
    (void)spin(NULL);
}
