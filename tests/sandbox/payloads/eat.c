// SPDX-License-Identifier: MIT
// eat MIB CHILDREN [shared | segments] - touch so much memory in each of so many processes, shared
// between them, or in System V segments that nobody keeps attached; print how far we came.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static int eat(long mib, int flags)
{
    for (long i = 0; i < mib; i++) {
        char *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

        if (piece == MAP_FAILED) {
            (void)printf("refused after %ld MiB\n", i);
            (void)fflush(stdout);
            return 3;
        }
        memset(piece, 1, 1 << 20);
    }
    (void)usleep(300000);
    return 0;
}

static int eat_segments(long mib)
{
    for (long i = 0; i < mib; i++) {
        const int id = shmget(IPC_PRIVATE, 1 << 20, 0600);
        void *piece = id < 0 ? MAP_FAILED : shmat(id, NULL, 0);

        if (piece == MAP_FAILED) // the same -1
            return 3;
        memset(piece, 1, 1 << 20);
        (void)shmdt(piece);
    }
    (void)usleep(300000);
    return 0;
}

int main(int argc, char **argv)
{
    const long mib = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    const long children = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    const int flags = argc > 3 ? MAP_SHARED : MAP_PRIVATE;
    int worst = 0;
    int status = 0;

    if (argc > 3 && strcmp(argv[3], "segments") == 0)
        return eat_segments(mib);
    if (children == 0)
        return eat(mib, flags);
    for (long i = 0; i < children; i++)
        if (fork() == 0)
            _exit(eat(mib, flags));
    while (wait(&status) > 0)
        worst = status != 0 ? 1 : worst;
    return worst;
}
