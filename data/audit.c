#include "data/audit.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/audit_impl.h"
#include "data/crc32c.h"

static const struct {
    const char *name;
    enum audit_severity severity;
} kinds[AUDIT_KINDS] = {
    [AUDIT_NO_ROWS] = {"no_rows", AUDIT_ERROR},
    [AUDIT_BAD_LINES] = {"bad_lines", AUDIT_ERROR},
    [AUDIT_NO_TARGETS] = {"no_targets", AUDIT_ERROR},
    [AUDIT_TEMPLATE_EOS] = {"template_eos", AUDIT_ERROR},
    [AUDIT_MISSING_EOS] = {"missing_eos", AUDIT_WARNING},
    [AUDIT_UNTRAINED] = {"untrained_tokens", AUDIT_ERROR},
    [AUDIT_NO_EOS] = {"no_eos", AUDIT_WARNING},
    [AUDIT_EQUAL] = {"equal_embeddings", AUDIT_WARNING},
    [AUDIT_CUT] = {"cut_rows", AUDIT_WARNING},
    [AUDIT_UNMASKED] = {"unmasked", AUDIT_WARNING},
    [AUDIT_SPECIAL] = {"special_tokens", AUDIT_WARNING},
    [AUDIT_DOUBLE_BOS] = {"double_bos", AUDIT_WARNING},
    [AUDIT_DUPLICATES] = {"duplicates", AUDIT_WARNING},
    [AUDIT_VALID_DUPLICATES] = {"valid_duplicates", AUDIT_WARNING},
    [AUDIT_LEAKED] = {"leaked", AUDIT_WARNING},
    [AUDIT_SPLIT] = {"conversation_split", AUDIT_NOTE},
};

void audit_count(struct audit *a, enum audit_kind kind, const char *path, int line)
{
    struct audit_finding *g = &a->found[kind];
    g->count++;
    if (g->places == AUDIT_PLACES)
        return;
    if (g->places == g->cap) {
        size_t cap = 2 * g->cap + 8;
        void *p = realloc(g->place, cap * sizeof *g->place);
        if (!p)
            return;
        g->place = p;
        g->cap = cap;
    }
    g->place[g->places++] = (struct audit_place){path, line};
}

/* ---- watching -------------------------------------------------------------------------------- */

static void watch_bad(void *ctx, const char *path, int line, bool targetless,
                      const struct fault *why)
{
    struct audit *a = ctx;
    enum audit_kind kind = targetless ? AUDIT_NO_TARGETS : AUDIT_BAD_LINES;
    struct audit_finding *g = &a->found[kind];
    if (g->count == 0) { /* the first one's words stand for all */
        snprintf(g->text, sizeof g->text, "%s", why->text);
        snprintf(g->remedy, sizeof g->remedy, "%s", why->remedy);
    }
    audit_count(a, kind, path, line);
}

const struct dataset_watch *audit_watch(struct audit *a, bool lenient)
{
    return lenient ? &a->lenient : &a->strict;
}

enum status audit_new(struct audit **out, const struct audit_options *o, struct fault *f)
{
    struct audit *a = calloc(1, sizeof *a);
    if (!a)
        return fault_nomem(f, "an audit", sizeof *a);
    a->o = *o;
    a->strict = (struct dataset_watch){.ctx = a, .line = audit_watch_line};
    a->lenient = (struct dataset_watch){.ctx = a, .line = audit_watch_line, .bad = watch_bad};
    a->where = calloc((size_t)o->vocab, sizeof *a->where);
    enum status s = a->where ? ST_OK
                             : fault_nomem(f, "the list of tokens",
                                           (unsigned long long)o->vocab * sizeof *a->where);
    for (int i = 0; i < AUDIT_KINDS; i++) {
        a->found[i].name = kinds[i].name;
        a->found[i].severity = kinds[i].severity;
    }
    if (s == ST_OK)
        s = audit_list_specials(a, f);
    if (s != ST_OK)
        audit_free(&a);
    else
        *out = a;
    return s;
}

