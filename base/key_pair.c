// SPDX-License-Identifier: MIT
#include "base/key_pair.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

bool assay_key_fits(
        const char *certificate, size_t certificate_len, const char *key, size_t key_len)
{
    char password[] = ""; // nobody is asked for one
    BIO *certificate_text = NULL, *key_text = NULL;
    X509 *x509 = NULL;
    EVP_PKEY *pkey = NULL;
    bool fits = false;

    if (certificate_len > INT_MAX || key_len > INT_MAX)
        return false;
    certificate_text = BIO_new_mem_buf(certificate, (int)certificate_len);
    key_text = BIO_new_mem_buf(key, (int)key_len);
    if (certificate_text)
        x509 = PEM_read_bio_X509(certificate_text, NULL, NULL, password);
    if (key_text)
        pkey = PEM_read_bio_PrivateKey(key_text, NULL, NULL, password);
    fits = x509 && pkey && X509_check_private_key(x509, pkey) == 1;
    EVP_PKEY_free(pkey);
    X509_free(x509);
    BIO_free(key_text);
    BIO_free(certificate_text);
    return fits;
}
