/* SHA-256 by a published vector, base64 both ways and strict. */
#include "lib/base/id.h"
#include "lib/crypto/digest.h"
#include "tests/unit/cunit.h"

static void test_sha256_vector(void)
{
    unsigned char d[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    digest_sha256("abc", 3, d); /* FIPS 180-2, appendix B.1 */
    id_hex(d, sizeof d, hex);
    CU_ASSERT_STRING_EQUAL(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_base64_round_trip(void)
{
    char data[100], text[DIGEST_BASE64_SIZE(100)];
    for (size_t len = 0; len <= sizeof data; len++) {
        struct err err;
        char back[102];
        size_t n = 0;
        id_random(data, sizeof data);
        size_t text_len = digest_base64_encode(data, len, text);
        CU_ASSERT_EQUAL(text_len, strlen(text));
        CU_ASSERT_EQUAL(digest_base64_decode(text, text_len, back, &n, &err), 0);
        CU_ASSERT(n == len && memcmp(back, data, len) == 0);
        CU_ASSERT_EQUAL(digest_base64_decode(text, text_len, text, &n, &err), 0); /* in place */
        CU_ASSERT(n == len && memcmp(text, data, len) == 0);
    }
}

static void test_base64_strict(void)
{
    static const char *const bad[] = {"A", "AAA", "A===", "AA=A", "=AAA", "AA\nA", "AA A", "AAAA=AAA", "AA==AAAA", "AA-_"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char out[16];
        size_t n = 99;
        struct err err;
        CU_ASSERT_EQUAL(digest_base64_decode(bad[i], strlen(bad[i]), out, &n, &err), -ERR_INVALID);
        CU_ASSERT_EQUAL(n, 99);
    }
}

TEST_MAIN("digest", TEST(test_sha256_vector), TEST(test_base64_round_trip), TEST(test_base64_strict))
