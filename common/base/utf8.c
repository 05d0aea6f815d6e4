#include "common/base/utf8.h"

size_t
utf8_character(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char a = s[0];
    if (a < 0x80)
        return 1;
    const size_t want = a < 0xC2 ? 0 : a < 0xE0 ? 2 : a < 0xF0 ? 3 : a < 0xF5 ? 4 : 0;
    if (!want || n < want)
        return 0;
    const unsigned char low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < want; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return want;
}
