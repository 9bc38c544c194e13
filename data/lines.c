#include "data/lines.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/crc32c.h"
#include "data/file.h"

enum { CHUNK = 1 << 16 };

/* What the first 64 MiB may be made of, however few bytes. */
static const uint64_t EXPANSION_FREE = 1u << 26;

struct lines {
    char *path;
    int fd; /* or -1 */
    const unsigned char *memory;
    uint64_t size, read; /* of the raw bytes */
    uint32_t crc;
    bool zipped, inflating, member_done; /* member_done: a gzip member has ended, none has begun */
    z_stream z;
    uint64_t expanded;
    struct text buf; /* text that was not handed out: from `at` */
    size_t at;
    int number;                          /* of the line at `at` */
    bool array, array_begun, array_done; /* begun: an element was handed on */
    unsigned char raw[CHUNK], out[CHUNK];
};

static enum status not_whole(const struct lines *l, const char *what, struct fault *f)
{
    fault_set(f, ST_FORMAT, "%s is not a whole gzip file: %s", l->path, what);
    return fault_remedy(f, "get the file anew; gzip -t tells whether it is whole");
}

/* ---- raw bytes, text bytes ------------------------------------------------------------------- */

/* Reads the next piece of the file into raw; *n is 0 at its end. */
static enum status read_raw(struct lines *l, size_t *n, struct fault *f)
{
    uint64_t left = l->size - l->read;
    *n = left < CHUNK ? (size_t)left : CHUNK;
    if (*n == 0)
        return ST_OK;
    if (l->memory)
        memcpy(l->raw, l->memory + l->read, *n);
    else if (file_pread(l->fd, l->raw, *n, l->read, l->path, f) != ST_OK)
        return f->code;
    l->crc = crc32c(l->crc, l->raw, *n);
    l->read += *n;
    return ST_OK;
}

/* One step of inflation. */
static enum status inflate_some(struct lines *l, bool *ended, struct fault *f)
{
    size_t n = 0;
    if (l->z.avail_in == 0) {
        if (read_raw(l, &n, f) != ST_OK)
            return f->code;
        if (n == 0) {
            *ended = true;
            return l->member_done ? ST_OK : not_whole(l, "it ends too early", f);
        }
        l->z.next_in = l->raw;
        l->z.avail_in = (uInt)n;
    }
    if (l->member_done && inflateReset(&l->z) != Z_OK)
        return not_whole(l, "zlib cannot go on", f);
    l->member_done = false;
    l->z.next_out = l->out;
    l->z.avail_out = CHUNK;
    int code = inflate(&l->z, Z_NO_FLUSH);
    if (code == Z_MEM_ERROR)
        return fault_nomem(f, "inflating", CHUNK);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return not_whole(l, l->z.msg ? l->z.msg : "it holds something else", f);
    l->member_done = code == Z_STREAM_END;
    n = CHUNK - l->z.avail_out;
    l->expanded += n;
    if (l->expanded > EXPANSION_FREE + LINES_EXPANSION * l->read) {
        fault_set(f, ST_RANGE, "%s expands to more than %d times its size", l->path,
                  LINES_EXPANSION);
        return fault_remedy(f, "look at what it holds: no text is that regular");
    }
    return text_add(&l->buf, (const char *)l->out, n, f);
}

