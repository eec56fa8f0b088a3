// SPDX-License-Identifier: MIT
// test_files.h - which files of a repository hold tests, by their names. Pure.
#ifndef ASSAY_REWARDS_TEST_FILES_H
#define ASSAY_REWARDS_TEST_FILES_H

#include <stdbool.h>

#include "tasks/instance.h"

// By a folder on the way ("test", "tests", "t", "spec", "specs", "__tests__", "testdata"), or by
// the file's own name ("test_x.py", "x_test.go", "x.test.js", "XTest.java", "t_x.c", "x.t", ...).
bool assay_is_test_file(const char *path);

extern const struct assay_strings assay_test_file_globs; // the same, for people and documents

#endif