void audit_free(struct audit **a)
{
    if (!*a)
        return;
    for (int i = 0; i < AUDIT_KINDS; i++)
        free((*a)->found[i].place);
    free((*a)->special);
    free((*a)->where);
    free(*a);
    *a = NULL;
}

/* ---- embeddings ------------------------------------------------------------------------------ */

/* "12 \"<x>\", 13 \"<y>\"" as far as it fits: the piece of a token that was found. */
static void add_token(const struct audit *a, struct audit_finding *g, int id)
{
    const char *piece = tokenizer_piece(a->o.tokenizer, id);
    size_t n = strlen(g->text);
    if (n < 200)
        snprintf(g->text + n, sizeof g->text - n, "%s%d \"%.40s\"", n > 0 ? ", " : "", id,
                 piece ? piece : "");
    else if (n < 204)
        snprintf(g->text + n, sizeof g->text - n, ", …");
}

static float number_at(const unsigned char *p, enum dtype dtype)
{
    uint16_t half;
    float x;
    if (dtype == DT_F32) {
        memcpy(&x, p, sizeof x);
        return x;
    }
    memcpy(&half, p, sizeof half);
    return dtype == DT_F16 ? f16_to_f32(half) : bf16_to_f32(half);
}

/* One value over and over, zero too; or numbers that no training leaves so small: what some models
 * have for the tokens they reserve. */
static bool looks_untrained(const unsigned char *row, size_t bytes, enum dtype dtype)
{
    const float tiny = 1e-16f;
    size_t size = dtype_size(dtype);
    if (memcmp(row, row + size, bytes - size) == 0)
        return true;
    for (size_t at = 0; at < bytes; at += size)
        if (!(fabsf(number_at(row + at, dtype)) <= tiny))
            return false;
    return true;
}

struct embedding {
    uint32_t crc;
    int id;
};

static int by_crc(const void *va, const void *vb)
{
    const struct embedding *a = va, *b = vb;
    return a->crc != b->crc ? (a->crc < b->crc ? -1 : 1) : a->id - b->id;
}

