/* Rows, masks and windows over a toy tokenizer: one token a byte, and ChatML-like specials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "data/file.h"
#include "tests/data/scratch.h"

static const char *const template =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";
/* Forgets what assistants said before the last turn: no rendering is a prefix of the next. */
static const char *const forgetful =
    "{% for m in messages %}<{{ m.role }}>{% if m.role != 'assistant' or loop.last %}"
    "{{ m.content }}{% endif %}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif "
    "%}";
static const char *const marked =
    "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}"
    "{{ m.content }}</s>{% endgeneration %}{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

struct setup {
    struct blobs files;
    struct tokenizer *t;
    struct chat *chat;
    struct dataset_options o;
};

/* Printable ASCII, a newline, and </s> with id 1; no merges. BOS is "\x02"-free: none is added. */
static void make_tokenizer(struct setup *s, const char *jinja)
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

static void tear_down(struct setup *s)
{
    chat_close(&s->chat);
    tokenizer_close(&s->t);
    blobs_free(&s->files);
}

static struct dataset *open_text(const struct setup *s, const char *name, const char *content)
{
    struct fault f = {0};
    struct dataset *d = NULL;
    assert_int_equal(file_write(scratch_path(name), content, strlen(content), &f), ST_OK);
    if (dataset_open(&d, scratch_path(name), &s->o, &f) != ST_OK)
        fail_msg("%s", f.text);
    return d;
}

/* The row as text: targets in upper case or as they are, everything else as '.'; </s> is '$'. */
static void assert_targets(const struct dataset *d, size_t i, const char *want)
{
    char got[256] = {0};
    struct row r = dataset_row(d, i);
    for (int k = 0; k < r.n; k++)
        got[k] = !r.target[k] ? '.' : r.ids[k] == 1 ? '$' : (char)r.ids[k];
    assert_string_equal(got, want);
}

static void assert_refused(const struct setup *s, const char *name, const char *content,
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

static void text_rows(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    struct dataset *d =
        open_text(&s, "a.jsonl", "\xEF\xBB\xBF{\"text\": \"abc\"}\n\n  \n{\"text\":\"de</s>\"}");
    assert_int_equal(dataset_rows(d), 2);
    assert_targets(d, 0, ".bc$");
    assert_targets(d, 1, ".e$"); /* EOS is there already */
    assert_int_equal(dataset_row(d, 1).line, 4);
    assert_string_equal(dataset_kind(d), "text");
    dataset_close(&d);
    s.o.seq_max = 3;
    d = open_text(&s, "a.jsonl", "{\"text\": \"abcdef\"}");
    assert_targets(d, 0, ".bc");
    assert_int_equal(dataset_stats(d).cut_tokens, 4);
    dataset_close(&d);
    d = open_text(&s, "a.txt", "abcdefg");
    assert_int_equal(dataset_rows(d), 2); /* abc def, and g alone teaches nothing */
    assert_targets(d, 1, ".ef");
    dataset_close(&d);
    tear_down(&s);
}

static void prompt_completion_rows(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    const char *line = "{\"prompt\": \"ab\", \"completion\": \"cd\"}\n";
    struct dataset *d = open_text(&s, "p.jsonl", line);
    assert_targets(d, 0, ".bcd$");
    dataset_close(&d);
    s.o.mask_prompt = true;
    d = open_text(&s, "p.jsonl", line);
    assert_targets(d, 0, "..cd$");
    dataset_close(&d);
    tear_down(&s);
    struct setup c = {0};
    make_tokenizer(&c, template);
    c.o.mask_prompt = true;
    d = open_text(&c, "p.jsonl", line);
    assert_targets(d, 0, "....................cd$"); /* <user>ab</s><assistant> */
    dataset_close(&d);
    tear_down(&c);
}

static void every_assistant_turn_is_a_target(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, template);
    s.o.mask_prompt = true;
    const char *line =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
        "\"content\":\"A\"},{\"role\":\"user\",\"content\":\"r\"},{\"role\":"
        "\"assistant\",\"content\":\"BC\"}]}\n";
    struct dataset *d = open_text(&s, "m.jsonl", line);
    assert_int_equal(dataset_rows(d), 1);
    assert_targets(d, 0, "...................A$...................BC$");
    dataset_close(&d);
    tear_down(&s);
    struct setup g = {0};
    make_tokenizer(&g, marked);
    g.o.mask_prompt = true;
    d = open_text(&g, "m.jsonl", line);
    assert_targets(d, 0, "...................A$...................BC$");
    dataset_close(&d);
    tear_down(&g);
}

