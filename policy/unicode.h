// SPDX-License-Identifier: MIT
// unicode.h - text as code points, with the classes and the normal form of HF tokenizers.
//
// A text need not be UTF-8: a byte that is no part of a character is the code ASSAY_CODE_BYTE +
// byte, has no class, and comes back as that byte.
#ifndef ASSAY_POLICY_UNICODE_H
#define ASSAY_POLICY_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define ASSAY_CODE_BYTE 0x110000u

// Codes of bytes[0..len), into out[len]; returns how many.
size_t assay_codes_from_bytes(uint32_t *out, const char *bytes, size_t len);
// Append the bytes of the codes; false as for assay_buf_add().
bool assay_codes_to_bytes(struct assay_buf *buf, const uint32_t *codes, size_t count);

// The code itself, or an older code point of the same class when PCRE2 and utf8proc may not know
// this one as HF does.
uint32_t assay_code_class(uint32_t code);
bool assay_code_is_space(uint32_t code); // White_Space
bool assay_code_is_word(uint32_t code);  // \w

// NFC. *out [*out_count] is owned: free(). Linear. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_codes_nfc(uint32_t **out, size_t *out_count,
        const uint32_t *codes, size_t count, struct assay_error *err);

#endif
