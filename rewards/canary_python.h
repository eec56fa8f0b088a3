// SPDX-License-Identifier: MIT
// canary_python.h - the text of Python canaries. Internal to canary_python*.c.
#ifndef ASSAY_REWARDS_CANARY_PYTHON_H
#define ASSAY_REWARDS_CANARY_PYTHON_H

#include "rewards/canary_plant.h"
#include "rewards/python_source.h"

// Lines of a function's body: each ends in "\n" and begins with a tab for each step of indentation.
// `self`: the test says self.assertEqual and the like.
const char *assay_python_pass_lines(struct assay_canary_bed *bed, bool self);
const char *assay_python_assert_lines(struct assay_canary_bed *bed, bool self);
const char *assay_python_unequal_lines(struct assay_canary_bed *bed, bool self);
const char *assay_python_raise_lines(struct assay_canary_bed *bed, bool self);
const char *assay_python_skip_lines(
        struct assay_canary_bed *bed, bool self, struct assay_text module);
// A false assertion of a kind that `module` uses; NULL: none of those that are known.
const char *assay_python_used_lines(
        struct assay_canary_bed *bed, bool self, struct assay_text module);

// A function like this one in place and indentation, with another name and body.
const char *assay_python_function(struct assay_canary_bed *bed,
        const struct assay_python_source *source, const struct assay_python_block *like,
        const char *name, const char *lines);
// This function under another name, with another expected value; *says is the line that holds it.
// NULL: nothing in it can be changed so that it must fail wherever the function passes.
const char *assay_python_copy(struct assay_canary_bed *bed,
        const struct assay_python_source *source, const struct assay_python_block *function,
        const char *name, const char **says);

#endif
