// SPDX-License-Identifier: MIT
// fill PATH... - write to each file until it takes no more; exit 4 and print the errno when one
// refuses. fill -inodes DIR - make empty files until no more can be made.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fill_inodes(const char *dir)
{
    for (unsigned i = 0;; i++) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/%u", dir, i);
        const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0) {
            (void)printf("%u files, then %s\n", i, strerrordesc_np(errno));
            return 4;
        }
        close(fd);
    }
}

int main(int argc, char **argv)
{
    static char block[1 << 16];

    if (argc == 3 && strcmp(argv[1], "-inodes") == 0)
        return fill_inodes(argv[2]);
    memset(block, 'x', sizeof(block));
    for (int i = 1; i < argc; i++) {
        const int fd = open(argv[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        ssize_t put = 1;

        while (fd >= 0 && put > 0)
            put = write(fd, block, sizeof(block));
        (void)printf("%s: %s\n", argv[i], strerrordesc_np(errno));
    }
    return argc > 1 ? 4 : 0;
}
