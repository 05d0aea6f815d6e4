#ifndef BASE_UTF8_H
#define BASE_UTF8_H
/* utf8 - where characters end. */
#include <stddef.h>
/* Bytes of the character at s[0..n), n > 0; 0 when it is not one (Unicode table 3-7). */
size_t utf8_character(const char *s, size_t n);
#endif
