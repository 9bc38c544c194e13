/* Each finding from data that has just that fault, and none from data that has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/audit.h"
#include "tests/data/dataset_sample.h"

enum { VOCAB = 128, HIDDEN = 4 };

struct look {
    struct setup s;
    float embed[VOCAB][HIDDEN];
    int eos;
    const char *name; /* of the training file; NULL: train.jsonl */
    struct audit *a;
    struct dataset *train, *valid;
};

static void look_make(struct look *l, const char *jinja)
{
    *l = (struct look){.eos = 1};
    make_tokenizer(&l->s, jinja);
    for (int i = 0; i < VOCAB; i++)
        for (int k = 0; k < HIDDEN; k++)
            l->embed[i][k] = (float)(i * HIDDEN + k + 1);
}

static struct dataset *read_lenient(struct look *l, const char *name, const char *content)
{
    struct fault f = {0};
    struct dataset *d = NULL;
    scratch_write(scratch_path(name), content, strlen(content));
    l->s.o.watch = audit_watch(l->a, true);
    if (dataset_open(&d, scratch_path(name), &l->s.o, &f) != ST_OK)
        fail_msg("%s", f.text);
    return d;
}

static void look_end(struct look *l)
{
    audit_free(&l->a);
    dataset_close(&l->train);
    dataset_close(&l->valid);
}

/* The findings as "name:count severity,", with the lines of the first 9 places. */
static void assert_found(struct look *l, const char *train, const char *valid, const char *want)
{
    static const char letters[] = "nwe";
    struct fault f = {0};
    struct text got = {0};
    struct audit_options o = {.tokenizer = l->s.t,
                              .chat = l->s.chat != NULL,
                              .eos = &l->eos,
                              .eos_count = l->eos >= 0,
                              .embed = l->embed,
                              .embed_dtype = DT_F32,
                              .vocab = VOCAB,
                              .hidden = HIDDEN};
    look_end(l);
    assert_int_equal(audit_new(&l->a, &o, &f), ST_OK);
    l->train = read_lenient(l, l->name ? l->name : "train.jsonl", train);
    l->valid = valid ? read_lenient(l, "valid.jsonl", valid) : NULL;
    assert_int_equal(audit_run(l->a, l->train, l->valid, &f), ST_OK);
    bool failed = false;
    for (size_t i = 0; i < audit_findings(l->a); i++) {
        const struct audit_finding *g = audit_finding(l->a, i);
        text_addf(&got, &f, "%s:%zu%c", g->name, g->count, letters[g->severity]);
        for (size_t k = 0; k < g->places && k < 9; k++)
            text_addf(&got, &f, " %d", g->place[k].line);
        text_adds(&got, ",", &f);
        assert_true(g->text[0] != '\0' && g->remedy[0] != '\0');
        assert_true(utf8_valid(g->text, strlen(g->text), NULL));
        failed = failed || g->severity == AUDIT_ERROR;
    }
    assert_int_equal(failed, audit_failed(l->a));
    assert_string_equal(got.p ? got.p : "", want);
    text_free(&got);
}

static const char *first_text(const struct look *l)
{
    return audit_finding(l->a, 0)->text;
}

static void sound_data_has_no_findings(void **state)
{
    struct look l;
    (void)state;
    look_make(&l, NULL);
    assert_found(&l, "{\"text\":\"ab\"}\n{\"text\":\"cd</s>\"}\n", "{\"text\":\"ef\"}\n",
                 "special_tokens:1w 2,");
    assert_found(&l, "{\"text\":\"ab\"}\n{\"text\":\"cd\"}\n", "{\"text\":\"ef\"}\n", "");
    look_end(&l);
    tear_down(&l.s);
    look_make(&l, plain_template);
    l.s.o.mask_prompt = true;
    assert_found(&l, "{\"prompt\":\"a\",\"completion\":\"b\"}\n", NULL, "");
    look_end(&l);
    tear_down(&l.s);
}

