// SPDX-License-Identifier: MIT
// mini.h - the miniature of docs/cispo.md: programs of three lines "op arg", each broken in one
// place, and patches in a vocabulary of operations.
//
// A program works on x, which begins as a: x = x + b, x = min(x, 6), ... 45 lines are possible, so
// 91,125 programs. What a policy reads and writes are single characters, each a token; they lie
// side by side, so that with two special tokens in front all ids are below 33:
//
//   + - * < >    plus, minus, times, min, max        $ % &  4 ... 9   arguments: a b c, constants
//   0 1 2 3      places of lines                     = . ; ? !        operations of a patch
//
//   prompt   +$*5<6:0+$1<6,   what was meant (3 lines), then the file's lines with their places
//   answer   =0+   line 0 gets operator +            ?1*5  before line 1 comes "* 5"
//            .0$   line 0 gets argument a            !2    line 2 goes
//            ;01   lines 0 and 1 change places
//
// A task is also a task of tasks/repair.h: a real file with a unit test of twelve calls, and an
// answer becomes edits of its lines (repair_prompt.h). Nothing is run here.
#ifndef ASSAY_TASKS_MINI_H
#define ASSAY_TASKS_MINI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/repair.h"

enum assay_mini_kind { // of what is broken, and of the operation that mends it
    ASSAY_MINI_OP,
    ASSAY_MINI_ARG,
    ASSAY_MINI_SWAP,
    ASSAY_MINI_INSERT, // a line is missing
    ASSAY_MINI_DELETE, // there is one too many
    ASSAY_MINI_KINDS,
};
const char *assay_mini_kind_name(enum assay_mini_kind kind); // "op", "arg", "swap", ...

// No program is in two of them, whatever is broken in it.
enum assay_mini_split {
    ASSAY_MINI_SFT,  // 4 of 10 programs
    ASSAY_MINI_RL,   // 5 of 10
    ASSAY_MINI_HELD, // 1 of 10
};

struct assay_mini_task {
    enum assay_mini_kind kind;
    size_t line_count;                 // of the broken program
    struct assay_bytes prompt, answer; // answer: the demonstration
    bool astray;                       // the demonstration is wrong, on purpose
    struct assay_repair_task repair;
};

// Task `index` of this seed; everything is in the arena. Each kind is as frequent as another; a
// mutation that the twelve calls do not tell is not drawn. `rare` in [0, 1], for SFT: the share of
// demonstrations for swap, insert and delete that are right; below 1, half of those for op and arg
// are wrong, too. A wrong one takes the fault for a wrong argument. ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_mini_draw(struct assay_mini_task *out,
        enum assay_mini_split split, uint64_t seed, uint64_t index, double rare,
        struct assay_arena *arena, struct assay_error *err);

// The answer as edits of the file's lines. What is no operation, or names a line that is not there,
// gives "?", which is no edit either.
void assay_mini_edits(
        struct assay_buf *out, const struct assay_mini_task *task, struct assay_bytes answer);

#endif
