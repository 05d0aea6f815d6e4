#ifndef FORMATS_JSONOUT_H
#define FORMATS_JSONOUT_H
/*
 * jsonout - writing JSON: strings with minimal escapes, floats as %.9g (F32) or %.17g (F64),
 * NaN and infinities as null, '.' as the decimal point whatever the locale.  Bytes of s that
 * are not UTF-8 become U+FFFD: what is written is always JSON.
 */
#include <stddef.h>
struct buf;
void jsonout_string(struct buf *b, const char *s, size_t n); /* with quotes; s is UTF-8 */
void jsonout_f32(struct buf *b, float f);
void jsonout_f64(struct buf *b, double d);
void jsonout_digits(struct buf *b, double d, int digits); /* %.*g */
#endif
