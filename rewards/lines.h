// SPDX-License-Identifier: MIT
// lines.h - texts as difflib sees them: characters or lines as numbers, and what turns one text
// into another. Pure.
#ifndef ASSAY_REWARDS_LINES_H
#define ASSAY_REWARDS_LINES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "rewards/difflib.h"
#include "tasks/instance.h"

// Code points of UTF-8; a byte that is no part of a character is 0xDC00 + itself, as Python's
// surrogateescape has it. In the arena.
ASSAY_MUST_USE enum assay_status assay_text_points(struct assay_sequence *out,
        struct assay_bytes text, struct assay_arena *arena, struct assay_error *err);

// Lines as Python's str.splitlines() cuts them (at \n, \r\n, \r, \v, \f, \x1c to \x1e, U+0085,
// U+2028, U+2029), without their ends. They point into the text.
struct assay_lines {
    struct assay_bytes *items;
    size_t count;
};
ASSAY_MUST_USE enum assay_status assay_text_lines(struct assay_lines *out, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err);

// One step from old to new: lines old_begin .. old_end become lines new_begin .. new_end. Where
// both ranges are as long and `equal`, they are the same lines.
struct assay_opcode {
    bool equal;
    size_t old_begin, old_end, new_begin, new_end;
};
// SequenceMatcher(None, old, new).get_opcodes(), autojunk and all. In the arena.
ASSAY_MUST_USE enum assay_status assay_lines_opcodes(struct assay_opcode **out, size_t *count,
        const struct assay_lines *old_lines, const struct assay_lines *new_lines,
        struct assay_arena *arena, struct assay_error *err);

// "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="")) without its two
// header lines, appended; nothing when the lines are the same. Whoever reads *out checks it.
ASSAY_MUST_USE enum assay_status assay_unified_diff(struct assay_buf *out,
        struct assay_bytes old_text, struct assay_bytes new_text, struct assay_arena *arena,
        struct assay_error *err);

#endif
