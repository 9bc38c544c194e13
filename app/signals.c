#include "app/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t deferred, asked;

static void on_signal(int number)
{
    if (!deferred || asked)
        _exit(130);
    asked = number;
}

void signals_install(void)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    sigemptyset(&a.sa_mask);
    a.sa_handler = on_signal;
    a.sa_flags = SA_RESTART;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    a.sa_handler =
        SIG_IGN; /* a closed pipe or a size limit is an error of the write, not a death */
    sigaction(SIGPIPE, &a, NULL);
    sigaction(SIGXFSZ, &a, NULL);
}

void signals_defer(bool defer)
{
    deferred = defer;
}

bool signals_stop(void)
{
    return asked != 0;
}

bool signals_forgive(void)
{
    if (asked != SIGINT)
        return false;
    asked = 0;
    return true;
}
