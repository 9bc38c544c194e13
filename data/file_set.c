#include "data/file_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_set_part {
    struct file_out out; /* not open: a file to drop */
    char *path, *aside;  /* aside: where the old file is while names change hands */
    bool direct;         /* a device or a pipe: there are no names to change */
    bool there;          /* an old file stood there when the commit began */
    bool moved, named;   /* it is aside; the new one may have its name */
};

static enum status add_part(struct file_set *s, const char *path, struct file_set_part **out,
                            struct fault *f)
{
    if (s->n == s->cap) {
        size_t cap = 2 * s->cap + 8;
        struct file_set_part *p = realloc(s->p, cap * sizeof *p);
        if (!p)
            return fault_nomem(f, path, cap * sizeof *p);
        s->p = p;
        s->cap = cap;
    }
    struct text aside = {0};
    char *copy = strdup(path);
    if (!copy || text_addf(&aside, f, "%s.old.tmp", path) != ST_OK) {
        free(copy);
        return fault_nomem(f, path, strlen(path));
    }
    *out = &s->p[s->n++];
    **out = (struct file_set_part){.out = {.fd = -1}, .path = copy, .aside = aside.p};
    return ST_OK;
}

enum status file_set_open(struct file_set *s, struct file_out **o, const char *path,
                          struct fault *f)
{
    struct file_out out = {0};
    struct file_set_part *part;
    if (file_out_open(&out, path, f) != ST_OK)
        return f->code;
    if (add_part(s, out.path, &part, f) != ST_OK) { /* out.path: links have been followed */
        file_out_abort(&out);
        return f->code;
    }
    part->out = out;
    part->direct = out.temp == NULL;
    *o = &part->out;
    return ST_OK;
}

struct file_out *file_set_at(const struct file_set *s, size_t i)
{
    return i < s->n ? &s->p[i].out : NULL;
}

enum status file_set_write(struct file_set *s, const char *path, const void *bytes, size_t n,
                           struct fault *f)
{
    struct file_out *o = NULL;
    enum status st = file_set_open(s, &o, path, f);
    return st == ST_OK ? file_out_write(o, bytes, n, f) : st;
}

enum status file_set_drop(struct file_set *s, const char *path, struct fault *f)
{
    struct file_set_part *part;
    return add_part(s, path, &part, f);
}

/* Before any name changes, so that a full disk is told while nothing has been touched. What else an
 * fsync may say is file_out_commit's to judge. */
static enum status sync_all(struct file_set *s, struct fault *f)
{
    for (size_t i = 0; i < s->n; i++) {
        struct file_set_part *p = &s->p[i];
        if (p->out.temp && fsync(p->out.fd) != 0 &&
            (errno == EIO || errno == ENOSPC || errno == EDQUOT))
            return file_fault(f, "write", p->path, errno);
    }
    return ST_OK;
}

static enum status move_aside(struct file_set *s, struct fault *f)
{
    for (size_t i = s->n; i-- > 0;) {
        struct file_set_part *p = &s->p[i];
        if (!p->there)
            continue;
        if (rename(p->path, p->aside) != 0)
            return file_fault(f, "replace", p->path, errno);
        p->moved = true;
    }
    return ST_OK;
}

enum status file_set_commit(struct file_set *s, struct fault *f)
{
    size_t concerned = 0; /* names that change */
    struct stat st;
    if (sync_all(s, f) != ST_OK)
        return f->code;
    for (size_t i = 0; i < s->n; i++) {
        struct file_set_part *p = &s->p[i];
        p->there = !p->direct && lstat(p->path, &st) == 0;
        concerned += p->out.open || p->there;
        if (p->there && S_ISDIR(st.st_mode))
            return file_fault(f, "replace", p->path, EISDIR);
    }
    if (concerned > 1 && move_aside(s, f) != ST_OK)
        return f->code;
    for (size_t i = 0; i < s->n; i++) {
        struct file_set_part *p = &s->p[i];
        if (!p->out.open)
            continue;
        p->named = true;
        if (file_out_commit(&p->out, f) != ST_OK)
            return f->code;
    }
    for (size_t i = 0; i < s->n; i++) {
        struct file_set_part *p = &s->p[i];
        if (concerned > 1) /* also what a killed process left */
            unlink(p->aside);
        p->moved = p->named = false;
    }
    file_set_abort(s); /* there is nothing left to undo */
    return ST_OK;
}

/* The last comes back last, and only if all others did. */
void file_set_abort(struct file_set *s)
{
    bool back = true;
    for (size_t i = 0; i < s->n; i++) {
        struct file_set_part *p = &s->p[i];
        file_out_abort(&p->out);
        if (p->moved)
            back = back && rename(p->aside, p->path) == 0;
        else if (p->named && !p->direct && !p->there)
            unlink(p->path);
        free(p->path);
        free(p->aside);
    }
    free(s->p);
    *s = (struct file_set){0};
}
