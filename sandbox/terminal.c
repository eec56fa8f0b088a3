// SPDX-License-Identifier: MIT
#include "sandbox/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "sandbox/wire.h"

bool assay_terminal_make(int *slave_fd, int socket_fd, struct assay_fault *fault)
{
    const uint32_t kind = ASSAY_WIRE_TERMINAL;
    const int master_fd = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
    const int unlocked = 0;
    bool made = false;

    if (master_fd < 0)
        return assay_fault_set(fault, "terminal");
    // By descriptor, not by the slave's name.
    *slave_fd = ioctl(master_fd, TIOCSPTLCK, &unlocked) == 0
            ? ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)
            : -1;
    made = *slave_fd >= 0 && assay_wire_send(socket_fd, &kind, sizeof(kind), &master_fd, 1) == 0;
    if (!made)
        (void)assay_fault_set(fault, "terminal");
    close(master_fd);
    return made;
}

bool assay_terminal_take(struct assay_fault *fault)
{
    return ioctl(0, TIOCSCTTY, 0) == 0 || assay_fault_set(fault, "controlling terminal");
}
