// SPDX-License-Identifier: MIT
// spin threads N | children N | self - use processor time without end. spin ignored - in children
// that last a tenth of a second each, and for which nobody waits.
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static void spin_a_while(void)
{
    struct timespec used = {0};

    while (used.tv_sec == 0 && used.tv_nsec < 100000000)
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    _exit(0);
}

static void spin_ignored(void)
{
    (void)signal(SIGCHLD, SIG_IGN);
    for (;;) {
        if (fork() == 0)
            spin_a_while();
        (void)usleep(100000);
    }
}

int main(int argc, char **argv)
{
    const long count = argc > 2 ? strtol(argv[2], NULL, 10) : 1;

    if (argc > 1 && strcmp(argv[1], "ignored") == 0)
        spin_ignored();
    for (long i = 1; i < count; i++) {
        pthread_t thread;

        if (strcmp(argv[1], "threads") == 0)
            (void)pthread_create(&thread, NULL, spin, NULL);
        else if (fork() == 0)
            break;
    }
    (void)spin(NULL);
}
