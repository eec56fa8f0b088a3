// SPDX-License-Identifier: MIT
// harness.h - cmocka, with the headers it needs before it.
//
// A whole program that cannot run here says why with ASSAY_SKIP_NOTE() and
// returns ASSAY_EXIT_SKIPPED from main(); a single test calls ASSAY_SKIP().
// .ci/run lists every such note.
#ifndef ASSAY_TESTS_SUPPORT_HARNESS_H
#define ASSAY_TESTS_SUPPORT_HARNESS_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define ASSAY_EXIT_SKIPPED 77 // ctest's SKIP_RETURN_CODE

#define ASSAY_SKIP_NOTE(reason) print_message("SKIP: %s\n", reason)
#define ASSAY_SKIP(reason)                                                                         \
    do {                                                                                           \
        ASSAY_SKIP_NOTE(reason);                                                                   \
        skip();                                                                                    \
    } while (0)

#endif
