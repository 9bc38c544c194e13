#include "data/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "data/file.h"
#include "data/json.h"
#include "data/safetensors_impl.h"
#include "data/text.h"

struct shard {
    char *path;
    struct file_map map;
    struct safetensors_part part;
};

struct safetensors {
    struct shard *shards;
    size_t shard_count, shard_cap;
    struct safetensors_entry *p; /* of all shards, in name order */
    size_t n;
};

static const size_t INDEX_MAX = 100000000;

static enum status add_shard(struct safetensors *st, const char *path, struct fault *f)
{
    if (st->shard_count == st->shard_cap) {
        size_t cap = 2 * st->shard_cap + 4;
        struct shard *p = realloc(st->shards, cap * sizeof *p);
        if (!p)
            return fault_nomem(f, path, cap * sizeof *p);
        st->shards = p;
        st->shard_cap = cap;
    }
    struct shard *s = &st->shards[st->shard_count];
    *s = (struct shard){.path = strdup(path)};
    if (!s->path)
        return fault_nomem(f, path, strlen(path));
    st->shard_count++;
    if (file_map_open(&s->map, path, f) != ST_OK)
        return f->code;
    return safetensors_parse(&s->part, s->map.p, s->map.n, path, f);
}

static int by_name(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    return strcmp(x->t.name, y->t.name);
}

/* Puts the entries of all shards into one list in name order. */
static enum status join_shards(struct safetensors *st, const char *path, struct fault *f)
{
    size_t n = 0;
    for (size_t s = 0; s < st->shard_count; s++)
        n += st->shards[s].part.n;
    st->p = calloc(n + 1, sizeof *st->p);
    if (!st->p)
        return fault_nomem(f, path, n * sizeof *st->p);
    for (size_t s = 0; s < st->shard_count; s++) {
        for (size_t i = 0; i < st->shards[s].part.n; i++) {
            st->p[st->n] = st->shards[s].part.p[i];
            st->p[st->n++].shard = s;
        }
    }
    qsort(st->p, st->n, sizeof *st->p, by_name);
    for (size_t i = 1; i < st->n; i++) {
        if (strcmp(st->p[i - 1].t.name, st->p[i].t.name) != 0)
            continue;
        fault_set(f, ST_FORMAT, "%s: tensor %.120s stands in two shards", path, st->p[i].t.name);
        return fault_remedy(f, "download or save the model again");
    }
    return ST_OK;
}

/* Appends a name relative to the index's folder, without "." parts, so that a file has one name.
 * Nothing outside of the folder can be named. */
static enum status name_add(struct text *to, const char *index, const char *name, struct fault *f)
{
    size_t before = to->n, n;
    bool inside = *name != '/';
    for (const char *p = name; inside && *p; p += n + (p[n] == '/')) {
        n = strcspn(p, "/");
        inside = n != 2 || memcmp(p, "..", 2) != 0;
        if (n == 0 || (n == 1 && *p == '.'))
            continue;
        if ((to->n > before && text_adds(to, "/", f) != ST_OK) || text_add(to, p, n, f) != ST_OK)
            return f->code;
    }
    if (inside && to->n > before)
        return ST_OK;
    fault_set(f, ST_FORMAT, "%s: the shard \"%.80s\" is not a file in the same folder or below it",
              index, name);
    return fault_remedy(f, "put the file there, and write its name relative to the folder into "
                           "weight_map");
}

/* The number of the shard called name, opened if it was not yet. */
static enum status find_shard(size_t *out, struct safetensors *st, const char *index,
                              const char *name, struct fault *f)
{
    struct text path = {0};
    const char *slash = strrchr(index, '/');
    enum status s = text_add(&path, index, slash ? (size_t)(slash + 1 - index) : 0, f);
    if (s == ST_OK)
        s = name_add(&path, index, name, f);
    size_t i = st->shard_count; /* neighbours in weight_map share a shard */
    while (s == ST_OK && i > 0 && strcmp(st->shards[i - 1].path, path.p) != 0)
        i--;
    *out = i > 0 ? i - 1 : st->shard_count;
    if (s == ST_OK && i == 0)
        s = add_shard(st, path.p, f);
    if (s == ST_ABSENT) {
        fault_set(f, ST_ABSENT, "%s names the shard %.80s, which is not there", index, name);
        fault_remedy(f, "download the missing shard into the same folder");
    }
    text_free(&path);
    return s;
}

