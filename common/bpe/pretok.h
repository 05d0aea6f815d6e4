#ifndef BPE_PRETOK_H
#define BPE_PRETOK_H
/*
 * pretok - cutting text into the pieces that merges never cross.
 *
 * Each pattern is one function, found by the number that tokenizer.json's reader gave it
 * (formats/tokenizer.h).  It returns the length in bytes of the first piece of s[0..n),
 * which is valid UTF-8 with n > 0; the end of s counts as the end of the text.  Reads
 * nothing beyond s[n-1] and takes time linear in the piece (and the character after it).
 *
 * PATTERN_GPT2, from Radford et al. 2019, as the ByteLevel pre-tokenizer has it:
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 */
#include <stddef.h>
typedef size_t pretok_fn(const char *s, size_t n);
pretok_fn *pretok_find(int pattern); /* NULL: no such pattern */
#endif
