// SPDX-License-Identifier: MIT
// harness.h - cmocka, with the headers it needs before it.
//
// Exit 77 from main() is a skip (ctest's SKIP_RETURN_CODE): print the reason as
// "SKIP: <reason>" first; .ci/run lists it.
#ifndef ASSAY_TESTS_SUPPORT_HARNESS_H
#define ASSAY_TESTS_SUPPORT_HARNESS_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define ASSAY_TEST_SKIPPED 77

#endif
