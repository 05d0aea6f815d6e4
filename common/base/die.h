#ifndef BASE_DIE_H
#define BASE_DIE_H
/*
 * die - the only way out of a program that has failed.
 *
 * Each verb prints "TOOL: MESSAGE" on stderr, runs the hooks, and exits with the status
 * that names whose fault it was.  None returns.  Message grammar:
 *     tool: what went wrong 'subject': reason
 * lower case, no full stop; it names the file and the line, record or byte, and the
 * option to change if there is one.
 */
enum {
    EXIT_OK = 0,      /* done, every byte written */
    EXIT_NO = 1,      /* the answer is no: a gate missed, a check failed, files differ */
    EXIT_USAGE = 2,   /* the caller asked for nonsense; nothing was read */
    EXIT_DATA = 3,    /* input malformed, truncated, of the wrong kind or shape, not finite */
    EXIT_SYS = 4,     /* file, memory or device failed; retrying may help */
    EXIT_STOPPED = 5  /* interrupted, checkpoint saved */
};

#ifdef __cplusplus
extern "C" {
#endif
#define PRINTF_LIKE(a, b) __attribute__((format(printf, a, b)))
#define DIE_FN __attribute__((noreturn)) void PRINTF_LIKE(1, 2)

extern const char *argv0; /* the tool's name, set by opt_parse */
extern int quiet;         /* -q: warn() prints nothing */

DIE_FN die_usage(const char *fmt, ...); /* 2; adds "; try --help" */
DIE_FN die_data(const char *fmt, ...);  /* 3 */
DIE_FN die_sys(const char *fmt, ...);   /* 4; adds ": strerror(errno)" when errno is set */

/* "TOOL: warning: MESSAGE" on stderr, unless quiet. */
void PRINTF_LIKE(1, 2) warn(const char *fmt, ...);

/*
 * Hooks run once each, last added first, when a die verb fires (not on a normal exit).
 * status and message are those of the death; a hook that itself dies ends the process with
 * the first status.  At most DIE_HOOKS live hooks; adding more is a programmer's error.
 */
enum { DIE_HOOKS = 16 };
typedef void die_hook_fn(void *arg, int status, const char *message);
void die_hook(die_hook_fn *fn, void *arg);
void die_unhook(die_hook_fn *fn, void *arg);

/*
 * Temporary files: unlinked when the process dies by a verb or by SIGINT, SIGTERM, SIGHUP,
 * SIGPIPE or SIGUSR1 (the signal is then raised again).  The path is copied.  A directory
 * goes when it is empty once the files are gone.
 */
void die_unlink(const char *path);
void die_keep(const char *path); /* it has been renamed into place: forget it */
void die_of_signal(int sig);     /* a signal handler: temporary files go, then sig kills */

void stdout_close(void); /* flush and close stdout; die_sys if any write was lost */
#ifdef __cplusplus
}
#endif
#endif
