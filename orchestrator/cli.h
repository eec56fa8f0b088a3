// SPDX-License-Identifier: MIT
// cli.h - the command table: one description from which options are parsed and help is written.
#ifndef ASSAY_ORCHESTRATOR_CLI_H
#define ASSAY_ORCHESTRATOR_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "tasks/instance.h"

// What main() returns.
enum assay_exit {
    ASSAY_EXIT_OK = 0, // did its job; an unresolved patch is a result
    ASSAY_EXIT_FAILED = 1,
    ASSAY_EXIT_USAGE = 2,
    ASSAY_EXIT_INCOMPLETE = 3, // finished, but some instances have no verdict (listed)
    ASSAY_EXIT_INTERRUPTED = 130,
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which tables read
struct assay_option {
    const char *name;  // long name without dashes
    char letter;       // 0: none
    const char *value; // placeholder of its value; NULL: a flag
    const char *help;
    bool repeats; // may be given more than once
};

struct assay_invocation;

struct assay_command {
    const char *name;                   // "eval", "suite add"
    const char *arguments;              // "SUITE", for the usage line
    const char *summary;                // one line
    const char *example;                // real lines, each starting with "assay"
    const struct assay_option *options; // ends with a NULL name; the common ones are added
    size_t argument_min, argument_max;
    enum assay_exit (*run)(struct assay_invocation *invocation);
    bool options_first; // options end at the first argument: the rest is another command's line
    // How long it may take after the first signal (0: 5 s). A command that says so ends what it has
    // in hand, and its own exit status stands.
    unsigned stop_s;
};

// A parsed command line. Borrows argv.
struct assay_invocation {
    const struct assay_command *command;
    char *const *arguments; // positional, borrowed from argv
    size_t argument_count;
    const struct assay_given {
        const struct assay_option *option;
        const char *value; // NULL for flags
    } * given;
    size_t given_count;
    struct assay_log log;
    const volatile bool *interrupted; // set when the user asked to stop
    const char *command_line;         // as typed, for records
};

bool assay_cli_flag(const struct assay_invocation *invocation, const char *name);
// The last value given, or NULL.
const char *assay_cli_value(const struct assay_invocation *invocation, const char *name);
// The i-th value of an option that repeats, or NULL past the end.
const char *assay_cli_value_at(
        const struct assay_invocation *invocation, const char *name, size_t index);
// All of them, in the arena. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_cli_values(struct assay_strings *out,
        const struct assay_invocation *invocation, const char *option, struct assay_arena *arena,
        struct assay_error *err);
// A whole number in [min, max]; *out untouched when the option is absent.
ASSAY_MUST_USE enum assay_status assay_cli_number(uint64_t *out,
        const struct assay_invocation *invocation, const char *name, uint64_t min, uint64_t max,
        struct assay_error *err);

// A finite number; *out untouched when the option is absent.
ASSAY_MUST_USE enum assay_status assay_cli_real(double *out,
        const struct assay_invocation *invocation, const char *name, struct assay_error *err);

// Find the command, parse, run. `commands` ends with a NULL name.
enum assay_exit assay_cli_main(const struct assay_command *commands, int argc, char **argv);

// Print "assay: <message>" for an error that ends a command; returns the exit status for it.
enum assay_exit assay_cli_fail(const struct assay_error *err);

// Print a buffer, with a newline at its end, on stdout, and free it. ASSAY_ENOMEM, ASSAY_ELIMIT of
// the buffer, or the error of writing: a full disk is not taken for a result.
ASSAY_MUST_USE enum assay_status assay_cli_print(struct assay_buf *text, struct assay_error *err);

// Foreign text for people: control bytes, which a terminal would obey, become '?'.
void assay_cli_put(FILE *out, const char *text);

// Quote `text` for a shell if it needs it.
void assay_cli_quote(FILE *out, const char *text);

#endif