static void lines_that_cannot_be_trained_on(void **state)
{
    struct look l;
    (void)state;
    look_make(&l, plain_template);
    l.s.o.mask_prompt = true;
    assert_found(&l,
                 "{\"prompt\":\"a\",\"completion\":\"\"}\n{\"prompt\":\"a\",\"completion\":\"b\"}\n"
                 "nonsense\n{\"prompt\":7,\"completion\":\"b\"}\n{\"text\":\"a\"}\n"
                 "{\"prompt\":\"c\",\"completion\":\"\"}\n[1]\n",
                 NULL, "bad_lines:4e 3 4 5 7,no_targets:2e 1 6,");
    assert_non_null(strstr(first_text(&l), "4 lines cannot be trained on"));
    assert_non_null(strstr(first_text(&l), "train.jsonl: line 3"));
    assert_found(&l, "{\"prompt\":\"a\",\"completion\":\"\"}\n", NULL,
                 "no_targets:1e 1,no_rows:1e,");
    assert_found(&l, "", NULL, "no_rows:1e,");
    l.s.o.seq_max = 20; /* "<user>ab</s><assistant>" leaves no room */
    assert_found(
        &l, "{\"prompt\":\"ab\",\"completion\":\"c\"}\n{\"prompt\":\"\",\"completion\":\"cdefg\"}",
        NULL, "no_targets:1e 1,cut_rows:1w 2,");
    assert_non_null(strstr(audit_finding(l.a, 1)->text, "16.7%")); /* 4 of 24 */
    look_end(&l);
    tear_down(&l.s);
}

/* A message quotes as many bytes as fit, and is text all the same. */
static void what_is_quoted_stays_text(void **state)
{
    struct look l;
    (void)state;
    look_make(&l, NULL);
    assert_found(&l,
                 "{\"a\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
                 "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\":1}",
                 NULL, "bad_lines:1e 1,no_rows:1e,");
    assert_non_null(strstr(first_text(&l), "it has \"a\xc3\xa9"));
    look_end(&l);
    tear_down(&l.s);
}

