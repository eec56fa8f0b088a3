// SPDX-License-Identifier: MIT
// utf8.h - the one place that knows which byte sequences are UTF-8.
#ifndef ASSAY_BASE_UTF8_H
#define ASSAY_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

// Bytes of the character at bytes[0..left), 1 to 4; 0 when no valid one stands
// there (cut off, overlong, surrogate, above U+10FFFF) or left is 0.
size_t assay_utf8_length(const char *bytes, size_t left);

// The bytes of code point c (below 0x110000; halves of pairs are the caller's to refuse) into out,
// which has room for four; how many.
size_t assay_utf8_put(char *out, uint32_t c);

#endif
