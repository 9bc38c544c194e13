/* A JSONL or text over a byte tokenizer and a template that the first byte chooses: whatever is accepted
 * gives rows with targets, and windows that a model may run. */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
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

int fuzz_dataset(const uint8_t *bytes, size_t n)
{
    struct dataset_options o;
    struct dataset *d = NULL;
    struct sampler *s = NULL;
    struct window w = {0};
    struct fault f = {0};
    if (n == 0)
        return 0;
    dataset_setup(&o, bytes[0]);
    const char *name = bytes[0] & 16 ? "fuzz.txt" : "fuzz.jsonl";
    if (dataset_parse(&d, name, (const char *)bytes + 1, n - 1, &o, &f) != ST_OK)
        return 0;
    struct sampler_options so = {.batch = 2,
                                 .accumulate = 2,
                                 .shuffle = bytes[0] & 32,
                                 .packing = bytes[0] & 64,
                                 .epochs = 2,
                                 .seq_max = o.seq_max};
    if (sampler_new(&s, d, &so, &f) != ST_OK)
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
    dataset_close(&d);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_dataset(bytes, n);
}
#endif
