/* A base file with one tensor of every dtype, for the tests of base files. */
#ifndef TESTS_DATA_BASE_SAMPLE_H
#define TESTS_DATA_BASE_SAMPLE_H

#include "data/base.h"
#include "tests/data/scratch.h"

/* RLIMIT_FSIZE keeps libhdf5 from ever writing what it holds, so it never lets go of it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

/* One tensor of every dtype, with odd shapes, an empty one and one larger than a page. */
enum { SAMPLES = DT_COUNT + 3 };

struct sample {
    struct tensor t;
    char name[64];
    unsigned char *bytes;
};

static struct sample samples[SAMPLES];

static inline int make_samples(void **state)
{
    struct fault f = {0};
    for (int i = 0; i < SAMPLES; i++) {
        struct sample *s = &samples[i];
        s->t = (struct tensor){.dtype = i < DT_COUNT ? (enum dtype)i : DT_BF16,
                               .ndim = 1 + i % 3,
                               .shape = {1 + i, 3, 2}};
        if (i == DT_COUNT)
            s->t.ndim = 0;
        if (i == DT_COUNT + 1)
            s->t.shape[0] = 0;
        if (i == DT_COUNT + 2)
            s->t.shape[0] = 5003;
        snprintf(s->name, sizeof s->name, "model.layers.%d.%s.weight", i, dtype_name(s->t.dtype));
        s->t.name = s->name;
        if (tensor_measure(&s->t, "t", &f) != ST_OK)
            return -1;
        s->bytes = malloc(s->t.bytes + 1);
        for (size_t k = 0; k < s->t.bytes; k++)
            s->bytes[k] = (unsigned char)(s->t.dtype == DT_BOOL ? k % 2 : 13 * k + 7 * (size_t)i);
    }
    return scratch_make(state);
}

static inline int drop_samples(void **state)
{
    for (int i = 0; i < SAMPLES; i++)
        free(samples[i].bytes);
    return scratch_remove(state);
}

static inline enum status write_base(const char *path, struct fault *f)
{
    struct base_out *w = NULL;
    enum status s = base_create(&w, path, "llama", "Org/Name-\xc3\xa9", f);
    for (int i = 0; i < SAMPLES && s == ST_OK; i++) {
        size_t half = samples[i].t.bytes / 3;
        if (i % 2) {
            s = base_add_tensor(w, &samples[i].t, samples[i].bytes, f);
            continue;
        }
        s = base_begin(w, &samples[i].t, f);
        if (s == ST_OK)
            s = base_append(w, samples[i].bytes, half, f);
        if (s == ST_OK)
            s = base_append(w, samples[i].bytes + half, samples[i].t.bytes - half, f);
    }
    if (s == ST_OK)
        s = base_add_file(w, "config.json", "{\"a\": 1}\n", 9, f);
    if (s == ST_OK)
        s = base_add_file(w, "empty", NULL, 0, f);
    if (s == ST_OK)
        s = base_add_file(w, "additional_chat_templates/tool_use.jinja", "{{ x }}", 7, f);
    if (s == ST_OK)
        s = base_commit(w, f);
    base_out_close(&w);
    return s;
}

static inline void assert_written(const char *path)
{
    struct fault f = {0};
    if (write_base(path, &f) != ST_OK)
        fail_msg("%s", f.text);
}

#endif