/* A conversation whose second turn is bad gives no rows at all. */
static void a_conversation_counts_whole_or_not(void **state)
{
    struct look l;
    (void)state;
    look_make(&l, "{% for m in messages %}{% if m.content == 'X' and not loop.last %}"
                  "{{ raise_exception('X') }}{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                  "{% if add_generation_prompt %}<assistant>{% else %}</s>{% endif %}");
    static const char two[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":"
        "\"A\"},{\"role\":\"user\",\"content\":\"r\"},{\"role\":\"assistant\",\"content\":\"B\"}]}";
    l.s.o.seq_max = 128;
    assert_found(&l, two, NULL, "conversation_split:1n,");
    assert_int_equal(dataset_rows(l.train), 2);
    l.s.o.mask_prompt = true;
    l.s.o.seq_max = 30; /* the first turn fits, the second is cut off */
    assert_found(&l, two, NULL, "no_targets:1e 1,no_rows:1e,");
    assert_int_equal(dataset_rows(l.train), 0);
    look_end(&l);
    tear_down(&l.s);
}

static void ends(void **state)
{
    static const char rows[] =
        "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"c\",\"completion\":\"d\"}\n";
    struct look l;
    (void)state;
    look_make(&l, "{% for m in messages %}<{{ m.role }}>{{ m.content }}|{% endfor %}"
                  "{% if add_generation_prompt %}<assistant>{% endif %}");
    assert_found(&l, rows, NULL, "template_eos:2e,");
    assert_non_null(strstr(first_text(&l), "never emits </s>"));
    l.eos = '|'; /* what the model stops at is what counts */
    assert_found(&l, rows, NULL, "");
    l.eos = -1;
    assert_found(&l, rows, NULL, "no_eos:1w,");
    look_end(&l);
    tear_down(&l.s);
    /* An end that is there, and never a target. */
    look_make(&l,
              "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}"
              "{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}"
              "{% endif %}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");
    l.s.o.mask_prompt = true;
    assert_found(&l, rows, NULL, "missing_eos:2e 1 2,");
    look_end(&l);
    tear_down(&l.s);
    look_make(&l,
              "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if m.content != 'd' %}"
              "</s>{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");
    l.s.o.mask_prompt = true;
    assert_found(&l, rows, NULL, "missing_eos:1w 2,");
    look_end(&l);
    tear_down(&l.s);
}

static void embeddings(void **state)
{
    struct look l;
    (void)state;
    look_make(&l, NULL);
    memset(l.embed['b'], 0, sizeof l.embed['b']);
    memset(l.embed['x'], 0, sizeof l.embed['x']); /* does not occur */
    for (int k = 0; k < HIDDEN; k++)
        l.embed['c'][k] = 0.125f;
    assert_found(&l, "{\"text\":\"ab\"}\n{\"text\":\"cd\"}\n", NULL, "untrained_tokens:2e 1 2,");
    assert_string_equal(first_text(&l), "2 tokens of the data have an embedding that was never "
                                        "trained: 98 \"b\", 99 \"c\"");
    assert_found(&l, "{\"text\":\"ad\"}\n", NULL, "");
    for (int k = 0; k < HIDDEN; k++)
        l.embed['c'][k] = (float)(k - 2) * 1e-20f; /* what an optimizer never touched */
    assert_found(&l, "{\"text\":\"ac\"}\n", NULL, "untrained_tokens:1e 1,");
    l.embed['c'][1] = 1e-10f;
    assert_found(&l, "{\"text\":\"ac\"}\n", NULL, "");
    memcpy(l.embed['d'], l.embed['a'], sizeof l.embed['a']);
    memcpy(l.embed['y'], l.embed['a'], sizeof l.embed['a']); /* does not occur */
    assert_found(&l, "{\"text\":\"ad\"}\n", NULL, "equal_embeddings:1w 1,");
    assert_non_null(strstr(first_text(&l), "97 \"a\", 100 \"d\""));
    look_end(&l);
    tear_down(&l.s);
}

static void copies(void **state)
{
    struct look l;
    (void)state;
    look_make(&l, NULL);
    assert_found(&l, "{\"text\":\"ab\"}\n{\"text\":\"cd\"}\n{\"text\":\"ab\"}\n{\"text\":\"ab\"}\n",
                 "{\"text\":\"ef\"}\n{\"text\":\"cd\"}\n{\"text\":\"ef\"}\n",
                 "duplicates:2w 3 4,valid_duplicates:1w 3,leaked:1w 2,");
    assert_found(&l, "{\"text\":\"ab\"}\n{\"text\":\"abb\"}\n", "{\"text\":\"a\"}\n", "");
    /* As many as there are, in the order of the file. */
    struct text many = {0};
    struct fault f = {0};
    for (int i = 0; i < 600; i++)
        assert_int_equal(text_addf(&many, &f, "{\"text\":\"%d\"}\n", i % 300), ST_OK);
    assert_found(&l, many.p, NULL, "duplicates:300w 301 302 303 304 305 306 307 308 309,");
    assert_int_equal(audit_finding(l.a, 0)->places, 300);
    assert_int_equal(audit_finding(l.a, 0)->place[299].line, 600);
    text_free(&many);
    /* Pieces of a text are not rows that somebody wrote twice. */
    l.name = "train.txt";
    l.s.o.seq_max = 2;
    assert_found(&l, "ababab", NULL, "");
    look_end(&l);
    tear_down(&l.s);
}

static void special_tokens(void **state)
{
    struct look l;
    (void)state;
    look_make(&l, plain_template);
    assert_found(&l,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
                 "\"content\":\"b</s>c\"}]}\n"
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"< /s> </ s>\"},{\"role\":"
                 "\"assistant\",\"content\":\"</s\"}]}\n",
                 NULL, "special_tokens:1w 1,");
    assert_non_null(strstr(first_text(&l), "such as </s>"));
    /* What is not trained on may hold what it likes. */
    assert_found(&l, "{\"prompt\":\"a\",\"completion\":\"b\",\"source\":\"</s>\"}\n", NULL, "");
    assert_found(&l, "{\"prompt\":\"</s>\",\"completion\":\"b\"}\n", NULL, "special_tokens:1w 1,");
    l.name = "train.txt";
    assert_found(&l, "a\nb</s>c\nd", NULL, "special_tokens:1w 1,");
    l.s.o.seq_max = 4;
    assert_found(&l, "abc\nd</s>e\nfghijkl", NULL, "special_tokens:1w 2,");
    assert_found(&l, "abc\nd</s e\nfghijkl", NULL, "");
    look_end(&l);
    tear_down(&l.s);
}

/* Rows of text have their end though the template has none: the finding is about the template
 * alone. */
static void two_files_have_ends_of_their_own(void **state)
{
    struct look l;
    struct fault f = {0};
    (void)state;
    look_make(&l, "{% for m in messages %}<{{ m.role }}>{{ m.content }}|{% endfor %}"
                  "{% if add_generation_prompt %}<assistant>{% endif %}");
    struct audit_options o = {.tokenizer = l.s.t,
                              .chat = true,
                              .eos = &l.eos,
                              .eos_count = 1,
                              .vocab = VOCAB,
                              .hidden = HIDDEN};
    static const char chat[] = "{\"prompt\":\"a\",\"completion\":\"b\"}\n";
    char paths[2][256];
    snprintf(paths[0], sizeof paths[0], "%s", scratch_path("text.jsonl"));
    snprintf(paths[1], sizeof paths[1], "%s", scratch_path("chat.jsonl"));
    scratch_write(paths[0], "{\"text\":\"ab\"}\n", 14);
    scratch_write(paths[1], chat, sizeof chat - 1);
    struct dataset_file files[] = {{paths[0], 1}, {paths[1], 1}};
    assert_int_equal(audit_new(&l.a, &o, &f), ST_OK);
    l.s.o.watch = audit_watch(l.a, true);
    assert_int_equal(dataset_open_files(&l.train, files, 2, &l.s.o, &f), ST_OK);
    assert_int_equal(audit_run(l.a, l.train, NULL, &f), ST_OK);
    assert_int_equal(audit_findings(l.a), 1);
    assert_string_equal(audit_finding(l.a, 0)->name, "template_eos");
    assert_int_equal(audit_finding(l.a, 0)->count, 1);
    look_end(&l);
    tear_down(&l.s);
}

static void lengths(void **state)
{
    struct look l;
    struct audit_bin bins[AUDIT_BINS];
    (void)state;
    look_make(&l, NULL);
    struct dataset *d =
        open_text(&l.s, "l.jsonl",
                  "{\"text\":\"a\"}\n{\"text\":\"bcdefghijklmnopqrstuvwxyzABCDE\"}\n"
                  "{\"text\":\"e\"}\n{\"text\":\"fghij\"}\n");
    assert_int_equal(audit_histogram(bins, d), 11); /* 31 tokens, three a bin */
    size_t rows = 0;
    for (int i = 0; i < 11; i++) {
        assert_int_equal(bins[i].from, 3 * i + 1);
        rows += bins[i].rows;
    }
    assert_int_equal(bins[10].to, 31);
    assert_int_equal(rows, 4);
    assert_true(bins[0].rows == 2 && bins[1].rows == 1 && bins[10].rows == 1);
    dataset_close(&d);
    tear_down(&l.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sound_data_has_no_findings),
        TEST(lines_that_cannot_be_trained_on),
        TEST(what_is_quoted_stays_text),
        TEST(a_conversation_counts_whole_or_not),
        TEST(ends),
        TEST(embeddings),
        TEST(copies),
        TEST(special_tokens),
        TEST(two_files_have_ends_of_their_own),
        TEST(lengths),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
