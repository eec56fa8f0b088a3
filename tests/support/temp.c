// SPDX-License-Identifier: MIT
#include "support/temp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/harness.h"

static int setup_below(void **state, const char *parent)
{
    struct assay_temp *temp = calloc(1, sizeof(*temp));

    if (temp == NULL)
        return -1;
    (void)snprintf(temp->path, sizeof(temp->path), "%s/assay-test-XXXXXX", parent);
    if (mkdtemp(temp->path) == NULL) {
        free(temp);
        return -1;
    }
    temp->parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    temp->fd = open(temp->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = temp;
    return temp->fd >= 0 && temp->parent_fd >= 0 ? 0 : -1;
}

int assay_temp_setup(void **state)
{
    return setup_below(state, "/tmp");
}

int assay_temp_setup_memory(void **state)
{
    return setup_below(state, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

int assay_temp_teardown(void **state)
{
    struct assay_temp *temp = *state;
    struct assay_error err = {0};
    int rc = 0;

    close(temp->fd);
    if (assay_fs_remove_tree(temp->parent_fd, strrchr(temp->path, '/') + 1, &err) != ASSAY_OK) {
        print_message("%s\n", err.message);
        rc = -1;
    }
    close(temp->parent_fd);
    free(temp);
    return rc;
}

void assay_temp_write(const struct assay_temp *temp, const char *path, const char *text)
{
    const int fd = assay_fs_open_beneath(temp->fd, path, O_WRONLY | O_CREAT | O_EXCL, 0644);

    assert_true(fd >= 0);
    assert_int_equal(assay_fs_write_all(fd, text, strlen(text), NULL), ASSAY_OK);
    close(fd);
}
