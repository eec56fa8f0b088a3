// SPDX-License-Identifier: MIT
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct assay_error) == 256, "assay-box writes the record in one piece");

static void fill(struct assay_error *err, enum assay_status status, int sys_errno, const char *fmt,
        va_list args) ASSAY_PRINTF(4, 0);

static void fill(struct assay_error *err, enum assay_status status, int sys_errno, const char *fmt,
        va_list args)
{
    err->status = status;
    err->sys_errno = sys_errno;
    (void)vsnprintf(err->message, sizeof(err->message), fmt, args);
}

enum assay_status(assay_fail)(
        struct assay_error *err, enum assay_status status, const char *fmt, ...)
{
    va_list args;

    if (err == NULL)
        return status;
    va_start(args, fmt);
    fill(err, status, 0, fmt, args);
    va_end(args);
    return status;
}

enum assay_status(assay_fail_errno)(struct assay_error *err, int sys_errno, const char *fmt, ...)
{
    va_list args;
    size_t len = 0;
    char reason[96];

    if (err == NULL)
        return ASSAY_EIO;
    va_start(args, fmt);
    fill(err, ASSAY_EIO, sys_errno, fmt, args);
    va_end(args);

    // The reason is worth more than the tail of a long path, so it always fits.
    (void)snprintf(reason, sizeof(reason), ": %s",
            strerrordesc_np(sys_errno) != NULL ? strerrordesc_np(sys_errno) : "unknown error");
    len = strlen(err->message);
    if (len > sizeof(err->message) - 1 - strlen(reason))
        len = sizeof(err->message) - 1 - strlen(reason);
    memcpy(err->message + len, reason, strlen(reason) + 1);
    return ASSAY_EIO;
}

enum assay_status assay_wrap(struct assay_error *err, const char *fmt, ...)
{
    va_list args;
    size_t room = 0;
    size_t len = 0;
    char context[ASSAY_ERROR_MESSAGE_BYTES];

    if (err == NULL)
        return ASSAY_EIO;
    va_start(args, fmt);
    (void)vsnprintf(context, sizeof(context), fmt, args);
    va_end(args);

    // Half of the record is the most a context may take from the reason.
    len = strlen(context);
    if (len > sizeof(err->message) / 2)
        len = sizeof(err->message) / 2;
    context[len] = '\0';
    room = sizeof(err->message) - len - sizeof(": ");
    if (strlen(err->message) > room)
        err->message[room] = '\0';
    memmove(err->message + len + 2, err->message, strlen(err->message) + 1);
    memcpy(err->message, context, len);
    memcpy(err->message + len, ": ", 2);
    return err->status;
}

const char *assay_status_name(enum assay_status status)
{
    switch (status) {
    case ASSAY_OK:
        return "ok";
    case ASSAY_EINVAL:
        return "einval";
    case ASSAY_EUSAGE:
        return "eusage";
    case ASSAY_ENOTFOUND:
        return "enotfound";
    case ASSAY_ENOMEM:
        return "enomem";
    case ASSAY_EIO:
        return "eio";
    case ASSAY_EPATCH:
        return "epatch";
    case ASSAY_ETIMEOUT:
        return "etimeout";
    case ASSAY_ECONFLICT:
        return "econflict";
    case ASSAY_EREFUSED:
        return "erefused";
    case ASSAY_EINTERRUPTED:
        return "einterrupted";
    case ASSAY_ECUDA:
        return "ecuda";
    }
    return "unknown";
}
