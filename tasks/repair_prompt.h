// SPDX-License-Identifier: MIT
// repair_prompt.h - a broken file and its failing test as text for a small model, and the model's
// answer as edits of lines.
//
//   prompt   ledger.py                              answer   5|        return self.total
//            1|class Ledger:
//            2|    def __init__(self, start):
//            ...
//            FAIL
//            ledger = Ledger(3)
//            self.assertEqual(ledger.balance(), 3)
//            AssertionError: 4 != 3
//            FIX
//
// An answer is 1 to ASSAY_ANSWER_EDITS_MAX lines, each one edit, in any order, numbers as the
// prompt has them:
//
//   N|TEXT   line N becomes TEXT, whose blanks in front count
//   N+TEXT   TEXT comes behind line N; 0: before the first
//   N-       line N goes
//
// Blanks and line feeds at the end of an answer, and blanks at the end of a line, are passed over.
// Nothing else is: no prose, no fences. docs/repair.md.
#ifndef ASSAY_TASKS_REPAIR_PROMPT_H
#define ASSAY_TASKS_REPAIR_PROMPT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"
#include "tasks/repair.h"

#define ASSAY_ANSWER_EDITS_MAX 8
#define ASSAY_ANSWER_BYTES_MAX 4096

// What is wrong with an answer, before anything is run.
enum assay_answer_fault {
    ASSAY_ANSWER_FINE,
    ASSAY_ANSWER_EMPTY,
    ASSAY_ANSWER_TOO_LONG,     // more than ASSAY_ANSWER_BYTES_MAX
    ASSAY_ANSWER_NOT_TEXT,     // NUL, another control character but tab, or no UTF-8
    ASSAY_ANSWER_NO_NUMBER,    // a line does not begin with one
    ASSAY_ANSWER_NO_MARK,      // none of | + - behind the number; text behind N-
    ASSAY_ANSWER_NO_SUCH_LINE, // the file has none of this number
    ASSAY_ANSWER_TWICE,        // two edits of one line
    ASSAY_ANSWER_TOO_MANY,     // more than ASSAY_ANSWER_EDITS_MAX
    ASSAY_ANSWER_NO_CHANGE,    // the file stays as it is
    ASSAY_ANSWER_FAULTS,
};
const char *assay_answer_fault_name(
        enum assay_answer_fault fault); // "fine", "empty", "too_long", ...

// The prompt, up to and with "FIX\n". `file` is the content of `path`.
void assay_repair_prompt(struct assay_buf *out, const char *path, struct assay_bytes file,
        const char *failing, const char *failure);
void assay_repair_prompt_of(struct assay_buf *out, const struct assay_repair_task *task);
// The part of a prompt that shows the file, here the one that nobody broke.
void assay_repair_reading_of(struct assay_buf *out, const struct assay_repair_task *task);
// Proof-reading: the file with a slip, no test; and its answer. Both empty where there is no slip.
void assay_repair_slip_of(
        struct assay_buf *prompt, struct assay_buf *answer, const struct assay_repair_task *task);
// The answer that is gold, with its line feed.
void assay_repair_answer_of(struct assay_buf *out, const struct assay_repair_task *task);

// The answer of someone who treats the symptom: the last line returns what the failing test asks
// for.
void assay_repair_symptom_of(struct assay_buf *out, const struct assay_repair_task *task);

// What an answer makes of the file, as a unified diff for the patch engine (tasks/patch.h): no
// tolerance is needed to apply it, and it holds nothing but what the answer says. fault: FINE, and
// *patch is set; or what is wrong, and *reason is a sentence. A wrong answer is no error.
// ASSAY_ENOMEM.
struct assay_answer {
    enum assay_answer_fault fault;
    const char *reason;       // NULL when fine
    struct assay_bytes patch; // in the arena
};
ASSAY_MUST_USE enum assay_status assay_answer_read(struct assay_answer *out, const char *path,
        struct assay_bytes file, struct assay_bytes answer, struct assay_arena *arena,
        struct assay_error *err);

// Whether an edit of the answer replaces or removes line `number`. For statistics: an answer that
// cannot be read as a whole is asked, too.
bool assay_answer_edits_line(struct assay_bytes answer, size_t number);

#endif
