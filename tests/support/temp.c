// SPDX-License-Identifier: MIT
#include "support/temp.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/harness.h"

int assay_temp_setup(void **state)
{
    struct assay_temp *temp = calloc(1, sizeof(*temp));

    if (temp == NULL)
        return -1;
    memcpy(temp->path, "/tmp/assay-test-XXXXXX", sizeof("/tmp/assay-test-XXXXXX"));
    if (mkdtemp(temp->path) == NULL) {
        free(temp);
        return -1;
    }
    temp->fd = open(temp->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = temp;
    return temp->fd >= 0 ? 0 : -1;
}

int assay_temp_teardown(void **state)
{
    struct assay_temp *temp = *state;
    struct assay_error err = {0};
    int tmp_fd = -1;
    int rc = 0;

    close(temp->fd);
    tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (assay_fs_remove_tree(tmp_fd, temp->path + strlen("/tmp/"), &err) != ASSAY_OK) {
        print_message("%s\n", err.message);
        rc = -1;
    }
    close(tmp_fd);
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
