// SPDX-License-Identifier: MIT
// pids bomb - fork without end. pids zombies - the same, each child ending at once, nobody waiting.
// pids count - fork until it is refused; print how many, exit 5. pids kill - try to kill the init.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int count(void)
{
    int made = 0;

    for (;; made++) {
        const pid_t pid = fork();

        if (pid < 0)
            break;
        if (pid == 0)
            for (;;)
                (void)pause();
    }
    (void)printf("%d\n", made);
    return 5;
}

static int kill_init(void)
{
    const struct rlimit none = {0, 0};

    (void)kill(1, SIGKILL);
    (void)kill(1, SIGSTOP);
    (void)kill(-1, SIGKILL); // all but the init and us
    (void)kill(getppid(), SIGTERM);
    if (prlimit(1, RLIMIT_CPU, &none, NULL) == 0)
        (void)printf("limited the init\n");
    (void)usleep(50000);
    return 6;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "count") == 0)
        return count();
    if (strcmp(what, "kill") == 0)
        return kill_init();
    for (;;) {
        const pid_t pid = fork();

        if (pid == 0 && strcmp(what, "zombies") == 0)
            _exit(0);
        if (pid < 0 && errno != EAGAIN)
            return 1;
    }
}
