// SPDX-License-Identifier: MIT
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

uint64_t assay_clock_us(void)
{
    struct timespec now = {0};
    const int rc = clock_gettime(CLOCK_MONOTONIC, &now);

    assert(rc == 0); // the clock exists on every Linux
    (void)rc;
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t assay_clock_ms(void)
{
    return assay_clock_us() / 1000;
}

void assay_clock_utc_ago(char out[ASSAY_TIME_TEXT_BYTES], uint64_t seconds_ago)
{
    struct timespec now = {0};
    struct tm utc = {0};
    char seconds[ASSAY_TIME_TEXT_BYTES];
    const int rc = clock_gettime(CLOCK_REALTIME, &now);

    assert(rc == 0);
    (void)rc;
    now.tv_sec -= (time_t)seconds_ago;
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(
            out, ASSAY_TIME_TEXT_BYTES, "%.19s.%03dZ", seconds, (int)(now.tv_nsec / 1000000));
}

void assay_clock_utc(char out[ASSAY_TIME_TEXT_BYTES])
{
    assay_clock_utc_ago(out, 0);
}

uint64_t assay_clock_utc_ms(const char *text)
{
    struct tm utc = {0};
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) : NULL;
    unsigned milliseconds = 0;
    time_t seconds;

    if (!rest || (*rest != '.' && *rest != 'Z'))
        return 0;
    seconds = timegm(&utc);
    for (unsigned i = 0, unit = 100; *rest == '.' && i < 3; i++, unit /= 10) {
        if (rest[1 + i] < '0' || rest[1 + i] > '9')
            break;
        milliseconds += (unsigned)(rest[1 + i] - '0') * unit;
    }
    return seconds < 0 ? 0 : (uint64_t)seconds * 1000 + milliseconds;
}

uint64_t assay_clock_now_ms(void)
{
    char now[ASSAY_TIME_TEXT_BYTES];

    assay_clock_utc(now);
    return assay_clock_utc_ms(now);
}

uint64_t assay_clock_left_ms(uint64_t deadline_ms)
{
    const uint64_t now_ms = assay_clock_ms();

    return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}
