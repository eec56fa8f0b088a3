// SPDX-License-Identifier: MIT
// patched.h - apply <temp>/patch to a folder of the fixture, by git and by our own engine.
#ifndef ASSAY_TESTS_ENVS_PATCHED_H
#define ASSAY_TESTS_ENVS_PATCHED_H

#include "envs/fixture.h"

// <temp>/<tree> becomes what the patch makes of it, without empty folders. Fails the test, naming
// `round`, when the patch does not apply. An empty patch changes nothing.
void patched_by_git(struct fixture *f, const char *tree, int round);
void patched_by_engine(struct fixture *f, const char *tree, int round);

#endif
