// SPDX-License-Identifier: MIT
// memory_file.h - fuzz input as a file, for readers that take a path.
#ifndef ASSAY_TESTS_FUZZ_MEMORY_FILE_H
#define ASSAY_TESTS_FUZZ_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

// Its descriptor, to be closed by the caller, and a path to it; -1 when there is none.
int memory_file(char path[32], const uint8_t *data, size_t size);

#endif
