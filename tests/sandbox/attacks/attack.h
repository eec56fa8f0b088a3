// SPDX-License-Identifier: MIT
// attack.h - what the attacking payloads share: one attempt, one line "NAME WORD", where WORD is
// "done" or the name of an errno.
#ifndef ASSAY_TESTS_SANDBOX_ATTACKS_ATTACK_H
#define ASSAY_TESTS_SANDBOX_ATTACKS_ATTACK_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define MARK "assay-attack"

// Numbers that an older libc may lack.
enum {
    NR_PIDFD_SEND_SIGNAL = 424,
    NR_IO_URING_SETUP = 425,
    NR_OPEN_TREE = 428,
    NR_MOVE_MOUNT = 429,
    NR_FSOPEN = 430,
    NR_FSCONFIG = 431,
    NR_FSMOUNT = 432,
    NR_FSPICK = 433,
    NR_PIDFD_OPEN = 434,
    NR_OPENAT2 = 437,
    NR_PIDFD_GETFD = 438,
    NR_PROCESS_MADVISE = 440,
    NR_MOUNT_SETATTR = 442,
    NR_QUOTACTL_FD = 443,
    NR_LANDLOCK_CREATE_RULESET = 444,
    NR_LANDLOCK_RESTRICT_SELF = 446,
    NR_MEMFD_SECRET = 447,
    NR_PROCESS_MRELEASE = 448,
    NR_STATMOUNT = 457,
    NR_LISTMOUNT = 458,
    NR_OPEN_TREE_ATTR = 467,
};

static inline unsigned short attack_port(void)
{
    const char *text = secure_getenv("ASSAY_PORT");

    return (unsigned short)(text != NULL ? strtol(text, NULL, 10) : 47123);
}

static inline const char *attack_word(long got)
{
    const char *name = got >= 0 ? "done" : strerrorname_np(errno);

    return name != NULL ? name : "unknown";
}

static inline void attack_tell(const char *name, long got)
{
    (void)printf("%s %s\n", name, attack_word(got));
}

#define TRY(name, call) (errno = 0, attack_tell(name, (long)(call)))

// Open, and close again what came.
static inline int attack_open(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    const int problem = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = problem;
    return fd;
}

// Open for writing and write.
static inline long attack_write(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    const long put = fd < 0 ? -1 : (long)write(fd, text, strlen(text));
    const int problem = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = problem;
    return put;
}

static inline void attack_say(const char *name, const char *word)
{
    (void)printf("%s %s\n", name, word);
}

// Which of the sub-commands the program was asked for.
struct attack_command {
    const char *name;
    void (*run)(void);
};

static inline int attack_main(
        int argc, char **argv, const struct attack_command *commands, size_t count)
{
    for (size_t i = 0; argc > 1 && i < count; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            commands[i].run();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    (void)fprintf(stderr, "no such attack\n");
    return 2;
}
#define ATTACK_MAIN(argc, argv, commands)                                                          \
    attack_main(argc, argv, commands, sizeof(commands) / sizeof((commands)[0]))

#endif
