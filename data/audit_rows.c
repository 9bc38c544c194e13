/* What the rows show: ends, beginnings, copies. */
#include <stdlib.h>
#include <string.h>

#include "data/audit_impl.h"
#include "data/json.h"

/* ---- special tokens in texts ----------------------------------------------------------------- */

static int by_text(const void *va, const void *vb)
{
    const struct special *a = va, *b = vb;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp(a->text, b->text, a->n);
}

enum status audit_list_specials(struct audit *a, struct fault *f)
{
    const struct tokenizer *t = a->o.tokenizer;
    size_t cap = 0;
    int size = tokenizer_size(t);
    for (int id = 0; id < size; id++) {
        const char *text = tokenizer_is_special(t, id) ? tokenizer_piece(t, id) : NULL;
        if (!text || strlen(text) < 2)
            continue;
        if (a->specials == cap) {
            cap = 2 * cap + 16;
            struct special *p = realloc(a->special, cap * sizeof *p);
            if (!p)
                return fault_nomem(f, "the special tokens", cap * sizeof *p);
            a->special = p;
        }
        a->special[a->specials++] = (struct special){text, strlen(text)};
        a->special_first[(unsigned char)text[0]] = true;
    }
    if (a->specials > 0)
        qsort(a->special, a->specials, sizeof *a->special, by_text);
    return ST_OK;
}

/* One search for each length that special tokens have: models reserve thousands of them. */
static const char *special_at(const struct audit *a, const char *p, size_t n)
{
    for (size_t i = 0, end; i < a->specials && a->special[i].n <= n; i = end) {
        struct special key = {p, a->special[i].n};
        for (end = i + 1; end < a->specials && a->special[end].n == key.n;)
            end++;
        const struct special *hit = bsearch(&key, a->special + i, end - i, sizeof key, by_text);
        if (hit)
            return hit->text;
    }
    return NULL;
}

static const char *find_special(const struct audit *a, const char *text)
{
    const char *found = NULL;
    size_t n = strlen(text);
    for (size_t i = 0; !found && i < n; i++)
        if (a->special_first[(unsigned char)text[i]])
            found = special_at(a, text + i, n - i);
    return found;
}

/* The first special token that a value's texts spell, or NULL. As deep as JSON may be nested. */
static const char *special_within(const struct audit *a, const struct json *v)
{
    const char *found = json_string(v) ? find_special(a, json_string(v)) : NULL;
    for (const struct json *e = json_first(v); !found && e; e = json_next(e))
        found = special_within(a, e);
    return found;
}

static void saw_special(struct audit *a, const char *text, const char *path, int line)
{
    size_t n = strlen(text), most = sizeof a->special_seen - 1;
    if (a->special_seen[0] == '\0')
        memcpy(a->special_seen, text, n < most ? n : most);
    audit_count(a, AUDIT_SPECIAL, path, line);
}

void audit_watch_line(void *ctx, const char *path, int line, const struct json *root)
{
    static const char *const read[] = {"text",          "prompt",      "completion", "messages",
                                       "conversations", "instruction", "input",      "output",
                                       "system",        "history",     "tools"};
    struct audit *a = ctx;
    const char *found = NULL;
    for (size_t i = 0; !found && i < sizeof read / sizeof *read; i++)
        found = special_within(a, json_get(root, read[i]));
    if (found)
        saw_special(a, found, path, line);
}

/* Of a plain text: any special token in a row but those that the tokenizer puts around it all. */
static void look_for_specials(struct audit *a, const struct row *r, const char *path, bool first,
                              bool last)
{
    const struct tokenizer *t = a->o.tokenizer;
    int from = first && r->ids[0] == tokenizer_bos(t), to = r->n;
    to -= last && r->ids[to - 1] == tokenizer_eos(t);
    for (int i = from; i < to; i++)
        if (tokenizer_is_special(t, r->ids[i])) {
            saw_special(a, tokenizer_piece(t, r->ids[i]), path, r->line);
            return;
        }
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

static void look_for_eos(struct audit *a, const struct row *r, const char *path, bool templated)
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
    a->templated += templated;
    a->ended += templated && any;
    if (!last)
        audit_count(a, templated ? AUDIT_TEMPLATE_EOS : AUDIT_MISSING_EOS, path, r->line);
}

