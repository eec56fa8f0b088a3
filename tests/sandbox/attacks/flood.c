// SPDX-License-Identifier: MIT
// flood KIND - too much of one thing: deep, names, sparse, files, memfd, shared, segment, posix,
// hidden, sockets, argv, output, traps. Prints how it went; what it must come to is the box's
// cause.
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/sandbox/attacks/attack.h"

#define MIB ((size_t)1 << 20)
#define MOST_MIB 1024

// --- files ---------------------------------------------------------------------------------------

static void deep(void)
{
    long depth = 0;

    (void)!chdir("/testbed");
    while (depth < 6000 && mkdir("d", 0755) == 0 && chdir("d") == 0)
        depth++;
    attack_say("deep", depth > 1000 ? "done" : "stopped");
    (void)printf("at %ld: %s\n", depth, attack_word(-1));
}

static void names(void)
{
    char name[256];
    long count = 0;

    memset(name, 'n', 255);
    name[255] = '\0';
    (void)!chdir("/testbed");
    for (; count < 1500; count++) {
        (void)snprintf(name, 9, "%08ld", count);
        name[8] = '\n'; // a name may hold anything but / and NUL
        name[9] = (char)0xff;
        if (attack_open(name, O_WRONLY | O_CREAT) < 0)
            break;
    }
    attack_say("names", count > 1000 ? "done" : "stopped");
}

static void sparse(void)
{
    const int fd = open("/tmp/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)signal(SIGXFSZ, SIG_IGN);
    TRY("truncate", ftruncate(fd, (off_t)1 << 60));
    TRY("fallocate", fallocate(fd, 0, 0, (off_t)1 << 40));
    TRY("fallocate_keep", fallocate(fd, 1, (off_t)1 << 50, 4096));
    TRY("pwrite", pwrite(fd, "x", 1, (off_t)1 << 50));
    TRY("memfd", ftruncate(memfd_create("x", MFD_CLOEXEC), (off_t)1 << 60));
}

// --- memory --------------------------------------------------------------------------------------

// Written, never mapped: no process's resident size shows it.
static void hold_memfds(void)
{
    static char block[MIB];

    memset(block, 1, sizeof(block));
    for (int i = 0; i < MOST_MIB; i++)
        if (write(memfd_create("x", MFD_CLOEXEC), block, sizeof(block)) < 0)
            break;
}

static void hold_shared(void)
{
    for (int i = 0; i < MOST_MIB; i++) {
        char *piece = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (piece == MAP_FAILED)
            break;
        memset(piece, 1, MIB);
    }
}

// Each detached as soon as it is full.
static void hold_segments(void)
{
    for (int i = 0; i < MOST_MIB; i++) {
        char *piece = shmat(shmget(IPC_PRIVATE, MIB, 0600), NULL, 0);

        // NOLINTNEXTLINE(performance-no-int-to-ptr): how shmat() fails
        if (piece == (void *)-1)
            break;
        memset(piece, 1, MIB);
        (void)shmdt(piece);
    }
}

static void hold_posix(void)
{
    static char block[MIB];

    memset(block, 1, sizeof(block));
    for (int i = 0; i < MOST_MIB; i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "/dev/shm/%d", i);
        if (write(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), block, sizeof(block)) !=
                (ssize_t)sizeof(block))
            break;
    }
}

// Children that call themselves what a reader of /proc/PID/status looks for.
static void hold_hidden(void)
{
    for (int child = 0; child < 16; child++) {
        if (fork() != 0)
            continue;
        (void)prctl(PR_SET_NAME, child % 2 ? "RssAnon:\t 0 kB" : "a) R 0 0 0 0\n", 0, 0, 0);
        for (int i = 0; i < MOST_MIB / 16; i++) {
            char *piece = malloc(MIB);

            if (piece != NULL)
                memset(piece, 1, MIB);
        }
        for (;;)
            (void)pause();
    }
}

