/* What the rows show: ends, beginnings, copies. */
#include <stdlib.h>
#include <string.h>

#include "data/audit_impl.h"
#include "data/json.h"

/* ---- special tokens in texts ----------------------------------------------------------------- */

enum status audit_list_specials(struct audit *a, struct fault *f)
{
    const struct tokenizer *t = a->o.tokenizer;
    int size = tokenizer_size(t);
    for (int id = 0; id < size; id++) {
        const char *text = tokenizer_is_special(t, id) ? tokenizer_piece(t, id) : NULL;
        if (!text || strlen(text) < 2)
            continue;
        struct special *p = realloc(a->special, (a->specials + 1) * sizeof *p);
        if (!p)
            return fault_nomem(f, "the special tokens", (a->specials + 1) * sizeof *p);
        a->special = p;
        p[a->specials++] = (struct special){text, strlen(text)};
        a->special_first[(unsigned char)text[0]] = true;
    }
    return ST_OK;
}

static const char *find_special(const struct audit *a, const char *text)
{
    for (const char *p = text; *p; p++)
        for (size_t i = 0; a->special_first[(unsigned char)*p] && i < a->specials; i++)
            if (strncmp(p, a->special[i].text, a->special[i].n) == 0)
                return a->special[i].text;
    return NULL;
}

/* The first special token that a value's texts spell, or NULL. As deep as JSON may be nested. */
static const char *special_within(const struct audit *a, const struct json *v)
{
    const char *found = json_string(v) ? find_special(a, json_string(v)) : NULL;
    for (const struct json *e = json_first(v); !found && e; e = json_next(e))
        found = special_within(a, e);
    return found;
}

void audit_watch_line(void *ctx, const char *path, int line, const struct json *root)
{
    struct audit *a = ctx;
    const char *found = special_within(a, root);
    if (!found)
        return;
    if (a->special_seen[0] == '\0')
        memcpy(a->special_seen, found,
               strlen(found) < sizeof a->special_seen ? strlen(found) : sizeof a->special_seen - 1);
    audit_count(a, AUDIT_SPECIAL, path, line);
}

/* ---- rows by themselves ---------------------------------------------------------------------- */

static bool is_eos(const struct audit *a, int32_t id)
{
    int i = 0;
    while (i < a->o.eos_count && a->o.eos[i] != id)
        i++;
    return i < a->o.eos_count;
}

/* How far from a row's last target its EOS may stand: templates put a line end, or a token that
 * ends the text, after the one that ends the turn. */
enum { EOS_REACH = 8 };

static void look_for_eos(struct audit *a, const struct row *r, const char *path)
{
    bool any = false, last = false;
    int left = EOS_REACH;
    for (int i = 0; i < r->n && !any; i++)
        any = is_eos(a, r->ids[i]);
    for (int i = r->n - 1; i > 0 && left > 0 && !last; i--)
        if (r->target[i]) {
            last = is_eos(a, r->ids[i]);
            left--;
        }
    a->whole++;
    a->with_eos += any;
    if (!last)
        audit_count(a, AUDIT_MISSING_EOS, path, r->line);
}

void audit_rows(struct audit *a, const struct dataset *d)
{
    int bos = tokenizer_bos(a->o.tokenizer);
    for (size_t i = 0; i < dataset_rows(d); i++) {
        struct row r = dataset_row(d, i);
        struct dataset_part p = dataset_part(d, (size_t)r.file);
        bool stream = strcmp(p.kind, "plain text") == 0;
        for (int k = 0; k < r.n; k++)
            if (!a->where[r.ids[k]].path)
                a->where[r.ids[k]] = (struct audit_place){p.path, r.line};
        if (r.cut > 0)
            audit_count(a, AUDIT_CUT, p.path, r.line);
        else if (!stream)
            look_for_eos(a, &r, p.path);
        if (bos >= 0 && r.n > 1 && r.ids[0] == bos && r.ids[1] == bos)
            audit_count(a, AUDIT_DOUBLE_BOS, p.path, r.line);
    }
    a->found[AUDIT_SPLIT].count += dataset_stats(d).split;
}

/* ---- rows together --------------------------------------------------------------------------- */

struct print {
    uint64_t hash;
    const struct dataset *d;
    size_t row;
    bool valid;
};

/* FNV-1a over whole ids. Equal prints are compared before they count. */
static uint64_t hash_row(const struct row *r)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (int i = 0; i < r->n; i++)
        h = (h ^ (uint32_t)r->ids[i]) * 0x100000001b3ull;
    return h ^ h >> 32;
}

static int by_hash(const void *va, const void *vb)
{
    const struct print *a = va, *b = vb;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->valid != b->valid)
        return a->valid ? 1 : -1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static bool same_row(const struct print *a, const struct print *b)
{
    struct row x = dataset_row(a->d, a->row), y = dataset_row(b->d, b->row);
    return x.n == y.n && memcmp(x.ids, y.ids, (size_t)x.n * sizeof *x.ids) == 0;
}

/* The prints of one hash: train's come first. */
static void judge_run(struct audit *a, const struct print *p, size_t n)
{
    const struct print *first[2] = {NULL, NULL}; /* of train, of valid */
    for (size_t i = 0; i < n; i++) {
        struct row r = dataset_row(p[i].d, p[i].row);
        const char *path = dataset_part(p[i].d, (size_t)r.file).path;
        const struct print **own = &first[p[i].valid];
        if (p[i].valid && first[0] && same_row(first[0], &p[i]))
            audit_count(a, AUDIT_LEAKED, path, r.line);
        if (*own && same_row(*own, &p[i]))
            audit_count(a, p[i].valid ? AUDIT_VALID_DUPLICATES : AUDIT_DUPLICATES, path, r.line);
        else if (!*own)
            *own = &p[i];
    }
}

/* A text that is one stream repeats itself by chance alone: its pieces are not rows that somebody
 * wrote. */
static size_t take_prints(struct print *to, const struct dataset *d, bool valid)
{
    size_t n = 0;
    for (size_t i = 0; d && i < dataset_rows(d); i++) {
        struct row r = dataset_row(d, i);
        if (strcmp(dataset_part(d, (size_t)r.file).kind, "plain text") != 0)
            to[n++] = (struct print){hash_row(&r), d, i, valid};
    }
    return n;
}

enum status audit_duplicates(struct audit *a, const struct dataset *train,
                             const struct dataset *valid, struct fault *f)
{
    size_t all = dataset_rows(train) + (valid ? dataset_rows(valid) : 0);
    struct print *p = malloc((all + 1) * sizeof *p);
    if (!p)
        return fault_nomem(f, "the fingerprints of rows", (all + 1) * sizeof *p);
    size_t n = take_prints(p, train, false);
    n += take_prints(p + n, valid, true);
    qsort(p, n, sizeof *p, by_hash);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && p[end].hash == p[i].hash;)
            end++;
        if (end - i > 1)
            judge_run(a, p + i, end - i);
    }
    free(p);
    return ST_OK;
}

size_t audit_histogram(struct audit_bin bins[AUDIT_BINS], const struct dataset *d)
{
    int longest = (int)dataset_stats(d).longest;
    int width = (longest + AUDIT_BINS - 1) / AUDIT_BINS;
    size_t n = 0;
    if (longest == 0)
        return 0;
    for (int from = 1; from <= longest; from += width)
        bins[n++] =
            (struct audit_bin){from, from + width - 1 < longest ? from + width - 1 : longest, 0};
    for (size_t i = 0; i < dataset_rows(d); i++)
        bins[(dataset_row(d, i).n - 1) / width].rows++;
    return n;
}
