// SPDX-License-Identifier: MIT
// key_pair.h - whether a private key is that of a certificate.
#ifndef ASSAY_BASE_KEY_PAIR_H
#define ASSAY_BASE_KEY_PAIR_H

#include <stdbool.h>
#include <stddef.h>

// Both PEM. Of a chain the first certificate counts. False, too: either cannot be read, or the key
// wants a password.
bool assay_key_fits(
        const char *certificate, size_t certificate_len, const char *key, size_t key_len);

#endif