static void hold_sockets(void)
{
    static char block[65536];

    for (int child = 0; child < 8; child++) {
        if (fork() != 0)
            continue;
        for (int i = 0; i < 500; i++) {
            int pair[2];

            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
                break;
            while (send(pair[0], block, sizeof(block), 0) > 0) {
                // until it is full
            }
        }
        for (;;)
            (void)pause();
    }
}

static void hold(void (*kind)(void))
{
    kind();
    (void)usleep(1500000);
    (void)printf("survived\n");
}

static void memfd_flood(void)
{
    hold(hold_memfds);
}

static void shared_flood(void)
{
    hold(hold_shared);
}

static void segment_flood(void)
{
    hold(hold_segments);
}

static void posix_flood(void)
{
    hold(hold_posix);
}

static void hidden_flood(void)
{
    hold(hold_hidden);
}

static void socket_flood(void)
{
    hold(hold_sockets);
}

// --- others --------------------------------------------------------------------------------------

static void file_flood(void)
{
    long count = 0;

    while (open("/dev/null", O_RDONLY) >= 0)
        count++;
    attack_say("files", errno == EMFILE ? "EMFILE" : "other");
    (void)close(3);
    (void)printf("after %ld\n", count);
}

// As many words as the kernel takes, each as long as it takes.
static void argv_flood(void)
{
    enum { WORDS = 100000 };
    static char *argv[WORDS + 2];
    static char word[131072];
    static char small[] = "x";
    char program[] = "/bin/true";
    pid_t pid = 0;

    memset(word, 'w', sizeof(word) - 1);
    argv[0] = program;
    argv[1] = word;
    TRY("one_word",
            posix_spawn(&pid, program, NULL, NULL, argv, NULL) == 0 ? waitpid(pid, NULL, 0) : -1);
    for (int i = 0; i < WORDS; i++)
        argv[1 + i] = small;
    TRY("many_words",
            posix_spawn(&pid, program, NULL, NULL, argv, NULL) == 0 ? waitpid(pid, NULL, 0) : -1);
    for (int i = 0; i < WORDS; i++)
        argv[1 + i] = word;
    TRY("too_many", (errno = posix_spawn(&pid, program, NULL, NULL, argv, NULL)) == 0 ? 0 : -1);
}

// Odd bytes, no newline, then silence with every standard descriptor closed.
static void output_flood(void)
{
    static char bytes[70000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    for (size_t i = 0; i < 16; i++)
        (void)!write(1, bytes, sizeof(bytes));
    for (int fd = 0; fd < 3; fd++)
        (void)close(fd);
    _exit(0);
}

// What a reader of the out_dir might follow, block on, or be fooled by.
static void traps(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    const int fd = open("/run/out/sparse.xml", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)!chdir("/run/out");
    (void)!ftruncate(fd, 60 << 20);
    (void)!symlink("/etc/passwd", "link.xml");
    (void)!symlink("/proc/self/environ", "proc.xml");
    (void)!symlink("loop.xml", "loop.xml");
    (void)mkfifo("fifo.xml", 0600);
    (void)mknod("white.xml", S_IFCHR, 0);
    (void)bind(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
            sizeof(address));
    (void)rename("socket", "socket.xml");
    (void)!link("sparse.xml", "hard.xml");
    (void)mkdir("dir.xml", 0700);
    (void)mkdir("swap", 0700);
    (void)!symlink("../../../../etc", "swap/up");
    (void)mkdir("closed", 0);
    (void)chmod("sparse.xml", 0);
}

int main(int argc, char **argv)
{
    static const struct attack_command commands[] = {{"deep", deep}, {"names", names},
            {"sparse", sparse}, {"files", file_flood}, {"memfd", memfd_flood},
            {"shared", shared_flood}, {"segment", segment_flood}, {"posix", posix_flood},
            {"hidden", hidden_flood}, {"sockets", socket_flood}, {"argv", argv_flood},
            {"output", output_flood}, {"traps", traps}};

    return ATTACK_MAIN(argc, argv, commands);
}
