#ifndef FORMATS_SPOOL_H
#define FORMATS_SPOOL_H
/*
 * spool - something that is read twice must be a regular file: one is named as it is,
 * standard input, a FIFO or a device is copied to a temporary file first.
 */
struct spool;
struct spool *spool_open(const char *path);         /* "-": standard input.  die_sys on failure */
const char *spool_path(const struct spool *s);      /* what to open */
void spool_close(struct spool *s);                  /* removes the copy.  Accepts NULL */
#endif
