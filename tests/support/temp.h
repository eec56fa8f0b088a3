// SPDX-License-Identifier: MIT
// temp.h - a folder of its own for one test, gone afterwards.
//
//     cmocka_unit_test_setup_teardown(name, assay_temp_setup, assay_temp_teardown)
//
// *state is then a struct assay_temp.
#ifndef ASSAY_TESTS_SUPPORT_TEMP_H
#define ASSAY_TESTS_SUPPORT_TEMP_H

struct assay_temp {
    char path[64]; // absolute, below /tmp
    int parent_fd; // what it is in
    int fd;        // the folder, open
};

int assay_temp_setup(void **state);
int assay_temp_setup_memory(void **state); // on tmpfs where there is one: for huge trees
int assay_temp_teardown(void **state);

// Write text to a new file below the folder; fails the test when it cannot.
void assay_temp_write(const struct assay_temp *temp, const char *path, const char *text);

#endif