/* Opens every shard, then looks for every tensor where the index says that it is. */
static enum status read_index(struct safetensors *st, const struct json *map, const char *path,
                              struct fault *f)
{
    size_t shard;
    if (json_kind(map) != JSON_OBJECT)
        return fault_set(f, ST_FORMAT, "%s: \"weight_map\" is not an object", path);
    for (const struct json *v = json_first(map); v; v = json_next(v)) {
        if (!json_string(v))
            return fault_set(f, ST_FORMAT, "%s: the shard of %.120s is not a string", path,
                             json_key(v));
        if (find_shard(&shard, st, path, json_string(v), f) != ST_OK)
            return f->code;
    }
    if (join_shards(st, path, f) != ST_OK)
        return f->code;
    for (const struct json *v = json_first(map); v; v = json_next(v)) {
        const struct tensor *t = safetensors_find(st, json_key(v));
        const struct safetensors_entry *e = (const void *)t;
        if (find_shard(&shard, st, path, json_string(v), f) != ST_OK)
            return f->code;
        if (e && e->shard == shard)
            continue;
        fault_set(f, ST_FORMAT, "%s: tensor %.120s is not in the shard %.80s", path, json_key(v),
                  json_string(v));
        return fault_remedy(f, "download or save the model again");
    }
    return ST_OK;
}

static enum status open_index(struct safetensors *st, const char *path, struct fault *f)
{
    struct text t = {0};
    struct json_doc *doc = NULL;
    enum status s = file_read(&t, path, INDEX_MAX, f);
    if (s == ST_OK)
        s = json_parse(&doc, t.p, t.n, path, f);
    if (s == ST_OK)
        s = read_index(st, json_get(json_root(doc), "weight_map"), path, f);
    json_close(&doc);
    text_free(&t);
    return s;
}

/* The file that stands for a model folder: of both, the single one, as in transformers. */
static enum status find_in_folder(struct text *to, const char *folder, struct fault *f)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    for (size_t i = 0; i < 2; i++) {
        to->n = 0;
        if (file_join(to, folder, names[i], f) != ST_OK)
            return f->code;
        if (file_kind(to->p) != FILE_ABSENT)
            return ST_OK;
    }
    fault_set(f, ST_ABSENT, "%s holds no model.safetensors", folder);
    return fault_remedy(f,
                        "give a folder with safetensors weights; pickled .bin files are not read");
}

enum status safetensors_open(struct safetensors **out, const char *path, struct fault *f)
{
    struct text found = {0};
    struct safetensors *st = calloc(1, sizeof *st);
    if (!st)
        return fault_nomem(f, path, sizeof *st);
    if (file_kind(path) == FILE_FOLDER && find_in_folder(&found, path, f) != ST_OK)
        goto fail;
    if (found.p)
        path = found.p;
    if (text_ends(path, ".index.json")) {
        if (open_index(st, path, f) != ST_OK)
            goto fail;
    } else if (add_shard(st, path, f) != ST_OK || join_shards(st, path, f) != ST_OK) {
        goto fail;
    }
    text_free(&found);
    *out = st;
    return ST_OK;
fail:
    text_free(&found);
    safetensors_close(&st);
    return f->code;
}

void safetensors_close(struct safetensors **st)
{
    if (!*st)
        return;
    for (size_t s = 0; s < (*st)->shard_count; s++) {
        safetensors_part_free(&(*st)->shards[s].part);
        file_map_close(&(*st)->shards[s].map);
        free((*st)->shards[s].path);
    }
    free((*st)->shards);
    free((*st)->p);
    free(*st);
    *st = NULL;
}

size_t safetensors_count(const struct safetensors *st)
{
    return st->n;
}

const struct tensor *safetensors_tensor(const struct safetensors *st, size_t i)
{
    return &st->p[i].t;
}

const struct tensor *safetensors_find(const struct safetensors *st, const char *name)
{
    struct safetensors_entry key = {.t.name = name};
    const struct safetensors_entry *e =
        st->n ? bsearch(&key, st->p, st->n, sizeof key, by_name) : NULL;
    return e ? &e->t : NULL;
}

const void *safetensors_data(const struct safetensors *st, const struct tensor *t)
{
    const struct safetensors_entry *e = (const void *)t;
    return st->shards[e->shard].map.p + e->at;
}

void safetensors_release(const struct safetensors *st, const struct tensor *t)
{
    const struct safetensors_entry *e = (const void *)t;
    file_map_release(&st->shards[e->shard].map, e->at, t->bytes);
}
