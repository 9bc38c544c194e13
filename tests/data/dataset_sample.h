/* Datasets over a toy tokenizer, one token a byte and </s>, with a template of the test's
 * choice. */
#ifndef TESTS_DATA_DATASET_SAMPLE_H
#define TESTS_DATA_DATASET_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "data/file.h"
#include "tests/data/scratch.h"

static const char *const plain_template =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";
struct setup {
    struct blobs files;
    struct tokenizer *t;
    struct chat *chat;
    struct dataset_options o;
};

/* Printable ASCII, a newline, and </s> with id 1; no merges. BOS is "\x02"-free: none is added. */
static inline void make_tokenizer(struct setup *s, const char *jinja)
{
    struct fault f = {0};
    struct text json = {0}, config = {0};
    assert_int_equal(
        text_adds(&json,
                  "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":1,\"content\":"
                  "\"</s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                  "\"normalized\":false,\"special\":true}],\"normalizer\":null,"
                  "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                  "\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":null,"
                  "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                  "\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\","
                  "\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
                  "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,"
                  "\"merges\":[],\"vocab\":{\"</s>\":1,\"\xC4\xA0\":32,\"\xC4\x8A\":10",
                  &f),
        ST_OK);
    for (int c = 33; c < 127; c++)
        assert_int_equal(
            text_addf(&json, &f, c == '"' || c == '\\' ? ",\"\\%c\":%d" : ",\"%c\":%d", c, c),
            ST_OK);
    assert_int_equal(text_adds(&json, "}}}", &f), ST_OK);
    assert_int_equal(blobs_add(&s->files, "tokenizer.json", json.p, json.n, &f), ST_OK);
    assert_int_equal(text_adds(&config,
                               "{\"eos_token\":\"</s>\",\"tokenizer_class\":"
                               "\"PreTrainedTokenizerFast\"",
                               &f),
                     ST_OK);
    assert_int_equal(text_adds(&config, "}", &f), ST_OK);
    assert_int_equal(blobs_add(&s->files, "tokenizer_config.json", config.p, config.n, &f), ST_OK);
    if (jinja)
        assert_int_equal(blobs_add(&s->files, "chat_template.jinja", jinja, strlen(jinja), &f),
                         ST_OK);
    if (tokenizer_open(&s->t, &s->files, &f) != ST_OK)
        fail_msg("%s", f.text);
    if (jinja && chat_open(&s->chat, &s->files, &f) != ST_OK)
        fail_msg("%s", f.text);
    s->o =
        (struct dataset_options){.tokenizer = s->t, .chat = s->chat, .seq_max = 64, .vocab = 128};
    text_free(&json);
    text_free(&config);
}

static inline void tear_down(struct setup *s)
{
    chat_close(&s->chat);
    tokenizer_close(&s->t);
    blobs_free(&s->files);
}

static inline struct dataset *open_text(const struct setup *s, const char *name,
                                        const char *content)
{
    struct fault f = {0};
    struct dataset *d = NULL;
    assert_int_equal(file_write(scratch_path(name), content, strlen(content), &f), ST_OK);
    if (dataset_open(&d, scratch_path(name), &s->o, &f) != ST_OK)
        fail_msg("%s", f.text);
    return d;
}

/* The row as text: targets in upper case or as they are, everything else as '.'; </s> is '$'. */
static inline void assert_targets(const struct dataset *d, size_t i, const char *want)
{
    char got[256] = {0};
    struct row r = dataset_row(d, i);
    for (int k = 0; k < r.n; k++)
        got[k] = !r.target[k] ? '.' : r.ids[k] == 1 ? '$' : (char)r.ids[k];
    assert_string_equal(got, want);
}

static inline void assert_refused(const struct setup *s, const char *name, const char *content,
                                  const char *needle)
{
    struct fault f = {0};
    struct dataset *d = NULL;
    assert_int_equal(file_write(scratch_path(name), content, strlen(content), &f), ST_OK);
    assert_int_not_equal(dataset_open(&d, scratch_path(name), &s->o, &f), ST_OK);
    assert_null(d);
    if (!strstr(f.text, needle))
        fail_msg("\"%s\" does not say \"%s\"", f.text, needle);
    assert_true(f.remedy[0] != '\0');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

#endif
