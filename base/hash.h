// SPDX-License-Identifier: MIT
// hash.h - SHA-256 for content addresses (OpenSSL EVP), XXH3 for in-memory tables.
#ifndef ASSAY_BASE_HASH_H
#define ASSAY_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define ASSAY_SHA256_HEX_BYTES 65 // 64 digits and the NUL

struct assay_sha256; // opaque, owned

ASSAY_MUST_USE enum assay_status assay_sha256_create(
        struct assay_sha256 **out, struct assay_error *err);
void assay_sha256_add(struct assay_sha256 *sha, const void *bytes, size_t size);
// Add a field: its length as 8 little-endian bytes, then the bytes. Fields cannot run together.
void assay_sha256_field(struct assay_sha256 *sha, const void *bytes, size_t size);
void assay_sha256_field_text(
        struct assay_sha256 *sha, const char *text); // NULL as length UINT64_MAX
void assay_sha256_hex(struct assay_sha256 *sha, char hex[ASSAY_SHA256_HEX_BYTES]); // ends it
void assay_sha256_destroy(struct assay_sha256 *sha); // NULL is allowed

ASSAY_MUST_USE enum assay_status assay_sha256_bytes(
        char hex[ASSAY_SHA256_HEX_BYTES], const void *bytes, size_t size, struct assay_error *err);
// Whole content of an open file, from its start; the offset is not moved.
ASSAY_MUST_USE enum assay_status assay_sha256_fd(
        char hex[ASSAY_SHA256_HEX_BYTES], int fd, struct assay_error *err);

// HMAC of RFC 2104 over SHA-256.
#define ASSAY_HMAC_BYTES 32
ASSAY_MUST_USE enum assay_status assay_hmac_sha256(unsigned char out[ASSAY_HMAC_BYTES],
        const void *key, size_t key_size, const void *bytes, size_t size, struct assay_error *err);
// In a time that does not depend on what they hold.
bool assay_secrets_equal(const void *a, const void *b, size_t size);

// SHA-1 in base 64: what a WebSocket's handshake asks for, and nothing else does.
#define ASSAY_SHA1_BASE64_BYTES 29
ASSAY_MUST_USE enum assay_status assay_sha1_base64(
        char out[ASSAY_SHA1_BASE64_BYTES], const void *bytes, size_t size, struct assay_error *err);

// Bytes in base 64, in one line, appended. False: the buffer has failed.
bool assay_base64(struct assay_buf *out, const void *bytes, size_t size);

uint64_t assay_hash64(const void *bytes, size_t size); // XXH3, the same on every host; no proof

#endif
