#ifndef FORMATS_CHECK_H
#define FORMATS_CHECK_H
/*
 * check - are these streams and .safetensors files whole and sound?  Reads all of them:
 * checksums, framing, the chain of records, the end, and what each record holds.  Returns
 * when they are; at the first that is not, the reason goes to stderr and the process ends
 * with EXIT_NO.  A file that cannot be read at all is die_sys.
 */
void check_run(int n, char *const *paths);
#endif
