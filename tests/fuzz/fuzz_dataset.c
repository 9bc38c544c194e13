/* A JSONL, array, gzip file or text over a byte tokenizer and a template, as the first two bytes
 * choose: whatever is accepted gives rows with targets, and windows that a model may run; the audit
 * of the same bytes goes through and agrees on what can be trained on. */
#include <stdlib.h>
#include <string.h>

#include "data/audit.h"
#include "data/dataset.h"
#include "data/textstream.h"
#include "tests/fuzz/fuzz.h"

static const char *const dataset_templates[] = {
    NULL,
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}",
    "{% for m in messages %}<{{ m.role }}>{% if loop.last %}{{ m.content }}{% endif %}</s>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
    "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}{% endfor %}",
};

static void dataset_setup(struct dataset_options *o, int which)
{
    static struct tokenizer *t;
    static struct chat *chat[4];
    struct fault f = {0};
    if (!t) {
        struct blobs files = {0};
        struct text j = {0};
        text_adds(&j, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"</s>\":0", &f);
        for (int b = 0, other = 0; b < 256; b++) { /* the byte-level alphabet */
            int same = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            text_adds(&j, b == '"' || b == '\\' ? ",\"\\" : ",\"", &f);
            text_addc(&j, (uint32_t)(same ? b : 256 + other++), &f);
            text_addf(&j, &f, "\":%d", b + 1);
        }
        text_adds(&j,
                  "},\"merges\":[]},\"added_tokens\":[],\"pre_tokenizer\":{\"type\":"
                  "\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},\"decoder\":"
                  "{\"type\":\"ByteLevel\"}}",
                  &f);
        blobs_add(&files, "tokenizer.json", j.p, j.n, &f);
        if (tokenizer_open(&t, &files, &f) != ST_OK)
            abort();
        for (int i = 1; i < 4; i++) {
            struct blobs template = {0};
            blobs_add(&template, "chat_template.jinja", dataset_templates[i],
                      strlen(dataset_templates[i]), &f);
            if (chat_open(&chat[i], &template, &f) != ST_OK)
                abort();
            blobs_free(&template);
        }
        blobs_free(&files);
        text_free(&j);
    }
    *o = (struct dataset_options){.tokenizer = t,
                                  .chat = chat[which & 3],
                                  .seq_max = which & 4 ? 24 : 512,
                                  .vocab = 257,
                                  .mask_prompt = which & 8};
}

static void dataset_windows(const struct dataset *d, const struct dataset_options *o, int which)
{
    struct sampler *s = NULL;
    struct window w = {0};
    struct fault f = {0};
    struct sampler_options so = {.batch = 2,
                                 .accumulate = 2,
                                 .shuffle = which & 32,
                                 .packing = which & 64,
                                 .epochs = 2,
                                 .seq_max = o->seq_max};
    if (sampler_new(&s, d, &so, &f) != ST_OK)
        abort();
    double waste = sampler_waste(s);
    if (!(waste >= 0 && waste < 1))
        abort();
    do {
        if (sampler_next(s, &w, &f) != ST_OK || (w.micros > 0 && w.targets <= 0))
            abort();
        for (int i = 0; i < w.micros; i++)
            if (w.micro[i].rows > sampler_rows_max(s) || w.micro[i].labelled > w.micro[i].rows)
                abort();
    } while (w.micros > 0);
    window_free(&w);
    sampler_free(&s);
}

/* A text in small windows gives the tokens of the whole. */
static void dataset_streams(const char *bytes, size_t n, const struct tokenizer *t, size_t window)
{
    struct textstream *s = NULL;
    struct lines *l = NULL;
    struct ids whole = {0}, ids = {0};
    struct fault f = {0};
    bool more = true;
    size_t bom = n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    bool zipped = n >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
    enum status st = lines_open_memory(&l, "fuzz.txt", bytes, n, &f);
    if (st == ST_OK && textstream_open(&s, l, t, "fuzz.txt", window, &f) != ST_OK)
        abort();
    while (st == ST_OK && more)
        st = textstream_next(s, &ids, &more, &f);
    if (!zipped) {
        enum status want =
            tokenizer_encode(t, &whole, bytes + bom, n - bom, TOKENIZER_ADD_SPECIAL, &f);
        if ((st == ST_OK) != (want == ST_OK))
            abort();
        if (st == ST_OK &&
            (ids.n != whole.n || (ids.n > 0 && memcmp(ids.p, whole.p, ids.n * sizeof *ids.p))))
            abort();
    }
    textstream_close(&s);
    lines_close(&l);
    ids_free(&ids);
    ids_free(&whole);
}

/* Reads the bytes as `wick audit` does: bad lines are findings, and only what no line is to blame
 * for stops it. */
static void dataset_audit(const char *name, const char *bytes, size_t n, struct dataset_options *o,
                          bool accepted)
{
    static const int eos = 0;
    struct audit *a = NULL;
    struct dataset *d = NULL;
    struct fault f = {0};
    struct audit_options ao = {
        .tokenizer = o->tokenizer, .chat = o->chat, .eos = &eos, .eos_count = 1, .vocab = o->vocab};
    if (audit_new(&a, &ao, &f) != ST_OK)
        abort();
    o->watch = audit_watch(a, true);
    if (dataset_parse(&d, name, bytes, n, o, &f) == ST_OK) {
        if (audit_run(a, d, NULL, &f) != ST_OK)
            abort();
        for (size_t i = 0; i < audit_findings(a); i++) {
            const char *finding = audit_finding(a, i)->name;
            bool bad = !strcmp(finding, "no_targets") || !strcmp(finding, "bad_lines") ||
                       !strcmp(finding, "no_rows");
            if (bad && accepted)
                abort();
        }
    } else if (accepted) {
        abort();
    }
    audit_free(&a);
    dataset_close(&d);
}

int fuzz_dataset(const uint8_t *bytes, size_t n)
{
    static const char *const names[] = {"fuzz.jsonl", "fuzz.txt", "fuzz.json", "fuzz.jsonl.gz"};
    struct dataset_options o;
    struct dataset *d = NULL, *held = NULL;
    struct fault f = {0};
    if (n < 2)
        return 0;
    dataset_setup(&o, bytes[0]);
    o.memory_max = bytes[1] & 4 ? 64 : 0;
    const char *name = names[bytes[1] & 3], *text = (const char *)bytes + 2;
    if ((bytes[1] & 3) == 1)
        dataset_streams(text, n - 2, o.tokenizer, (size_t)64 << (bytes[1] >> 4 & 7));
    bool accepted = dataset_parse(&d, name, text, n - 2, &o, &f) == ST_OK;
    dataset_audit(name, text, n - 2, &o, accepted);
    if (!accepted)
        return 0;
    dataset_windows(d, &o, bytes[0]);
    if (bytes[1] & 8 && dataset_hold_out(&held, d, 0.3, bytes[0], &f) == ST_OK) {
        dataset_windows(d, &o, bytes[0]);
        dataset_windows(held, &o, bytes[0]);
    }
    dataset_close(&held);
    dataset_close(&d);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_dataset(bytes, n);
}
#endif
