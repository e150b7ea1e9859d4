/* base64.c: RFC 4648. */
#include "text/base64.h"

#include "base/alloc.h"
#include "base/error.h"

static int value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

diffulm_status dulm_base64(const char *text, size_t length, const char *key, const char *path,
                           unsigned char **out, size_t *size)
{
    while (length && text[length - 1] == '=')
        length--;
    unsigned char *bytes = dulm_alloc(length / 4 * 3 + 3, 1);
    if (!bytes)
        return dulm_fail_memory();
    uint32_t word = 0;
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        const int v = value(text[i]);
        if (v < 0) {
            dulm_free(bytes);
            return dulm_fail(DIFFULM_E_FORMAT, "%s: %s: not base64 at byte %zu", path, key, i);
        }
        word = word << 6 | (uint32_t)v;
        if (i % 4 > 0)
            bytes[n++] = (unsigned char)(word >> (6 - 2 * (i % 4)));
    }
    *out = bytes;
    *size = n;
    return DIFFULM_OK;
}
