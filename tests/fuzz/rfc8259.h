#ifndef FUZZ_RFC8259_H
#define FUZZ_RFC8259_H
/*
 * rfc8259 - does a text match the grammar of RFC 8259?  A second opinion, written for being
 * plain rather than fast, on what the JSON reader takes and refuses.
 */
#include <stddef.h>
struct rfc8259 {      /* known when the grammar fits */
    size_t depth;     /* of containers */
    size_t number;    /* bytes of the longest number */
    int beyond;       /* a number that 64 bits or a double cannot hold */
    int lone;         /* an escaped surrogate without its partner */
    int members;      /* the most members of one object */
};
/* s[0..n) is any bytes (UTF-8 is not looked at); 1: one value, with blanks around it. */
int rfc8259(const char *s, size_t n, struct rfc8259 *facts);
#endif
