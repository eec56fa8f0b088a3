// SPDX-License-Identifier: MIT
// error.h - the error value: a status that is returned and a reason the caller owns.
//
// A function that can fail returns enum assay_status and takes
// `struct assay_error *err` last. On ASSAY_OK, *err is untouched and every out
// parameter is set. On failure, *err holds the reason and out parameters are
// untouched. err may be NULL when only the code matters.
//
// A bug is an assert, bad input is a status. A test that fails or a patch that
// does not apply is a result, not an error, to whoever asked for a verdict.
#ifndef ASSAY_BASE_ERROR_H
#define ASSAY_BASE_ERROR_H

#define ASSAY_PRINTF(format_index, first_index)                                                    \
    __attribute__((format(printf, format_index, first_index)))
#define ASSAY_MUST_USE __attribute__((warn_unused_result))

enum assay_status {
    ASSAY_OK = 0,
    ASSAY_EINVAL,       // the caller or its input broke the contract
    ASSAY_EUSAGE,       // the command line is wrong
    ASSAY_ENOTFOUND,    // the named thing does not exist
    ASSAY_ENOMEM,       // memory, or a bound that the caller set, ran out
    ASSAY_EIO,          // a system call failed; sys_errno says how
    ASSAY_EPATCH,       // the patch does not parse or does not apply
    ASSAY_ETIMEOUT,     // a wall-clock or CPU budget ran out
    ASSAY_ECONFLICT,    // exists already, or is in use
    ASSAY_EREFUSED,     // a rule of ours forbids it (tier too low, path escape)
    ASSAY_EINTERRUPTED, // the user asked to stop
    ASSAY_ECUDA,
};

// A plain 256-byte value, so that assay-box can write() one whole record to
// its parent.
#define ASSAY_ERROR_MESSAGE_BYTES 248
struct assay_error {
    enum assay_status status;
    int sys_errno;                           // 0 when no system call was involved
    char message[ASSAY_ERROR_MESSAGE_BYTES]; // always NUL-terminated, outermost context first
};

// Fill *err and return `status`, so a failing path reads as one statement.
enum assay_status assay_fail(
        struct assay_error *err, enum assay_status status, const char *fmt, ...) ASSAY_PRINTF(3, 4);

// Like assay_fail(ASSAY_EIO), with ": <text of sys_errno>" appended.
enum assay_status assay_fail_errno(struct assay_error *err, int sys_errno, const char *fmt, ...)
        ASSAY_PRINTF(3, 4);

// Prefix "context: " to an error that is on its way up; returns its status. With
// a NULL err it cannot know that status and returns ASSAY_EIO: a caller whose
// err may be NULL keeps the status and ignores this one.
enum assay_status assay_wrap(struct assay_error *err, const char *fmt, ...) ASSAY_PRINTF(2, 3);

// The static analyzer cannot look into another file: without this it follows
// paths on which a failure returned ASSAY_OK.
#ifdef __clang_analyzer__
#define assay_fail(err, status, ...) ((assay_fail)((err), (status), __VA_ARGS__), (status))
#define assay_fail_errno(...) ((assay_fail_errno)(__VA_ARGS__), ASSAY_EIO)
#endif

// Lower-case name without prefix ("einval"); borrowed, static.
const char *assay_status_name(enum assay_status status);

#endif
