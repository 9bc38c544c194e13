#include "app/console.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static bool quiet;

void console_quiet(bool q)
{
    quiet = q;
}

bool console_color(int fd)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fd) && !(no && *no) && !(terminal && strcmp(terminal, "dumb") == 0);
}

/* For faults that come without a remedy of their own. */
static const char *general_remedy(enum status code)
{
    switch (code) {
    case ST_NOMEM: return "close other programs, or use a smaller batch, sequence length or model";
    case ST_IO: return "check the disk's room and the permissions";
    case ST_ABSENT: return "check the name";
    case ST_FORMAT: return "get the file anew from where it came; it may be cut short or altered";
    case ST_DEVICE:
    case ST_NODEVICE: return "wick devices lists what there is; --device cpu always works";
    case ST_NUMERIC: return "lower --learning-rate, and check the base with wick inspect --verify";
    case ST_RANGE: return "wick COMMAND --help tells what may be given";
    case ST_INTERRUPTED: return "begin it again when you like";
    default: return "wick --help tells what is there";
    }
}

void console_text(FILE *to, const char *p, size_t n, const char *keep)
{
    size_t shown = 0;
    for (size_t i = 0, at = 0; i < n; at = i) {
        uint32_t c = utf8_next(p, n, &i);
        unsigned char byte = (unsigned char)p[at];
        if (c == 0xffffffff && byte < 0xa0) /* not UTF-8, and C1 in a terminal that is not */
            c = byte;
        if ((c >= ' ' && c < 127) || c >= 160 || (c && strchr(keep, (int)c)))
            continue;
        fwrite(p + shown, 1, at - shown, to);
        fputc('?', to);
        shown = i;
    }
    fwrite(p + shown, 1, n - shown, to);
}

static void put_line(FILE *to, const char *text)
{
    console_text(to, text, strlen(text), "");
    fputc('\n', to);
}

static void put_format(FILE *to, const char *fmt, va_list ap)
{
    char brief[1000], *p = brief;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(brief, sizeof brief, fmt, ap);
    if (n >= (int)sizeof brief && (p = malloc((size_t)n + 1)) != NULL)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    put_line(to, p ? p : brief); /* short of memory: its beginning */
    va_end(again);
    if (p != brief)
        free(p);
}

int console_fail(const struct fault *f)
{
    const char *remedy = f->remedy[0] ? f->remedy : general_remedy(f->code);
    fputs(quiet || !isatty(2) ? "" : "\r\033[K", stderr);
    fputs(quiet || !console_color(2) ? "wick: " : "\033[31mwick:\033[0m ", stderr);
    put_line(stderr, f->text);
    fputs("      ", stderr);
    put_line(stderr, remedy);
    return 1;
}

int console_fail_usage(const struct fault *f)
{
    console_fail(f);
    return f->code == ST_USAGE ? 2 : 1;
}

void console_note(const char *fmt, ...)
{
    va_list ap;
    if (quiet)
        return;
    va_start(ap, fmt);
    put_format(stderr, fmt, ap);
    va_end(ap);
}

void console_warn(const char *fmt, ...)
{
    va_list ap;
    if (quiet)
        return;
    fputs("warning: ", stderr);
    va_start(ap, fmt);
    put_format(stderr, fmt, ap);
    va_end(ap);
}

void console_line(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_format(stdout, fmt, ap);
    va_end(ap);
}

enum status console_flush(struct fault *f)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return ST_OK;
    if (errno != EPIPE)
        return fault_set(f, ST_IO, "standard output could not be written: %s", strerror(errno));
    fault_set(f, ST_IO, "what reads standard output ended before all was written");
    return fault_remedy(f, "that is as it should be behind head; else let it read to the end, or "
                           "write to a file");
}

enum status console_json(struct json_doc *doc, struct fault *f)
{
    struct text t = {0};
    if (!doc)
        return fault_nomem(f, "the result", 0);
    enum status s = json_print(&t, doc, false, f);
    json_close(&doc);
    if (s == ST_OK) {
        fwrite(t.p, 1, t.n, stdout);
        fputc('\n', stdout);
        s = console_flush(f);
    }
    text_free(&t);
    return s;
}

