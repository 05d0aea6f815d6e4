/* chars - the class table and UTF-8 */
#include "common/bpe/chars.h"
#include "common/bpe/classes.inc"

int
char_write(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/*
 * The length of the well-formed sequence at u, or 0 with *bad the bytes of it that could
 * have begun one (Unicode, table 3-7: the second byte's range depends on the first).
 */
static size_t
sequence(const unsigned char *u, size_t n, size_t *bad)
{
    size_t want = u[0] < 0xC2 ? 0 : u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : u[0] < 0xF5 ? 4 : 0;
    unsigned low = u[0] == 0xE0 ? 0xA0 : u[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = u[0] == 0xED ? 0x9F : u[0] == 0xF4 ? 0x8F : 0xBF;
    size_t k = 1;

    *bad = 1;
    if (!want)
        return 0;
    for (; k < want; k++, low = 0x80, high = 0xBF) {
        if (k >= n || u[k] < low || u[k] > high) {
            *bad = k;
            return 0;
        }
    }
    return want;
}

size_t
char_valid(const char *s, size_t n, size_t *bad)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t i = 0, k, part;
    uint64_t eight;

    while (i < n) {
        if (i + 8 <= n) {
            __builtin_memcpy(&eight, u + i, 8);
            if (!(eight & 0x8080808080808080u)) {
                i += 8;
                continue;
            }
        }
        if (u[i] < 0x80) {
            i++;
            continue;
        }
        if (!(k = sequence(u + i, n - i, &part))) {
            if (bad)
                *bad = part;
            return i;
        }
        i += k;
    }
    return n;
}