enum status audit_embeddings(struct audit *a, struct fault *f)
{
    const unsigned char *m = a->o.embed;
    size_t size = dtype_size(a->o.embed_dtype), bytes = (size_t)a->o.hidden * size;
    size_t n = 0;
    if (!m || a->o.hidden < 2)
        return ST_OK;
    struct embedding *e = malloc((size_t)a->o.vocab * sizeof *e);
    if (!e)
        return fault_nomem(f, "the embeddings' checksums", (size_t)a->o.vocab * sizeof *e);
    for (int id = 0; id < a->o.vocab; id++) {
        const unsigned char *row = m + (size_t)id * bytes;
        if (!a->where[id].path)
            continue;
        if (looks_untrained(row, bytes, a->o.embed_dtype)) {
            audit_count(a, AUDIT_UNTRAINED, a->where[id].path, a->where[id].line);
            add_token(a, &a->found[AUDIT_UNTRAINED], id);
        } else {
            e[n++] = (struct embedding){crc32c(0, row, bytes), id};
        }
    }
    qsort(e, n, sizeof *e, by_crc);
    for (size_t i = 1; i < n; i++) {
        const unsigned char *row = m + (size_t)e[i].id * bytes;
        const unsigned char *other = m + (size_t)e[i - 1].id * bytes;
        if (e[i].crc != e[i - 1].crc || memcmp(row, other, bytes) != 0)
            continue;
        struct audit_place at = a->where[e[i].id];
        audit_count(a, AUDIT_EQUAL, at.path, at.line);
        if (i == 1 || e[i - 2].crc != e[i].crc)
            add_token(a, &a->found[AUDIT_EQUAL], e[i - 1].id);
        add_token(a, &a->found[AUDIT_EQUAL], e[i].id);
    }
    free(e);
    return ST_OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

static const char *plural(size_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

/* Puts words before what is in text already. */
static void lead(struct audit_finding *g, const char *words)
{
    char rest[sizeof g->text];
    memcpy(rest, g->text, sizeof rest);
    snprintf(g->text, sizeof g->text, "%s%.*s", words, (int)(sizeof g->text - strlen(words) - 1),
             rest);
}

static void say(struct audit_finding *g, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct audit_finding *g, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(g->text, sizeof g->text, fmt, ap);
    va_end(ap);
    snprintf(g->remedy, sizeof g->remedy, "%s", remedy);
}

static void word_lines(struct audit *a)
{
    struct audit_finding *g = &a->found[AUDIT_BAD_LINES];
    char words[120];
    snprintf(words, sizeof words, "%zu %s cannot be trained on; the first: ", g->count,
             plural(g->count, "line", "lines"));
    if (g->count > 1)
        lead(g, words);
    g = &a->found[AUDIT_NO_TARGETS];
    snprintf(words, sizeof words, "%zu %s no target; the first: ", g->count,
             plural(g->count, "line has", "lines have"));
    if (g->count > 1)
        lead(g, words);
    say(&a->found[AUDIT_NO_ROWS], "see what is wrong with its lines, above",
        "there is no row to train on");
}

/* Rows of the template that miss their end are counted by themselves: if the template never emits
 * one, that is what is wrong, and else they are rows like others. */
static void judge_ends(struct audit *a)
{
    struct audit_finding *none = &a->found[AUDIT_TEMPLATE_EOS];
    struct audit_finding *missing = &a->found[AUDIT_MISSING_EOS];
    if (a->o.eos_count == 0) {
        a->found[AUDIT_NO_EOS].count = 1;
        none->count = missing->count = 0;
    } else if (a->ended > 0) {
        for (size_t i = 0; i < none->places; i++)
            audit_count(a, AUDIT_MISSING_EOS, none->place[i].path, none->place[i].line);
        missing->count += none->count - none->places;
        none->count = 0;
    }
    none->places = 0; /* it is about the template */
    missing->severity = missing->count == a->whole ? AUDIT_ERROR : AUDIT_WARNING;
}

static void word_ends(struct audit *a)
{
    const char *eos = a->o.eos_count > 0 ? tokenizer_piece(a->o.tokenizer, a->o.eos[0]) : NULL;
    const char *others = a->o.eos_count > 1 ? " or another EOS" : "";
    judge_ends(a);
    eos = eos ? eos : "EOS";
    size_t rows = a->found[AUDIT_MISSING_EOS].count;
    say(&a->found[AUDIT_NO_EOS], "give its config.json an eos_token_id, and import again",
        "the model names no token to stop at: what is trained will not stop by itself");
    say(&a->found[AUDIT_TEMPLATE_EOS],
        "set eos_token_id in generation_config.json to the token that ends a turn in the "
        "template, and import again",
        "the chat template never emits %.40s%s: the model would not learn to stop", eos, others);
    say(&a->found[AUDIT_MISSING_EOS],
        "end those rows with it, or see which token ends a turn: wick tokenize --data",
        "%zu of %zu whole rows do not end in %.40s%s: the model does not learn to stop there", rows,
        a->whole, eos, others);
}

static void word_rows(struct audit *a, const struct dataset *train, const struct dataset *valid)
{
    struct dataset_stats t = dataset_stats(train), v = {0};
    if (valid)
        v = dataset_stats(valid);
    size_t lost = t.cut_tokens + v.cut_tokens, all = lost + t.tokens + v.tokens;
    struct audit_finding *g = &a->found[AUDIT_CUT];
    say(g, "raise --max-seq-length, or cut the texts into rows yourself",
        "%zu %s longer than the sequence length and cut: %.1f%% of all tokens are lost", g->count,
        plural(g->count, "row is", "rows are"), all > 0 ? 100 * (double)lost / (double)all : 0.0);
    g = &a->found[AUDIT_UNMASKED];
    say(g,
        "leave --mask-prompt out, or give rows of {\"prompt\", \"completion\"} or {\"messages\"}",
        "--mask-prompt does nothing for %zu %s: a text has no prompt, and all of it is learned",
        g->count, plural(g->count, "row", "rows"));
    g = &a->found[AUDIT_SPECIAL];
    say(g, "they become that token, not its letters; remove them if they are not meant",
        "%zu %s special tokens in the text, such as %s", g->count,
        plural(g->count, "line spells", "lines spell"), a->special_seen);
    g = &a->found[AUDIT_DOUBLE_BOS];
    say(g, "take the BOS out of the text: the tokenizer adds its own", "%zu %s with two BOS tokens",
        g->count, plural(g->count, "row begins", "rows begin"));
    g = &a->found[AUDIT_DUPLICATES];
    say(g, "remove them, or say so with --data-weights", "%zu %s of train %s there already",
        g->count, plural(g->count, "row", "rows"), plural(g->count, "is", "are"));
    g = &a->found[AUDIT_VALID_DUPLICATES];
    say(g, "remove them: they count twice", "%zu %s of valid %s there already", g->count,
        plural(g->count, "row", "rows"), plural(g->count, "is", "are"));
    g = &a->found[AUDIT_LEAKED];
    say(g, "remove them from train: validation would measure memory", "%zu %s of valid %s in train",
        g->count, plural(g->count, "row", "rows"), plural(g->count, "is", "are"));
    g = &a->found[AUDIT_SPLIT];
    say(g, "nothing: this is how the model will see them when it answers",
        "%zu %s a row for each assistant turn, because the chat template writes earlier turns "
        "otherwise once later ones follow",
        g->count, plural(g->count, "conversation became", "conversations became"));
}

static void word_tokens(struct audit *a)
{
    struct audit_finding *g = &a->found[AUDIT_UNTRAINED];
    char words[120];
    snprintf(words, sizeof words, "%zu %s an embedding that was never trained: ", g->count,
             plural(g->count, "token of the data has", "tokens of the data have"));
    lead(g, words);
    snprintf(g->remedy, sizeof g->remedy,
             "use a template and texts without them, or the instruct model whose template this is");
    g = &a->found[AUDIT_EQUAL];
    snprintf(words, sizeof words, "%zu %s the same embedding as another: ", g->count,
             plural(g->count, "token of the data has", "tokens of the data have"));
    lead(g, words);
    snprintf(g->remedy, sizeof g->remedy,
             "the model cannot tell them apart; use texts and a template without them");
}

/* Quotations are cut at bytes: what is left of a character there is shown as a question mark. */
static void mend(char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t at = i;
        if (utf8_next(text, n, &i) == 0xFFFFFFFFu)
            text[at] = '?';
    }
}

enum status audit_run(struct audit *a, const struct dataset *train, const struct dataset *valid,
                      struct fault *f)
{
    audit_rows(a, train);
    if (valid)
        audit_rows(a, valid);
    a->found[AUDIT_NO_ROWS].count = dataset_rows(train) == 0;
    enum status s = audit_duplicates(a, train, valid, f);
    if (s == ST_OK)
        s = audit_embeddings(a, f);
    if (s == ST_OK)
        s = dataset_check(train, f);
    if (s == ST_OK && valid)
        s = dataset_check(valid, f);
    if (s != ST_OK)
        return s;
    word_lines(a);
    word_ends(a);
    word_tokens(a);
    word_rows(a, train, valid);
    for (int severity = AUDIT_ERROR; severity >= AUDIT_NOTE; severity--)
        for (int i = 0; i < AUDIT_KINDS; i++)
            if (a->found[i].count > 0 && (int)a->found[i].severity == severity) {
                mend(a->found[i].text);
                a->told[a->tellings++] = &a->found[i];
            }
    return ST_OK;
}

size_t audit_findings(const struct audit *a)
{
    return a->tellings;
}

const struct audit_finding *audit_finding(const struct audit *a, size_t i)
{
    return a->told[i];
}

bool audit_failed(const struct audit *a)
{
    return a->tellings > 0 && a->told[0]->severity == AUDIT_ERROR;
}