/* Appends some text to buf, or finds the end. */
static enum status fill(struct lines *l, bool *ended, struct fault *f)
{
    size_t n = 0;
    *ended = false;
    if (l->at > 0) {
        memmove(l->buf.p, l->buf.p + l->at, l->buf.n - l->at);
        l->buf.n -= l->at;
        l->at = 0;
    }
    if (l->zipped)
        return inflate_some(l, ended, f);
    if (read_raw(l, &n, f) != ST_OK)
        return f->code;
    *ended = n == 0;
    return text_add(&l->buf, (const char *)l->raw, n, f);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Sees to the byte order mark and the array's bracket. */
static enum status begin(struct lines *l, struct fault *f)
{
    bool ended = false;
    enum status s = ST_OK;
    while (s == ST_OK && !ended && l->buf.n < 4)
        s = fill(l, &ended, f);
    if (s == ST_OK && l->buf.n >= 3 && memcmp(l->buf.p, "\xEF\xBB\xBF", 3) == 0)
        l->at = 3;
    if (s != ST_OK || !(text_ends(l->path, ".json") || text_ends(l->path, ".json.gz")))
        return s;
    const char *p = l->buf.p + l->at;
    size_t n = l->buf.n - l->at, i = 0;
    while (i < n && strchr(" \t\r\n", p[i]) && p[i])
        l->number += p[i++] == '\n';
    l->array = i < n && p[i] == '[';
    if (l->array)
        l->at += i + 1;
    else
        l->number = 1;
    return ST_OK;
}

static enum status open_any(struct lines **out, const char *path, const void *bytes, size_t n,
                            struct fault *f)
{
    unsigned char magic[2] = {0};
    struct lines *l = calloc(1, sizeof *l);
    if (!l)
        return fault_nomem(f, "a reader of lines", sizeof *l);
    l->number = 1;
    l->fd = -1;
    l->memory = bytes;
    l->size = n;
    l->path = strdup(path);
    enum status s = l->path ? ST_OK : fault_nomem(f, "a path", strlen(path));
    if (s == ST_OK && !bytes)
        s = file_open(&l->fd, &l->size, path, f);
    if (s == ST_OK && l->size >= 2 && bytes)
        memcpy(magic, bytes, 2);
    else if (s == ST_OK && l->size >= 2)
        s = file_pread(l->fd, magic, 2, 0, path, f);
    l->zipped = magic[0] == 0x1f && magic[1] == 0x8b;
    if (s == ST_OK && !l->zipped && text_ends(path, ".gz"))
        s = not_whole(l, "it does not begin as one", f);
    if (s == ST_OK && l->zipped) {
        l->inflating = inflateInit2(&l->z, MAX_WBITS + 16) == Z_OK;
        s = l->inflating ? ST_OK : fault_nomem(f, "inflating", 1 << 16);
    }
    if (s == ST_OK)
        s = begin(l, f);
    if (s != ST_OK)
        lines_close(&l);
    else
        *out = l;
    return s;
}

enum status lines_open(struct lines **out, const char *path, struct fault *f)
{
    return open_any(out, path, NULL, 0, f);
}

enum status lines_open_memory(struct lines **out, const char *path, const void *bytes, size_t n,
                              struct fault *f)
{
    return open_any(out, path, bytes ? bytes : "", n, f);
}

void lines_close(struct lines **l)
{
    if (!*l)
        return;
    if ((*l)->inflating)
        inflateEnd(&(*l)->z);
    if ((*l)->fd >= 0)
        close((*l)->fd);
    text_free(&(*l)->buf);
    free((*l)->path);
    free(*l);
    *l = NULL;
}

uint32_t lines_crc(const struct lines *l)
{
    return l->crc;
}

uint64_t lines_size(const struct lines *l)
{
    return l->size;
}

uint64_t lines_done(const struct lines *l)
{
    return l->read;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static enum status too_long(const struct lines *l, struct fault *f)
{
    fault_set(f, ST_RANGE, "%s: line %d is longer than %d bytes", l->path, l->number,
              LINES_LONGEST);
    return fault_remedy(f, "a row is one line; cut the text into rows");
}

static enum status next_line(struct lines *l, struct line *at, struct fault *f)
{
    size_t seen = 0;
    for (;;) {
        size_t n = l->buf.n - l->at;
        const char *p = n > 0 ? l->buf.p + l->at : "";
        const char *nl = n > seen ? memchr(p + seen, '\n', n - seen) : NULL;
        bool ended = false;
        if (nl) {
            *at = (struct line){p, (size_t)(nl - p), l->number++};
            l->at += at->n + 1;
            return ST_OK;
        }
        seen = n;
        if (n > LINES_LONGEST || l->number == INT_MAX)
            return too_long(l, f);
        enum status s = fill(l, &ended, f);
        if (s != ST_OK)
            return s;
        if (ended) {
            *at = (struct line){n > 0 ? l->buf.p : NULL, n, l->number};
            l->at = l->buf.n;
            return ST_OK;
        }
    }
}

/* ---- elements of an array -------------------------------------------------------------------- */

struct scan {
    size_t i; /* from buf.p + at */
    int depth;
    bool in_string, escaped;
};

/* Moves past one character; true at the comma or bracket that ends the element. */
static bool scan_step(struct scan *c, char ch)
{
    if (c->in_string) {
        c->in_string = c->escaped || ch != '"';
        c->escaped = !c->escaped && ch == '\\';
    } else if (c->depth == 0 && (ch == ',' || ch == ']')) {
        return true;
    } else {
        c->in_string = ch == '"';
        c->depth += (ch == '{' || ch == '[') - (ch == '}' || ch == ']');
    }
    c->i++;
    return false;
}

static enum status bad_array(const struct lines *l, const char *what, struct fault *f)
{
    fault_set(f, ST_FORMAT, "%s: line %d: the array of rows %s", l->path, l->number, what);
    return fault_remedy(f, "the file is one JSON array of rows; or write a row a line as .jsonl");
}

/* After the array's end only white space may come. */
static enum status after_array(struct lines *l, struct fault *f)
{
    bool ended = false;
    enum status s = ST_OK;
    while (s == ST_OK && !ended) {
        for (; l->at < l->buf.n; l->at++)
            if (!strchr(" \t\r\n", l->buf.p[l->at]) || !l->buf.p[l->at])
                return bad_array(l, "is not the whole file", f);
        s = fill(l, &ended, f);
    }
    return s;
}

static enum status next_element(struct lines *l, struct line *at, struct fault *f)
{
    struct scan c = {0};
    *at = (struct line){NULL, 0, l->number};
    if (l->array_done)
        return after_array(l, f);
    for (;;) {
        while (l->at + c.i < l->buf.n) {
            char ch = l->buf.p[l->at + c.i];
            if (c.i == 0 && (ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n')) {
                l->at++;
                at->number = l->number += ch == '\n';
                continue;
            }
            if (scan_step(&c, ch)) {
                l->array_done = ch == ']';
                at->p = l->buf.p + l->at;
                at->n = c.i;
                l->at += c.i + 1;
                if (c.i == 0 && (l->array_begun || !l->array_done))
                    return bad_array(l, "has an empty element", f);
                l->array_begun = true;
                return c.i == 0 ? next_element(l, at, f) : ST_OK;
            }
            l->number += ch == '\n';
        }
        bool ended = false;
        if (c.i > LINES_LONGEST || l->number > INT_MAX - CHUNK)
            return too_long(l, f);
        enum status s = fill(l, &ended, f);
        if (s != ST_OK || ended)
            return s != ST_OK ? s : bad_array(l, "does not end", f);
    }
}

enum status lines_next(struct lines *l, struct line *at, struct fault *f)
{
    return l->array ? next_element(l, at, f) : next_line(l, at, f);
}

enum status lines_text(struct lines *l, struct text *to, size_t n, bool *ended, struct fault *f)
{
    enum status s = ST_OK;
    *ended = false;
    while (s == ST_OK && !*ended && n > 0) {
        size_t part = l->buf.n - l->at < n ? l->buf.n - l->at : n;
        if (part > 0)
            s = text_add(to, l->buf.p + l->at, part, f);
        l->at += part;
        n -= part;
        if (s == ST_OK && n > 0)
            s = fill(l, ended, f);
    }
    return s;
}
