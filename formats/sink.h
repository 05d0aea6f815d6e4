#ifndef FORMATS_SINK_H
#define FORMATS_SINK_H
/*
 * sink - bytes out: standard output, a FIFO or device written straight, or a regular file
 * written beside (FILE.tmp.PID), fsynced and renamed by sink_commit, so that FILE is
 * complete or untouched.  A process that dies leaves no temporary file (die_unlink).
 * A lost write is die_sys naming the file.  EPIPE kills by SIGPIPE as in any filter.
 * A FIFO's buffer is raised to 1 MiB where the kernel lets us.
 */
#include <stddef.h>
struct sink;
struct sink *sink_open(const char *path);   /* NULL or "-": standard output */
const char *sink_name(const struct sink *s);
int sink_terminal(const struct sink *s);    /* is it a terminal? */
int sink_regular(const struct sink *s);     /* is it a regular file? */
void sink_write(struct sink *s, const void *p, size_t n); /* buffered */
void sink_printf(struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sink_flush(struct sink *s);
void sink_commit(struct sink *s);           /* flush, fsync and rename (regular file), close, free */
void sink_abandon(struct sink *s);          /* close without committing: the temporary file goes */
void sink_file(const char *path, const void *p, size_t n); /* open, write, commit */
#endif
