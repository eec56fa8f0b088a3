// SPDX-License-Identifier: MIT
// What must hold: a content address is the SHA-256 that everyone else computes, and two different
// lists of fields never have one address.
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/harness.h"
#include "support/temp.h"

// FIPS 180-4 examples, and "a" a million times from the same set.
static const char hash_of_nothing[] =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char hash_of_abc[] =
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char hash_of_million_a[] =
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void known_answers_come_out(void **state)
{
    static const struct {
        const char *text;
        const char *hex;
    } rows[] = {
            {"", hash_of_nothing},
            {"abc", hash_of_abc},
            {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char hex[ASSAY_SHA256_HEX_BYTES];

        print_message("row %zu\n", i);
        assert_int_equal(
                assay_sha256_bytes(hex, rows[i].text, strlen(rows[i].text), NULL), ASSAY_OK);
        assert_string_equal(hex, rows[i].hex);
    }
}

static void pieces_hash_like_the_whole(void **state)
{
    struct assay_sha256 *sha = NULL;
    char piece[1000];
    char hex[ASSAY_SHA256_HEX_BYTES];

    (void)state;
    memset(piece, 'a', sizeof(piece));
    assert_int_equal(assay_sha256_create(&sha, NULL), ASSAY_OK);
    for (int i = 0; i < 1000; i++)
        assay_sha256_add(sha, piece, sizeof(piece));
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    assay_sha256_destroy(NULL);
    assert_string_equal(hex, hash_of_million_a);
}

static void hash_fields(char hex[ASSAY_SHA256_HEX_BYTES], const char *const *fields, size_t count)
{
    struct assay_sha256 *sha = NULL;

    assert_int_equal(assay_sha256_create(&sha, NULL), ASSAY_OK);
    for (size_t i = 0; i < count; i++)
        assay_sha256_field_text(sha, fields[i]);
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
}

static void fields_cannot_run_together(void **state)
{
    static const struct {
        const char *fields[3];
        size_t count;
    } rows[] = {
            {{"ab", "c"}, 2},
            {{"a", "bc"}, 2},
            {{"abc"}, 1},
            {{"abc", ""}, 2},
            {{"", "abc"}, 2},
            {{"abc", NULL}, 2},
            {{NULL, "abc"}, 2},
    };
    char hex[sizeof(rows) / sizeof(rows[0])][ASSAY_SHA256_HEX_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hash_fields(hex[i], rows[i].fields, rows[i].count);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(hex[i], hex[j]);
    }
}

static void a_field_is_its_length_and_its_bytes(void **state)
{
    static const char *const abc[] = {"abc"};
    char by_field[ASSAY_SHA256_HEX_BYTES];
    char by_hand[ASSAY_SHA256_HEX_BYTES];

    (void)state;
    hash_fields(by_field, abc, 1);
    assert_int_equal(assay_sha256_bytes(by_hand, "\3\0\0\0\0\0\0\0abc", 11, NULL), ASSAY_OK);
    assert_string_equal(by_field, by_hand);
}

static void a_file_is_hashed_from_its_start_and_stays_where_it_was(void **state)
{
    const struct assay_temp *temp = *state;
    char hex[ASSAY_SHA256_HEX_BYTES];
    int fd = -1;

    assay_temp_write(temp, "f", "abc");
    fd = openat(temp->fd, "f", O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    assert_int_equal(assay_sha256_fd(hex, fd, NULL), ASSAY_OK);
    assert_string_equal(hex, hash_of_abc);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 2);
    close(fd);
}

static void a_directory_cannot_be_hashed_and_the_out_parameter_is_untouched(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    char hex[ASSAY_SHA256_HEX_BYTES] = "untouched";

    assert_int_equal(assay_sha256_fd(hex, temp->fd, &err), ASSAY_EIO);
    assert_int_equal(err.sys_errno, EISDIR);
    assert_string_equal(err.message, "read for SHA-256: Is a directory");
    assert_string_equal(hex, "untouched");
}

static void the_table_hash_is_xxh3(void **state)
{
    (void)state;
    assert_true(assay_hash64("", 0) == UINT64_C(0x2d06800538d394c2)); // of the reference
    assert_true(assay_hash64("a", 1) != assay_hash64("b", 1));
}

// RFC 6455 has this handshake as its example.
static void a_handshake_is_answered(void **state)
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char out[ASSAY_SHA1_BASE64_BYTES];

    (void)state;
    assert_int_equal(assay_sha1_base64(out, key, sizeof(key) - 1, NULL), ASSAY_OK);
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

// Case 2 of RFC 4231.
static void a_known_hmac_comes_out(void **state)
{
    static const unsigned char want[ASSAY_HMAC_BYTES] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75,
            0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d,
            0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    static const char text[] = "what do ya want for nothing?";
    unsigned char out[ASSAY_HMAC_BYTES];

    (void)state;
    assert_int_equal(assay_hmac_sha256(out, "Jefe", 4, text, sizeof(text) - 1, NULL), ASSAY_OK);
    assert_true(assay_secrets_equal(out, want, sizeof(want)));
    out[31] ^= 1;
    assert_false(assay_secrets_equal(out, want, sizeof(want)));
}

// RFC 4648's, and bytes that take more than one piece.
static void base_64_has_no_breaks(void **state)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    static const char zeros[3 * 1024 * 2 + 1];
    struct assay_buf text;

    (void)state;
    assay_buf_init(&text, 1 << 16);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assay_buf_clear(&text);
        assert_true(assay_base64(&text, rows[i].bytes, strlen(rows[i].bytes)));
        assert_string_equal(text.data, rows[i].text);
    }
    assay_buf_clear(&text);
    assert_true(assay_base64(&text, zeros, sizeof(zeros)));
    assert_int_equal(text.len, 4 * (2 * 1024 + 1));
    assert_int_equal(strspn(text.data, "A"), text.len - 2);
    assay_buf_free(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(known_answers_come_out),
            cmocka_unit_test(a_known_hmac_comes_out),
            cmocka_unit_test(a_handshake_is_answered),
            cmocka_unit_test(base_64_has_no_breaks),
            cmocka_unit_test(pieces_hash_like_the_whole),
            cmocka_unit_test(fields_cannot_run_together),
            cmocka_unit_test(a_field_is_its_length_and_its_bytes),
            cmocka_unit_test_setup_teardown(a_file_is_hashed_from_its_start_and_stays_where_it_was,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    a_directory_cannot_be_hashed_and_the_out_parameter_is_untouched,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test(the_table_hash_is_xxh3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
