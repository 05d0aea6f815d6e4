#ifndef FORMATS_BYTECHAR_H
#define FORMATS_BYTECHAR_H
/*
 * bytechar - the characters that byte-level vocabularies are written in (Radford et al.
 * 2019): bytes 33-126, 161-172 and 174-255 stand for themselves, the other 68 in increasing
 * order are U+0100 and on, so that no token holds a blank or a control character.
 */
#include <stdint.h>
uint32_t bytechar_of(unsigned char byte);
int bytechar_byte(uint32_t c); /* the byte that c stands for, or -1 */
#endif
