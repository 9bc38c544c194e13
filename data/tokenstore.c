#include "data/tokenstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/file.h"
#include "data/text.h"

/* A row is its ids, its marks, and zeros up to the next multiple of four: ids are aligned. */
struct tokenstore {
    struct text mem;    /* what is not in the file */
    uint64_t in_file;   /* bytes */
    unsigned char *map; /* after sealing, if there is a file */
    const char *folder;
    size_t limit;
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
    s->folder = folder;
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
    if (s->map)
        munmap(s->map, (size_t)s->in_file);
    if (s->fd >= 0)
        close(s->fd);
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
    if (s->fd < 0)
        st = file_fault(f, "make a temporary file in", s->folder, errno);
    else
        unlink(path.p);
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
    if (st == ST_OK)
        *at = where;
    else
        s->mem.n = before;
    return st;
}

enum status tokenstore_seal(struct tokenstore *s, struct fault *f)
{
    if (s->fd < 0)
        return ST_OK;
    if (spill(s, f) != ST_OK)
        return f->code;
    text_free(&s->mem);
    void *p = mmap(NULL, (size_t)s->in_file, PROT_READ, MAP_SHARED, s->fd, 0);
    if (p == MAP_FAILED)
        return file_fault(f, "map the temporary file in", s->folder, errno);
    s->map = p;
    return ST_OK;
}

static const unsigned char *byte_at(const struct tokenstore *s, uint64_t at)
{
    return (s->map ? s->map : (const unsigned char *)s->mem.p) + at;
}

const int32_t *tokenstore_ids(const struct tokenstore *s, uint64_t at)
{
    return (const int32_t *)(const void *)byte_at(s, at);
}

const uint8_t *tokenstore_targets(const struct tokenstore *s, uint64_t at, size_t n)
{
    return byte_at(s, at) + n * sizeof(int32_t);
}

bool tokenstore_spilled(const struct tokenstore *s)
{
    return s->fd >= 0;
}
