#include "common/base/stop.h"
#include <signal.h>
#include <stddef.h>
#include "common/base/die.h"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
static volatile sig_atomic_t asked;

static void
set(void (*handler)(int))
{
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction a = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;
        if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &a, NULL);
    }
}

static void
note(int sig)
{
    asked = sig;
    set(die_of_signal);
}

void
stop_watch(void)
{
    set(note);
}

int
stop_asked(void)
{
    return asked;
}