void audit_rows(struct audit *a, const struct dataset *d)
{
    int bos = tokenizer_bos(a->o.tokenizer);
    for (size_t i = 0; i < dataset_rows(d); i++) {
        struct row r = dataset_row(d, i);
        struct dataset_part p = dataset_part(d, (size_t)r.file);
        for (int k = 0; k < r.n; k++)
            if (!a->where[r.ids[k]].path)
                a->where[r.ids[k]] = (struct audit_place){p.path, r.line};
        if (p.stream)
            look_for_specials(a, &r, p.path, i == p.first, i + 1 == p.first + p.rows);
        else if (r.cut == 0)
            look_for_eos(a, &r, p.path, a->o.chat && strcmp(p.kind, "text") != 0);
        if (p.unmasked)
            audit_count(a, AUDIT_UNMASKED, p.path, r.line);
        if (r.cut > 0)
            audit_count(a, AUDIT_CUT, p.path, r.line);
        if (bos >= 0 && r.n > 1 && r.ids[0] == bos && r.ids[1] == bos)
            audit_count(a, AUDIT_DOUBLE_BOS, p.path, r.line);
    }
    a->found[AUDIT_SPLIT].count += dataset_stats(d).split;
}

/* ---- rows together --------------------------------------------------------------------------- */

struct print {
    uint64_t hash;
    uint32_t row;
    bool valid;           /* of valid, else of train */
    bool again, of_train; /* what was found: it is there already; it is in train */
};

struct prints {
    const struct dataset *d[2]; /* train, valid */
    struct print *p;
    size_t n;
};

/* FNV-1a over whole ids. Equal prints are compared before they count. */
static uint64_t hash_row(const struct row *r)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (int i = 0; i < r->n; i++)
        h = (h ^ (uint32_t)r->ids[i]) * 0x100000001b3ull;
    return h ^ h >> 32;
}

static int by_row(const void *va, const void *vb)
{
    const struct print *a = va, *b = vb;
    if (a->valid != b->valid)
        return a->valid ? 1 : -1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static int by_hash(const void *va, const void *vb)
{
    const struct print *a = va, *b = vb;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return by_row(va, vb);
}

static bool same_row(const struct prints *s, const struct print *a, const struct print *b)
{
    struct row x = dataset_row(s->d[a->valid], a->row), y = dataset_row(s->d[b->valid], b->row);
    return x.n == y.n && memcmp(x.ids, y.ids, (size_t)x.n * sizeof *x.ids) == 0;
}

/* The prints of one hash: train's come first. */
static void judge_run(const struct prints *s, struct print *p, size_t n)
{
    const struct print *first[2] = {NULL, NULL}; /* of train, of valid */
    for (size_t i = 0; i < n; i++) {
        const struct print **own = &first[p[i].valid];
        p[i].of_train = p[i].valid && first[0] && same_row(s, first[0], &p[i]);
        p[i].again = *own && same_row(s, *own, &p[i]);
        if (!*own)
            *own = &p[i];
    }
}

/* A text that is one stream repeats itself by chance alone: its pieces are not rows that somebody
 * wrote. */
static void take_prints(struct prints *s, bool valid)
{
    const struct dataset *d = s->d[valid];
    for (size_t i = 0; d && i < dataset_rows(d); i++) {
        if (dataset_part(d, (size_t)dataset_outline(d, i).file).stream)
            continue;
        struct row r = dataset_row(d, i);
        s->p[s->n++] = (struct print){.hash = hash_row(&r), .row = (uint32_t)i, .valid = valid};
    }
}

/* Those that are copies, in the order of the files. */
static void count_copies(struct audit *a, struct prints *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->p[i].again || s->p[i].of_train)
            s->p[n++] = s->p[i];
    qsort(s->p, n, sizeof *s->p, by_row);
    for (size_t i = 0; i < n; i++) {
        const struct print *p = &s->p[i];
        struct row r = dataset_outline(s->d[p->valid], p->row);
        const char *path = dataset_part(s->d[p->valid], (size_t)r.file).path;
        if (p->again)
            audit_count(a, p->valid ? AUDIT_VALID_DUPLICATES : AUDIT_DUPLICATES, path, r.line);
        if (p->of_train)
            audit_count(a, AUDIT_LEAKED, path, r.line);
    }
}

enum status audit_duplicates(struct audit *a, const struct dataset *train,
                             const struct dataset *valid, struct fault *f)
{
    struct prints s = {.d = {train, valid}};
    size_t all = dataset_rows(train) + (valid ? dataset_rows(valid) : 0);
    if (all > UINT32_MAX)
        return fault_set(f, ST_RANGE, "a dataset of %zu rows is too large", all);
    s.p = malloc((all + 1) * sizeof *s.p);
    if (!s.p)
        return fault_nomem(f, "the fingerprints of rows", (all + 1) * sizeof *s.p);
    take_prints(&s, false);
    take_prints(&s, true);
    qsort(s.p, s.n, sizeof *s.p, by_hash);
    for (size_t i = 0, end; i < s.n; i = end) {
        for (end = i + 1; end < s.n && s.p[end].hash == s.p[i].hash;)
            end++;
        if (end - i > 1)
            judge_run(&s, s.p + i, end - i);
    }
    count_copies(a, &s);
    free(s.p);
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
        bins[(dataset_outline(d, i).n - 1) / width].rows++;
    return n;
}