static void a_template_that_forgets_gives_a_row_a_turn(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, forgetful);
    s.o.mask_prompt = true;
    struct dataset *d = open_text(&s, "m.jsonl",
                                  "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
                                  "\"assistant\",\"content\":\"A\"},{\"role\":\"user\",\"content\":"
                                  "\"r\"},{\"role\":\"assistant\",\"content\":\"BC\"}]}\n");
    assert_int_equal(dataset_rows(d), 2);
    assert_targets(d, 0, "...................A$");
    assert_targets(d, 1,
                   "......................................."
                   "BC$");
    dataset_close(&d);
    tear_down(&s);
}

static void bad_lines_are_named(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    assert_refused(&s, "b.jsonl", "{\"text\":\"ab\"}\n{\"text\": \"x", "line 2");
    assert_refused(&s, "b.jsonl", "{\"text\":\"ab\"}\n{\"text\":\"a\xFFz\"}", "line 2");
    assert_refused(&s, "b.jsonl", "[1]", "line 1");
    assert_refused(&s, "b.jsonl", "{\"txt\":\"ab\"}", "known keys");
    assert_refused(&s, "b.jsonl", "{\"text\":5}", "line 1");
    assert_refused(&s, "b.jsonl", "{\"text\":\"\"}", "line 1");
    assert_refused(&s, "b.jsonl", "{\"prompt\":\"a\",\"completion\":\"\"}", "line 1");
    assert_refused(&s, "b.jsonl", "{\"prompt\":\"a\",\"completion\":[1]}", "line 1");
    assert_refused(&s, "b.jsonl", "{\"text\":\"ab\"}\n{\"messages\":[]}", "line 2");
    assert_refused(&s, "b.jsonl", "", "no rows");
    assert_refused(&s, "b.jsonl", "\n \n", "no rows");
    s.o.vocab = 90;
    assert_refused(&s, "b.jsonl", "{\"text\":\"az\"}", "token 97");
    tear_down(&s);
    struct setup c = {0};
    make_tokenizer(&c, template);
    c.o.mask_prompt = true;
    assert_refused(&c, "b.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                   "no target");
    assert_refused(&c, "b.jsonl", "{\"messages\":[{\"role\":\"assistant\",\"content\":\"\"}]}",
                   "no target");
    assert_refused(&c, "b.jsonl", "{\"messages\":[{\"content\":\"x\"}]}", "role");
    c.o.seq_max = 6; /* the prompt alone fills the row */
    assert_refused(&c, "b.jsonl", "{\"prompt\":\"abcdefgh\",\"completion\":\"c\"}", "no target");
    tear_down(&c);
}

/* ---- windows ---------------------------------------------------------------------------------------------- */

static struct dataset *letters(const struct setup *s, int rows)
{
    char content[4096];
    size_t n = 0;
    for (int i = 0; i < rows; i++)
        n += (size_t)snprintf(content + n, sizeof content - n, "{\"text\":\"%.*s%c\"}\n", i % 5 + 1,
                              "-----", 'A' + i);
    return open_text(s, "l.jsonl", content);
}

/* The letters of each window's documents, windows ended by '|', micro-batches by ','. */
static void order_of(char *to, const struct dataset *d, const struct sampler_options *o,
                     int windows)
{
    struct fault f = {0};
    struct sampler *s = NULL;
    struct window w = {0};
    assert_int_equal(sampler_new(&s, d, o, &f), ST_OK);
    for (int k = 0; k < windows; k++) {
        assert_int_equal(sampler_next(s, &w, &f), ST_OK);
        int64_t targets = 0;
        for (int m = 0; m < w.micros; m++) {
            const struct batch *b = &w.micro[m];
            assert_true(b->rows <= sampler_rows_max(s));
            for (int i = 0; i < b->labelled; i++) {
                assert_true(b->index[i] < b->rows && (i == 0 || b->index[i] > b->index[i - 1]));
                if (b->labels[i] != '-' && b->labels[i] != 1)
                    *to++ = (char)b->labels[i];
            }
            for (int i = 0; i < b->rows; i++)
                assert_int_equal(b->start[i] + b->pos[i], i);
            targets += b->labelled;
            *to++ = ',';
        }
        assert_int_equal(targets, w.targets);
        *to++ = '|';
    }
    *to = '\0';
    window_free(&w);
    sampler_free(&s);
}

static void in_file_order_it_goes_round(void **state)
{
    struct setup s = {0};
    char order[256];
    (void)state;
    make_tokenizer(&s, NULL);
    struct dataset *d = letters(&s, 5);
    struct sampler_options o = {.batch = 2, .accumulate = 2, .seq_max = 64};
    order_of(order, d, &o, 3);
    assert_string_equal(order, "AB,CD,|EA,BC,|DE,AB,|");
    o.epochs = 1; /* the last window is partial, and then there is none */
    order_of(order, d, &o, 3);
    assert_string_equal(order, "AB,CD,|E,||");
    o.epochs = 2;
    int64_t n;
    struct fault f = {0};
    struct sampler *sampler = NULL;
    assert_int_equal(sampler_new(&sampler, d, &o, &f), ST_OK);
    assert_int_equal(sampler_windows(&n, sampler, &f), ST_OK);
    assert_int_equal(n, 3);
    sampler_free(&sampler);
    dataset_close(&d);
    tear_down(&s);
}

static void shuffling_is_a_permutation_of_each_epoch(void **state)
{
    struct setup s = {0};
    char order[256], again[256], other[256];
    (void)state;
    make_tokenizer(&s, NULL);
    struct dataset *d = letters(&s, 20);
    struct sampler_options o = {
        .batch = 20, .accumulate = 1, .shuffle = true, .seq_max = 64, .seed = 3};
    order_of(order, d, &o, 2);
    order_of(again, d, &o, 2);
    assert_string_equal(order, again);
    o.seed = 4;
    order_of(other, d, &o, 2);
    assert_string_not_equal(order, other);
    assert_memory_not_equal(order, order + 22, 20); /* a fresh one */
    for (int e = 0; e < 2; e++)
        for (char c = 'A'; c < 'A' + 20; c++)
            assert_non_null(memchr(order + 22 * e, c, 20));
    dataset_close(&d);
    tear_down(&s);
}

static void packing_fills_rows_and_keeps_documents_apart(void **state)
{
    struct setup s = {0};
    char order[256];
    (void)state;
    make_tokenizer(&s, NULL);
    struct dataset *d = letters(&s, 7); /* rows of 3, 4, 5, 6, 7, 3, 4 tokens with EOS */
    struct sampler_options o = {
        .batch = 1, .accumulate = 1, .packing = true, .epochs = 1, .seq_max = 12};
    order_of(order, d, &o, 5);
    assert_string_equal(order, "ABC,|D,|EF,|G,||");
    dataset_close(&d);
    tear_down(&s);
}

static void seeking_gives_the_same_windows_again(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    struct dataset *d = letters(&s, 9);
    for (int packing = 0; packing < 2; packing++)
        for (int stop = 0; stop < 9; stop++) {
            struct sampler_options o = {.batch = 2,
                                        .accumulate = 1,
                                        .shuffle = true,
                                        .packing = packing,
                                        .seq_max = 12,
                                        .seed = 1};
            struct sampler *a = NULL, *b = NULL;
            struct window w = {0}, v = {0};
            struct fault f = {0};
            assert_int_equal(sampler_new(&a, d, &o, &f), ST_OK);
            assert_int_equal(sampler_new(&b, d, &o, &f), ST_OK);
            for (int i = 0; i < stop; i++)
                assert_int_equal(sampler_next(a, &w, &f), ST_OK);
            assert_int_equal(sampler_seek(b, sampler_tell(a), &f), ST_OK);
            for (int i = 0; i < 12; i++) {
                assert_int_equal(sampler_next(a, &w, &f), ST_OK);
                assert_int_equal(sampler_next(b, &v, &f), ST_OK);
                assert_int_equal(w.micro[0].rows, v.micro[0].rows);
                assert_memory_equal(w.micro[0].ids, v.micro[0].ids, (size_t)w.micro[0].rows * 4);
            }
            window_free(&w);
            window_free(&v);
            sampler_free(&a);
            sampler_free(&b);
        }
    dataset_close(&d);
    tear_down(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_rows),
        TEST(prompt_completion_rows),
        TEST(every_assistant_turn_is_a_target),
        TEST(a_template_that_forgets_gives_a_row_a_turn),
        TEST(bad_lines_are_named),
        TEST(in_file_order_it_goes_round),
        TEST(shuffling_is_a_permutation_of_each_epoch),
        TEST(packing_fills_rows_and_keeps_documents_apart),
        TEST(seeking_gives_the_same_windows_again),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
