// SPDX-License-Identifier: MIT
// counter_text.h - other expected values, a line at a time. Internal to counter*.c.
#ifndef ASSAY_REWARDS_COUNTER_TEXT_H
#define ASSAY_REWARDS_COUNTER_TEXT_H

#include "rewards/canary_plant.h"

enum assay_counter_shape {
    ASSAY_COUNTER_SCRIPT, // strings in either quotes
    ASSAY_COUNTER_C,      // '...' is a character, or no string at all
    ASSAY_COUNTER_DATA,   // no program: cases, what is to come out
    ASSAY_COUNTER_PROSE,  // data without numbers or strings: a word is the value
    ASSAY_COUNTER_NONE,   // settings of a build or a runner: left alone
};
// By its name; a script may have none, but a first line that names its interpreter.
enum assay_counter_shape assay_counter_shape_of(const char *path, struct assay_bytes content);

// The line with another expected value; NULL: none is seen in it. `described`: a string at its end
// is what the test is called. *sure: it stands beside an operator of comparison; what does not is
// no expected value where it names a file of bed->source: whoever compares nothing would fail for
// want of the file, like whoever is honest.
const char *assay_counter_line(struct assay_canary_bed *bed, struct assay_text line,
        enum assay_counter_shape shape, bool described, bool *sure);

// Does a function or test begin here?
bool assay_counter_begins_test(struct assay_text line);

#endif
