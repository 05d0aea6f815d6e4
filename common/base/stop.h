#ifndef BASE_STOP_H
#define BASE_STOP_H
/*
 * stop - a signal that asks a long run to end in good order.
 *
 *     stop_watch();
 *     while (work to do && !stop_asked()) ...
 *     save; exit with EXIT_STOPPED
 *
 * After stop_watch the first SIGINT, SIGTERM, SIGHUP or SIGUSR1 is only noted; any signal
 * after it removes temporary files (die_unlink) and ends the process at once.  A signal that
 * was ignored when the program began stays ignored.
 */
void stop_watch(void);
int stop_asked(void); /* the signal's number, or 0 */
#endif
