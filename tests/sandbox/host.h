// SPDX-License-Identifier: MIT
// host.h - the host before and after an attack: what a box must leave as it found it.
//
// Other programs live on this host too: only what they do not change is compared as a whole;
// of the rest, only what carries the name that every attack gives to what it makes.
#ifndef ASSAY_TESTS_SANDBOX_HOST_H
#define ASSAY_TESTS_SANDBOX_HOST_H

#include "tests/sandbox/boxes.h"

#define HOST_MARK "assay-attack" // in the name of all that an attack makes

// A tree of lowers with one of each kind of file, below boxes_folder; made once.
extern char host_canary[PATH_MAX];
// The port that attacks listen on, and knock at; another one in each program that runs beside us.
extern unsigned short host_port;

// Before the first test: make the canary, note the state of the host.
int host_note(void **state);
// After each: fails unless nothing is left alive and the host is as it was noted.
int host_check(void **state);
#define HOST_TEST(function) cmocka_unit_test_setup_teardown(function, host_note, host_check)

#endif
