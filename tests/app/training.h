/* Training runs on ten rows: what the tests of `wick train` begin with. */
#ifndef TESTS_APP_TRAINING_H
#define TESTS_APP_TRAINING_H

#include "tests/app/metrics.h"

#define BASE program_base()
/* Trains on rows.jsonl into a folder of this name, which it returns; a NULL ends the options. */
#define RUN(name, ...)                                                             \
    (program_remove(program_file(name)),                                           \
     WICK("train", "--model", BASE, "--output", program_file(name), "--data",      \
          program_file("rows.jsonl"), "--rank", "4", "--device", "cpu", "--quiet", \
          "--learning-rate", "5e-3", "--steps-per-report", "1", __VA_ARGS__),      \
     program_done(), program_file(name))

enum { ROWS = 10 };

/* Ten rows of different lengths, and a folder with them as train and some as valid. */
static inline int training_begin(void **state)
{
    static const char *const words[] = {"a lamp", "two boats", "the old door",
                                        "a wick", "some rain", "the quiet harbour"};
    struct text t = {0}, v = {0};
    struct fault f = {0};
    if (program_begin(state) != 0)
        return -1;
    for (int i = 0; i < ROWS; i++) {
        struct text *to = &t;
        assert_int_equal(text_addf(to, &f, "{\"text\": \"Row %d is about", i), 0);
        for (int j = 0; j <= i % 4 + i / 5; j++)
            assert_int_equal(text_addf(to, &f, " %s,", words[(i * 3 + j) % 6]), 0);
        assert_int_equal(text_adds(to, " and no more.\"}\n", &f), 0);
    }
    scratch_write(program_file("rows.jsonl"), t.p, t.n);
    mkdir(program_file("data"), 0777);
    scratch_write(program_file("data/train.jsonl"), t.p, t.n);
    assert_int_equal(text_adds(&v,
                               "{\"text\": \"Row 3 is about nothing.\"}\n{\"text\": \"A lamp.\"}\n"
                               "{\"text\": \"The harbour and the rain.\"}\n",
                               &f),
                     0);
    scratch_write(program_file("data/valid.jsonl"), v.p, v.n);
    text_free(&t);
    text_free(&v);
    return 0;
}

static inline const char *adapter_of(const char *run)
{
    static char path[2][256];
    static int turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof path[0], "%s/adapter_model.safetensors", run);
    return p;
}

#endif
