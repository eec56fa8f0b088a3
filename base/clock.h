// SPDX-License-Identifier: MIT
// clock.h - monotonic time for durations, UTC for records.
#ifndef ASSAY_BASE_CLOCK_H
#define ASSAY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t assay_clock_ms(void); // CLOCK_MONOTONIC
uint64_t assay_clock_us(void);

// RFC 3339 UTC with milliseconds, "2026-11-24T07:00:00.123Z".
#define ASSAY_TIME_TEXT_BYTES 32
void assay_clock_utc(char out[ASSAY_TIME_TEXT_BYTES]);
// Likewise, of so many seconds ago.
void assay_clock_utc_ago(char out[ASSAY_TIME_TEXT_BYTES], uint64_t seconds_ago);
// Milliseconds since 1970 of such a text, and of now; 0: it is no such text.
uint64_t assay_clock_utc_ms(const char *text);
uint64_t assay_clock_now_ms(void);

// Milliseconds left until `deadline_ms` (on assay_clock_ms()'s scale), 0 when past.
uint64_t assay_clock_left_ms(uint64_t deadline_ms);

#endif
