#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H
/*
 * progress - a line on stderr that is redrawn, when stderr is a terminal and -q is not given;
 * otherwise nothing, except that progress_note lines print at most every `every` seconds.
 */
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));      /* redraw, at most 10 a second */
void progress_note(double every, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* plain line when no terminal */
void progress_clear(void);   /* erase the line before other output */
double progress_clock(void); /* monotonic seconds */
#endif
