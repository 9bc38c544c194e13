#include "data/tokenstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/file.h"
#include "data/text.h"

/* A row is its ids, its marks, and zeros up to the next multiple of four: ids are aligned. */
struct tokenstore {
    struct text mem;  /* what is not in the file */
    uint64_t in_file; /* bytes */
    const char *folder;
    size_t limit, longest; /* longest: bytes of a row */
    /* After sealing, if there is a file: rows that were read back, [TOKENSTORE_VIEWS, longest], and
     * which of them comes next. Reading from the file, not mapping it: neither the address space
     * nor the resident set grows with the data, and a disk's fault is a fault and not a signal. */
    unsigned char *views;
    unsigned turn;
    int failed; /* errno of the first row that could not be read back */
    int fd, users;
};

enum status tokenstore_open(struct tokenstore **out, size_t limit, const char *folder,
                            struct fault *f)
{
    struct tokenstore *s = calloc(1, sizeof *s);
    if (!s)
        return fault_nomem(f, "a store of tokens", sizeof *s);
    s->fd = -1;
    s->users = 1;
    s->limit = limit;
    s->folder = folder ? folder : access("/var/tmp", W_OK | X_OK) == 0 ? "/var/tmp" : "/tmp";
    *out = s;
    return ST_OK;
}

struct tokenstore *tokenstore_share(struct tokenstore *s)
{
    s->users++;
    return s;
}

void tokenstore_close(struct tokenstore **out)
{
    struct tokenstore *s = *out;
    *out = NULL;
    if (!s || --s->users > 0)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->views);
    text_free(&s->mem);
    free(s);
}

static enum status open_file(struct tokenstore *s, struct fault *f)
{
    struct text path = {0};
    enum status st = file_join(&path, s->folder, "wick-tokens-XXXXXX", f);
    if (st != ST_OK)
        return st;
    s->fd = mkostemp(path.p, O_CLOEXEC);
    if (s->fd < 0) {
        file_fault(f, "make a temporary file in", s->folder, errno);
        st = fault_remedy(f, "set TMPDIR to a folder with room for the tokens of the data");
    } else {
        unlink(path.p);
    }
    text_free(&path);
    return st;
}

/* Moves what is in memory to the file. */
static enum status spill(struct tokenstore *s, struct fault *f)
{
    if (s->fd < 0 && open_file(s, f) != ST_OK)
        return f->code;
    for (size_t at = 0; at < s->mem.n;) {
        size_t n = s->mem.n - at < (1u << 30) ? s->mem.n - at : 1u << 30;
        ssize_t put = pwrite(s->fd, s->mem.p + at, n, (off_t)s->in_file);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            file_fault(f, "write the tokens of the data to a temporary file in", s->folder, errno);
            return fault_remedy(f, "free some space there, or set TMPDIR to a folder with room");
        }
        at += (size_t)put;
        s->in_file += (uint64_t)put;
    }
    s->mem.n = 0;
    return ST_OK;
}

static size_t row_bytes(size_t n)
{
    return n * (sizeof(int32_t) + 1);
}

enum status tokenstore_add(struct tokenstore *s, uint64_t *at, const int32_t *ids,
                           const char *target, size_t n, struct fault *f)
{
    if (s->mem.n >= s->limit && spill(s, f) != ST_OK)
        return f->code;
    uint64_t where = s->in_file + s->mem.n;
    size_t before = s->mem.n;
    enum status st = text_add(&s->mem, (const char *)ids, n * sizeof *ids, f);
    if (st == ST_OK)
        st = text_add(&s->mem, target, n, f);
    if (st == ST_OK)
        st = text_add(&s->mem, "\0\0\0", (4 - n % 4) % 4, f);
    if (st != ST_OK) {
        s->mem.n = before;
        return st;
    }
    *at = where;
    s->longest = row_bytes(n) > s->longest ? row_bytes(n) : s->longest;
    return ST_OK;
}

enum status tokenstore_seal(struct tokenstore *s, struct fault *f)
{
    if (s->fd < 0)
        return ST_OK;
    if (spill(s, f) != ST_OK)
        return f->code;
    text_free(&s->mem);
    s->longest += (4 - s->longest % 4) % 4; /* so that every view is aligned */
    s->views = calloc(TOKENSTORE_VIEWS, s->longest);
    return s->views ? ST_OK : fault_nomem(f, "rows", TOKENSTORE_VIEWS * s->longest);
}

const int32_t *tokenstore_row(struct tokenstore *s, uint64_t at, size_t n)
{
    if (!s->views)
        return (const int32_t *)(const void *)(s->mem.p + at);
    unsigned char *view = s->views + s->longest * (s->turn++ % TOKENSTORE_VIEWS);
    size_t bytes = row_bytes(n);
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(s->fd, view + done, bytes - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            s->failed = s->failed ? s->failed : got < 0 ? errno : EIO;
            memset(view, 0, bytes);
            break;
        }
        done += (size_t)got;
    }
    return (const int32_t *)(const void *)view;
}

enum status tokenstore_check(const struct tokenstore *s, struct fault *f)
{
    if (!s->failed)
        return ST_OK;
    file_fault(f, "read the tokens of the data back from a temporary file in", s->folder,
               s->failed);
    return fault_remedy(f, "check that disk, or set TMPDIR to a folder on another");
}