double console_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *console_bytes(char to[32], uint64_t bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    int u = 0;
    while (v >= 1024 && u < 4) {
        v /= 1024;
        u++;
    }
    snprintf(to, 32, v < 10 && u > 0 ? "%.1f %s" : "%.0f %s", v, unit[u]);
    return to;
}

uint64_t console_peak_memory(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *p = fopen("/proc/self/status", "r");
    while (p && fgets(line, sizeof line, p))
        if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
            break;
    if (p)
        fclose(p);
    return kib * 1024;
}

double console_since_start(void)
{
    char line[1024];
    unsigned long long ticks = 0;
    struct timespec now;
    FILE *p = fopen("/proc/self/stat", "r");
    if (p && fgets(line, sizeof line, p)) {
        const char *after = strrchr(line, ')'); /* the name may hold anything */
        if (after)
            sscanf(after + 1,
                   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                   "%llu",
                   &ticks);
    }
    if (p)
        fclose(p);
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec -
           (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* ---- progress -------------------------------------------------------------------------------- */

void progress_begin(struct progress *p, const char *what, uint64_t first, uint64_t total,
                    enum progress_unit unit)
{
    *p = (struct progress){what, total, first, unit, console_now(), 0, !quiet, false};
    p->drawn = p->began;
}

static void format_time(char to[24], double s)
{
    if (s < 0 || s > 360000)
        snprintf(to, 24, "--:--");
    else if (s >= 3600)
        snprintf(to, 24, "%d:%02d:%02d", (int)s / 3600, (int)s / 60 % 60, (int)s % 60);
    else
        snprintf(to, 24, "%d:%02d", (int)s / 60, (int)s % 60);
}

static void format_rate(char to[40], const struct progress *p, double per_second)
{
    char b[32];
    switch (p->unit) {
    case PROGRESS_BYTES: snprintf(to, 40, "%s/s", console_bytes(b, (uint64_t)per_second)); break;
    case PROGRESS_TOKENS: snprintf(to, 40, "%.0f tok/s", per_second); break;
    default:
        if (per_second >= 1)
            snprintf(to, 40, "%.1f/s", per_second);
        else
            snprintf(to, 40, "%.1f s each", per_second > 0 ? 1 / per_second : 0);
    }
}

static void draw_bar(char *to, size_t cells, double part)
{
    static const char *const eighth[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    double full = part * (double)cells;
    size_t whole = (size_t)full, n = 0;
    for (size_t i = 0; i < cells; i++) {
        const char *cell = i < whole                ? "█"
                           : i == whole && part < 1 ? eighth[(size_t)((full - (double)whole) * 8)]
                                                    : " ";
        size_t len = strlen(cell);
        memcpy(to + n, cell, len);
        n += len;
    }
    to[n] = '\0';
}

void progress_at(struct progress *p, uint64_t done, const char *detail)
{
    double now = console_now(), part;
    bool tty = isatty(2), last = done >= p->total;
    if (!p->on || (now - p->drawn < (tty ? 0.1 : 10.0) && !(last && p->any)))
        return;
    if (!tty && now - p->drawn < 2.0 && last)
        return;
    p->drawn = now;
    p->any = true;
    part = p->total ? (double)done / (double)p->total : 1;
    part = part > 1 ? 1 : part;
    double rate = now > p->began ? (double)(done - p->first) / (now - p->began) : 0;
    char left[24], per[40], bar[20 * 3 + 1];
    format_time(left, rate > 0 ? (double)(p->total - (last ? p->total : done)) / rate : -1);
    format_rate(per, p, rate);
    draw_bar(bar, 20, part);
    if (tty)
        fprintf(stderr, "\r\033[K%s %3.0f%% %s%s%s %s, %s left%s", p->what, 100 * part,
                console_color(2) ? "\033[36m" : "", bar, console_color(2) ? "\033[0m" : "", per,
                left, *detail ? ", " : "");
    else
        fprintf(stderr, "%s %3.0f%%, %s, %s left%s", p->what, 100 * part, per, left,
                *detail ? ", " : "");
    console_text(stderr, detail, strlen(detail), "");
    fputs(tty ? "" : "\n", stderr);
    fflush(stderr);
}

void progress_clear(struct progress *p)
{
    if (p->on && p->any && isatty(2))
        fputs("\r\033[K", stderr);
}

void progress_end(struct progress *p)
{
    progress_clear(p);
    p->on = false;
}
