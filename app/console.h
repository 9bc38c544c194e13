/* What people see: faults with their remedy, notes, and progress on long work. All of it goes to
 * standard error; results go to standard output. On a terminal progress is one line that is drawn
 * over; elsewhere it is a plain line every few seconds. --quiet leaves faults alone.
 *
 *     struct progress p;
 *     progress_begin(&p, "import", 0, total_bytes, PROGRESS_BYTES);
 *     progress_at(&p, done, "");
 *     progress_end(&p); */
#ifndef APP_CONSOLE_H
#define APP_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "data/json.h"
#include "kernels/status.h"

void console_quiet(bool quiet);
/* Whether the descriptor is a terminal that is to have colours: not with NO_COLOR set to something,
 * nor a dumb one. */
bool console_color(int fd);

/* Prints the fault and its remedy; returns the exit code: 1. */
int console_fail(const struct fault *f);
/* The same for a command line that could not be understood: 2 for ST_USAGE, else 1. */
int console_fail_usage(const struct fault *f);

/* Every text below may quote names out of hostile files: control characters (C0, DEL and C1), which
 * could move a terminal's cursor or begin a new line, are shown as question marks. */

/* A line for people, left out when quiet. */
void console_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A warning: as a note, in words that say so. */
void console_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line of a result, on standard output. */
void console_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* n bytes as they are, but for control characters that are not in keep ("\n\t"). */
void console_text(FILE *to, const char *p, size_t n, const char *keep);

/* Prints doc as one JSON value and a newline to standard output; every write is checked. Takes
 * doc. */
enum status console_json(struct json_doc *doc, struct fault *f);
/* Flushes standard output and reports a write that failed. */
enum status console_flush(struct fault *f);

enum progress_unit { PROGRESS_STEPS, PROGRESS_BYTES, PROGRESS_TOKENS };

struct progress {
    const char *what;
    uint64_t total, first; /* first: what was done before it began (a resumed run) */
    enum progress_unit unit;
    double began, drawn;
    bool on, any;
};

void progress_begin(struct progress *p, const char *what, uint64_t first, uint64_t total,
                    enum progress_unit unit);
void progress_at(struct progress *p, uint64_t done, const char *detail);
/* Makes room for other lines: removes a line that is drawn over. */
void progress_clear(struct progress *p);
void progress_end(struct progress *p);

double console_now(void); /* seconds, monotonic */
/* 1536 -> "1.5 KiB"; returns `to`. */
const char *console_bytes(char to[32], uint64_t bytes);
/* VmHWM: the most memory this process has had, mapped pages included. */
uint64_t console_peak_memory(void);
/* Seconds since this process started, by the kernel's account of it. */
double console_since_start(void);

#endif
