/* SIGINT and SIGTERM, from main's first line. Outside a section that can stop by itself the
 * process ends at once with 130. Inside one (signals_defer(true)) the first signal only asks:
 * work that polls signals_stop() ends at its next safe point; a second signal ends the process
 * at once. */
#ifndef APP_SIGNALS_H
#define APP_SIGNALS_H

#include <stdbool.h>

void signals_install(void);
void signals_defer(bool defer);
bool signals_stop(void);
/* Takes a SIGINT back that asked for a stop; false if none did, or if SIGTERM did. */
bool signals_forgive(void);

#endif
