#ifndef BASE_WAIT_H
#define BASE_WAIT_H
/*
 * wait - how long OpenMP's threads spin for one another before they sleep.
 *
 * libgomp spins 300,000 rounds by default, some 16 ms: where another process has one of the
 * processors, every barrier costs a time slice (40 times slower training was seen).  It
 * reads GOMP_SPINCOUNT before main, so wait_briefly sets it and runs the program again, as
 * the same process.  Call it first in main; it returns where the caller's environment has
 * a wish of its own, or when the program cannot be run again.
 */
void wait_briefly(char **argv);
#endif
