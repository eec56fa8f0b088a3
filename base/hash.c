// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { SHA1_BYTES = 20, SHA256_BYTES = 32, READ_BYTES = 32 * 1024 };

struct assay_sha256 {
    EVP_MD_CTX *context;
};

enum assay_status assay_sha256_create(struct assay_sha256 **out, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_sha256 *sha = calloc(1, sizeof(*sha));

    if (sha != NULL)
        sha->context = EVP_MD_CTX_new();
    if (sha == NULL || sha->context == NULL) {
        status = assay_fail(err, ASSAY_ENOMEM, "no memory for a SHA-256 state");
        goto out;
    }
    if (EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL) != 1) {
        status = assay_fail(err, ASSAY_ENOTFOUND, "OpenSSL offers no SHA-256");
        goto out;
    }
    *out = sha;
    sha = NULL;

out:
    assay_sha256_destroy(sha);
    return status;
}

void assay_sha256_add(struct assay_sha256 *sha, const void *bytes, size_t size)
{
    const int done = EVP_DigestUpdate(sha->context, bytes, size);

    assert(done == 1); // fails only on a state that was never begun or has ended
    (void)done;
}

static void add_length(struct assay_sha256 *sha, uint64_t length)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(length >> (8 * i));
    assay_sha256_add(sha, bytes, sizeof(bytes));
}

void assay_sha256_field(struct assay_sha256 *sha, const void *bytes, size_t size)
{
    add_length(sha, size);
    assay_sha256_add(sha, bytes, size);
}

void assay_sha256_field_text(struct assay_sha256 *sha, const char *text)
{
    if (text == NULL)
        add_length(sha, UINT64_MAX);
    else
        assay_sha256_field(sha, text, strlen(text));
}

void assay_sha256_hex(struct assay_sha256 *sha, char hex[ASSAY_SHA256_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_BYTES] = {0};
    const int done = EVP_DigestFinal_ex(sha->context, hash, NULL);

    assert(done == 1);
    (void)done;
    for (size_t i = 0; i < sizeof(hash); i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
    hex[2 * sizeof(hash)] = '\0';
}

void assay_sha256_destroy(struct assay_sha256 *sha)
{
    if (sha == NULL)
        return;
    EVP_MD_CTX_free(sha->context);
    free(sha);
}

enum assay_status assay_sha256_bytes(
        char hex[ASSAY_SHA256_HEX_BYTES], const void *bytes, size_t size, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_add(sha, bytes, size);
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

enum assay_status assay_sha256_fd(char hex[ASSAY_SHA256_HEX_BYTES], int fd, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_sha256 *sha = NULL;
    unsigned char bytes[READ_BYTES];
    off_t offset = 0;

    status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        goto out;
    for (;;) {
        const ssize_t got = pread(fd, bytes, sizeof(bytes), offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            status = assay_fail_errno(err, errno, "read for SHA-256");
            goto out;
        }
        if (got == 0)
            break;
        assay_sha256_add(sha, bytes, (size_t)got);
        offset += got;
    }
    assay_sha256_hex(sha, hex);

out:
    assay_sha256_destroy(sha);
    return status;
}

enum assay_status assay_hmac_sha256(unsigned char out[ASSAY_HMAC_BYTES], const void *key,
        size_t key_size, const void *bytes, size_t size, struct assay_error *err)
{
    assert(key_size <= INT_MAX);
    if (HMAC(EVP_sha256(), key, (int)key_size, bytes, size, out, NULL) == NULL)
        return assay_fail(err, ASSAY_ENOTFOUND, "OpenSSL offers no HMAC with SHA-256");
    return ASSAY_OK;
}

bool assay_secrets_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

enum assay_status assay_sha1_base64(
        char out[ASSAY_SHA1_BASE64_BYTES], const void *bytes, size_t size, struct assay_error *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (EVP_Digest(bytes, size, hash, &len, EVP_sha1(), NULL) != 1 || len != SHA1_BYTES)
        return assay_fail(err, ASSAY_ENOTFOUND, "OpenSSL offers no SHA-1");
    (void)EVP_EncodeBlock((unsigned char *)out, hash, (int)len);
    return ASSAY_OK;
}

bool assay_base64(struct assay_buf *out, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    unsigned char piece[(3 * 1024 / 3) * 4 + 1];
    bool added = !out->failed;

    // Whole threes but the last: no padding stands between two pieces.
    for (size_t at = 0; at < size && added; at += 3 * 1024) {
        const size_t len = size - at < 3 * 1024 ? size - at : 3 * 1024;
        const int made = EVP_EncodeBlock(piece, from + at, (int)len);

        added = assay_buf_add(out, piece, (size_t)made);
    }
    return added;
}

uint64_t assay_hash64(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}
