/* bytechar - bytes as printable characters */
#include "formats/bytechar.h"

static int
printable(uint32_t c)
{
    return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255);
}

uint32_t
bytechar_of(unsigned char byte)
{
    if (printable(byte))
        return byte;
    return byte <= 32 ? 256u + byte : byte <= 160 ? 256u + 33 + (byte - 127u) : 256u + 67;
}

int
bytechar_byte(uint32_t c)
{
    if (c < 256)
        return printable(c) ? (int)c : -1;
    if (c < 256 + 33)
        return (int)c - 256;
    if (c < 256 + 67)
        return (int)c - 256 - 33 + 127;
    return c == 256 + 67 ? 173 : -1;
}
