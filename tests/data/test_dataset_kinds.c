/* Data as people have it: ShareGPT, Alpaca, arrays, gzip, several files, held-out lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <zlib.h>

#include "tests/data/dataset_sample.h"

/* A row's ids as text; </s> is '$'. */
static const char *row_text(const struct dataset *d, size_t i)
{
    static char got[2048];
    struct row r = dataset_row(d, i);
    assert_true(r.n < (int)sizeof got);
    for (int k = 0; k < r.n; k++)
        got[k] = r.ids[k] == 1 ? '$' : (char)r.ids[k];
    got[r.n] = '\0';
    return got;
}

/* The first row of a line, with its kind. */
static void assert_row(const struct setup *s, const char *line, const char *kind, const char *want)
{
    struct dataset *d = open_text(s, "k.jsonl", line);
    assert_string_equal(dataset_kind(d), kind);
    assert_string_equal(row_text(d, 0), want);
    dataset_close(&d);
}

static void sharegpt(void **state)
{
    struct setup s = {0}, bare = {0};
    (void)state;
    make_tokenizer(&s, plain_template);
    make_tokenizer(&bare, NULL);
    s.o.seq_max = 1024;
    assert_row(&s,
               "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\","
               "\"value\":\"b\"}],\"id\":\"x\"}",
               "ShareGPT", "<user>a$<assistant>b$");
    assert_row(&s,
               "{\"system\":\"s\",\"conversations\":[{\"from\":\"user\",\"value\":\"a\"},{\"from\":"
               "\"function\",\"value\":\"t\"},{\"from\":\"chatgpt\",\"value\":\"b\"}]}",
               "ShareGPT", "<system>s$<user>a$<tool>t$<assistant>b$");
    assert_row(&s,
               "{\"conversations\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
               "\"content\":\"b\"}],\"tools\":\"[]\"}",
               "ShareGPT", "<user>a$<assistant>b$");
    s.o.mask_prompt = true;
    struct dataset *d = open_text(&s, "k.jsonl",
                                  "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},"
                                  "{\"from\":\"gpt\",\"value\":\"b\"}]}");
    assert_targets(d, 0, "...................b$");
    dataset_close(&d);
    assert_refused(&s, "k.jsonl", "{\"conversations\":[{\"from\":\"alien\",\"value\":\"a\"}]}",
                   "line 1 has a turn from \"alien\"");
    assert_refused(&s, "k.jsonl", "{\"conversations\":[{\"from\":\"gpt\"}]}", "\"value\"");
    assert_refused(&s, "k.jsonl", "{\"conversations\":[7]}", "\"value\"");
    assert_refused(&s, "k.jsonl", "{\"conversations\":\"a\"}", "no list");
    assert_refused(&s, "k.jsonl", "{\"conversations\":[]}", "no target");
    assert_refused(&s, "k.jsonl", "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]}",
                   "no target");
    assert_refused(&s, "k.jsonl",
                   "{\"conversations\":[{\"from\":\"gpt\",\"value\":\"a\"}],\"tools\":\"[\"}",
                   "tools that are not JSON");
    assert_refused(&bare, "k.jsonl", "{\"conversations\":[{\"from\":\"gpt\",\"value\":\"a\"}]}",
                   "no chat template");
    tear_down(&bare);
    tear_down(&s);
}

static void alpaca(void **state)
{
    struct setup s = {0}, bare = {0};
    (void)state;
    make_tokenizer(&s, plain_template);
    make_tokenizer(&bare, NULL);
    s.o.seq_max = bare.o.seq_max = 1024;
    assert_row(&s, "{\"instruction\":\"do\",\"input\":\"it\",\"output\":\"ok\",\"text\":\"x\"}",
               "Alpaca", "<user>do\n\nit$<assistant>ok$");
    assert_row(&s, "{\"instruction\":\"do\",\"input\":\"\",\"output\":\"ok\"}", "Alpaca",
               "<user>do$<assistant>ok$");
    assert_row(&s, "{\"instruction\":\"do\",\"input\":null,\"output\":\"ok\"}", "Alpaca",
               "<user>do$<assistant>ok$");
    assert_row(&s,
               "{\"instruction\":\"do\",\"output\":\"ok\",\"system\":\"s\",\"history\":[[\"q\","
               "\"r\"]]}",
               "Alpaca", "<system>s$<user>q$<assistant>r$<user>do$<assistant>ok$");
    assert_row(&bare, "{\"instruction\":\"do\",\"output\":\"ok\"}", "Alpaca",
               "Below is an instruction that describes a task. Write a response that appropriately "
               "completes the request.\n\n### Instruction:\ndo\n\n### Response:\nok$");
    assert_row(&bare, "{\"instruction\":\"do\",\"input\":\"it\",\"output\":\"ok\"}", "Alpaca",
               "Below is an instruction that describes a task, paired with an input that provides "
               "further context. Write a response that appropriately completes the request.\n\n"
               "### Instruction:\ndo\n\n### Input:\nit\n\n### Response:\nok$");
    bare.o.mask_prompt = true;
    struct dataset *d = open_text(&bare, "k.jsonl", "{\"instruction\":\"do\",\"output\":\"ok\"}");
    assert_int_equal(dataset_row(d, 0).targets, 3);
    dataset_close(&d);
    assert_refused(&s, "k.jsonl", "{\"instruction\":\"a\",\"output\":\"\"}", "empty output");
    assert_refused(&s, "k.jsonl", "{\"instruction\":\"a\",\"output\":7}", "not a string");
    assert_refused(&s, "k.jsonl", "{\"instruction\":\"a\",\"input\":[],\"output\":\"b\"}",
                   "not a string");
    assert_refused(&s, "k.jsonl", "{\"instruction\":\"a\",\"output\":\"b\",\"history\":[[\"q\"]]}",
                   "history");
    assert_refused(&bare, "k.jsonl",
                   "{\"instruction\":\"a\",\"output\":\"b\",\"history\":[[\"q\",\"r\"]]}",
                   "no chat template");
    assert_refused(&s, "k.jsonl", "{\"instruction\":\"a\"}", "known keys");
    tear_down(&bare);
    tear_down(&s);
}

static void messages(void **state)
{
    static const char turns[] = "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
                                "\"assistant\",\"content\":\"b\"}]";
    static const char want[] = "[f]<user>a$<assistant>b$";
    struct setup s = {0};
    char line[512];
    (void)state;
    make_tokenizer(&s, "{% if tools %}[{{ tools[0].name }}]{% endif %}{% for m in messages %}"
                       "<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
                       "{% if add_generation_prompt %}<assistant>{% endif %}");
    snprintf(line, sizeof line, "{%s,\"tools\":[{\"name\":\"f\"}]}", turns);
    assert_row(&s, line, "messages", want);
    snprintf(line, sizeof line, "{%s,\"tools\":\"[{\\\"name\\\":\\\"f\\\"}]\"}", turns);
    assert_row(&s, line, "messages", want);
    static const char *const none[] = {"null", "\"\"", "\"null\"", "[]"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        snprintf(line, sizeof line, "{%s,\"tools\":%s}", turns, none[i]);
        assert_row(&s, line, "messages", want + 3);
    }
    snprintf(line, sizeof line, "{%s,\"tools\":7}", turns);
    assert_refused(&s, "k.jsonl", line, "line 1 has tools that are no list");
    snprintf(line, sizeof line, "{%s,\"tools\":\"{}\"}", turns);
    assert_refused(&s, "k.jsonl", line, "line 1 has tools that are no list");
    snprintf(line, sizeof line, "{%s,\"tools\":\"[\"}", turns);
    assert_refused(&s, "k.jsonl", line, "line 1 has tools that are not JSON");
    tear_down(&s);
}

/* A kind is told by the keys that hold something; a row of none says which it has. */
static void keys_tell_the_kind(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    assert_row(&s, "{\"prompt\":null,\"completion\":null,\"messages\":null,\"text\":\"ab\"}",
               "text", "ab$");
    assert_row(&s, "{\"messages\":null,\"prompt\":\"a\",\"completion\":\"b\",\"text\":\"x\"}",
               "prompt/completion", "ab$");
    assert_refused(&s, "k.jsonl", "{\"text\":null}", "line 1 has a text that is not a string");
    assert_refused(&s, "k.jsonl", "{\"question\":\"a\",\"answer\":\"b\"}",
                   "line 1 has none of the known keys: it has \"question\", \"answer\"");
    assert_refused(&s, "k.jsonl", "{}", "none of the known keys: it has nothing");
    assert_refused(&s, "k.jsonl", "{\"text\":\"a\",\"text\":\"b\"}", "\"text\" stands twice");
    assert_refused(&s, "k.jsonl", "{\"text\":\"ab\"}\n{\"prompt\":\"a\",\"completion\":\"b\"}",
                   "line 2 is a prompt/completion row among text rows");
    tear_down(&s);
}

static void assert_remedy(const struct setup *s, const char *name, const char *content,
                          const char *remedy)
{
    struct fault f = {0};
    struct dataset *d = NULL;
    scratch_write(scratch_path(name), content, strlen(content));
    assert_int_equal(dataset_open(&d, scratch_path(name), &s->o, &f), ST_FORMAT);
    if (!strstr(f.remedy, remedy))
        fail_msg("\"%s\" does not say \"%s\"", f.remedy, remedy);
}

static void other_files_are_told_apart(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    assert_remedy(&s, "a.md", "# Lamps\n", "a plain text has a name that ends in .txt");
    assert_remedy(&s, "a.csv", "text\nlamp\n", "rows are JSON, an object a line");
    assert_remedy(&s, "a.jsonl", "[{\"text\":\"a\"}]\n", "a name that ends in .json");
    assert_remedy(&s, "a.jsonl", "[\n{\"text\":\"a\"}]\n", "a name that ends in .json");
    assert_remedy(&s, "a.jsonl", "{\"text\":\n", "mend or remove that line");
    assert_true(dataset_is_rows("a.ndjson") && dataset_is_rows("a.jsonl.gz"));
    assert_false(dataset_is_rows("a.txt") || dataset_is_rows("a.raw"));
    tear_down(&s);
}

static void write_zipped(const char *path, const char *content)
{
    gzFile z = gzopen(path, "wb");
    assert_non_null(z);
    assert_int_equal(gzwrite(z, content, (unsigned)strlen(content)), (int)strlen(content));
    assert_int_equal(gzclose(z), Z_OK);
}

static void arrays_and_gzip(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    struct dataset *d = open_text((make_tokenizer(&s, NULL), &s), "a.json",
                                  "[\n {\"text\": \"abc\"},\n {\"text\": \"de\"}\n]\n");
    (void)state;
    assert_int_equal(dataset_rows(d), 2);
    assert_string_equal(row_text(d, 1), "de$");
    assert_int_equal(dataset_row(d, 1).line, 3);
    dataset_close(&d);
    write_zipped(scratch_path("a.jsonl.gz"), "{\"text\": \"abc\"}\n{\"text\": \"de\"}\n");
    assert_int_equal(dataset_open(&d, scratch_path("a.jsonl.gz"), &s.o, &f), ST_OK);
    assert_string_equal(row_text(d, 0), "abc$");
    assert_int_equal(dataset_rows(d), 2);
    dataset_close(&d);
    write_zipped(scratch_path("a.txt.gz"), "abcdefg");
    assert_int_equal(dataset_open(&d, scratch_path("a.txt.gz"), &s.o, &f), ST_OK);
    assert_string_equal(dataset_kind(d), "plain text");
    assert_string_equal(row_text(d, 0), "abcdefg");
    dataset_close(&d);
    struct ids t = {0};
    assert_int_equal(dataset_tokens(&t, scratch_path("a.jsonl.gz"), s.t, &f), ST_OK);
    assert_int_equal(t.n, 7);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(t.p[i], "abc\n\nde"[i]);
    assert_int_equal(dataset_tokens(&t, scratch_path("a.txt.gz"), s.t, &f), ST_OK);
    assert_int_equal(t.n, 14);
    assert_int_equal(t.p[13], 'g');
    ids_free(&t);
    assert_true(dataset_is_rows("x.jsonl.gz") && !dataset_is_rows("x.txt.gz"));
    tear_down(&s);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void put(const char *name, const char *content)
{
    scratch_write(scratch_path(name), content, strlen(content));
}

static void files_are_found_with_their_weights(void **state)
{
    struct dataset_list train = {0}, valid = {0};
    struct fault f = {0};
    struct text all = {0}, absolute = {0};
    (void)state;
    put("a,b.jsonl", "x");
    put("c.jsonl", "x");
    mkdir(scratch_path("d"), 0777);
    put("d/train.txt", "x");
    put("d/train.json.gz", "x");
    put("d/valid.jsonl.gz", "x");
    text_addf(&all, &f, "%s,%s,%s", scratch_path("a,b.jsonl"), scratch_path("d"),
              scratch_path("c.jsonl"));
    assert_int_equal(dataset_find(&train, &valid, all.p, "2,.5,3", &f), ST_OK);
    assert_int_equal(train.n, 3);
    assert_string_equal(train.p[0].path, scratch_path("a,b.jsonl"));
    assert_string_equal(train.p[1].path, scratch_path("d/train.txt"));
    assert_string_equal(train.p[2].path, scratch_path("c.jsonl"));
    assert_true(train.p[0].weight == 2 && train.p[1].weight == 0.5 && train.p[2].weight == 3);
    assert_int_equal(valid.n, 1);
    assert_string_equal(valid.p[0].path, scratch_path("d/valid.jsonl.gz"));
    dataset_list_free(&train);
    dataset_list_free(&valid);
    assert_int_equal(dataset_absolute(&absolute, all.p, &f), ST_OK);
    assert_string_equal(absolute.p, all.p);
    static const char *const bad[] = {"1,2",     "1,2,3,4", "1,x,2", "1,0,2", "1,-1,2",
                                      "1,nan,2", "1,1e9,1", "",      "1,,1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(dataset_find(&train, &valid, all.p, bad[i], &f), ST_RANGE);
        assert_non_null(strstr(f.text, "--data-weights"));
        assert_int_equal(train.n + valid.n, 0);
    }
    assert_int_equal(dataset_find(&train, &valid, scratch_path("c.jsonl"), NULL, &f), ST_OK);
    assert_true(train.n == 1 && valid.n == 0 && train.p[0].weight == 1);
    dataset_list_free(&train);
    text_adds(&all, ",nowhere", &f);
    assert_int_equal(dataset_find(&train, &valid, all.p, NULL, &f), ST_ABSENT);
    assert_non_null(strstr(f.text, "nowhere"));
    mkdir(scratch_path("e"), 0777);
    assert_int_equal(dataset_find(&train, &valid, scratch_path("e"), NULL, &f), ST_ABSENT);
    text_free(&all);
    text_free(&absolute);
}

static void files_of_two_kinds_are_one_dataset(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    struct dataset *d = NULL, *one = NULL;
    (void)state;
    make_tokenizer(&s, NULL);
    put("a.jsonl", "{\"text\":\"ab\"}\n");
    put("b.jsonl",
        "{\"prompt\":\"c\",\"completion\":\"d\"}\n{\"prompt\":\"e\",\"completion\":\"f\"}");
    struct dataset_file files[2] = {{strdup(scratch_path("a.jsonl")), 1},
                                    {strdup(scratch_path("b.jsonl")), 2}};
    assert_int_equal(dataset_open_files(&d, files, 2, &s.o, &f), ST_OK);
    assert_string_equal(dataset_kind(d), "text and prompt/completion");
    struct dataset_part p = dataset_part(d, 1);
    assert_true(p.first == 1 && p.rows == 2 && p.weight == 2);
    assert_int_equal(dataset_row(d, 2).line, 2);
    assert_int_equal(dataset_row(d, 2).file, 1);
    assert_int_equal(dataset_open_files(&one, files, 1, &s.o, &f), ST_OK);
    assert_int_not_equal(dataset_identity(d), dataset_identity(one));
    dataset_close(&one);
    dataset_close(&d);
    put("b.jsonl", "{\"prompt\":\"c\",\"completion\":\"d\"}\n{\"text\":\"e\"}");
    assert_int_equal(dataset_open_files(&d, files, 2, &s.o, &f), ST_FORMAT);
    assert_non_null(strstr(f.text, "b.jsonl: line 2 is a text row among prompt/completion rows"));
    free(files[0].path);
    free(files[1].path);
    tear_down(&s);
}

/* ---- holding out, spilling ------------------------------------------------------------------- */

static void lines_are_held_out_whole(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    struct text content = {0};
    char first[32] = "";
    (void)state;
    make_tokenizer(&s, "{% for m in messages %}<{{ m.role }}>{% if m.role != 'assistant' or "
                       "loop.last %}{{ m.content }}{% endif %}</s>{% endfor %}{% if "
                       "add_generation_prompt %}<assistant>{% endif %}");
    s.o.seq_max = 256;
    for (int i = 0; i < 20; i++) /* conversations of two rows each */
        text_addf(
            &content, &f,
            "{\"messages\":[{\"role\":\"user\",\"content\":\"q%d\"},{\"role\":\"assistant\","
            "\"content\":\"a\"},{\"role\":\"user\",\"content\":\"r\"},{\"role\":\"assistant\","
            "\"content\":\"b\"}]}\n",
            i);
    for (int seed = 0; seed < 4; seed++) {
        struct dataset *d = open_text(&s, "m.jsonl", content.p), *held = NULL;
        char seen[21] = {0}, chosen[32] = {0};
        assert_int_equal(dataset_stats(d).split, 20);
        assert_int_equal(dataset_hold_out(&held, d, 0.25, (uint64_t)(seed / 2), &f), ST_OK);
        assert_int_equal(dataset_rows(held), 10);
        assert_int_equal(dataset_rows(d), 30);
        assert_int_equal(dataset_stats(held).split, 5);
        assert_int_equal(dataset_identity(held), dataset_identity(d));
        for (size_t i = 0; i < 10; i++)
            seen[dataset_row(held, i).line] = 1;
        for (size_t i = 0; i < 30; i++)
            assert_false(seen[dataset_row(d, i).line]);
        for (int i = 1; i <= 20; i++)
            chosen[i] = (char)('0' + seen[i]);
        chosen[0] = '-';
        if (seed == 1)
            assert_string_equal(chosen, first);
        else if (seed == 2)
            assert_string_not_equal(chosen, first);
        memcpy(first, chosen, sizeof first);
        dataset_close(&d); /* what was held out stands alone */
        assert_true(dataset_row(held, 0).ids[0] == '<');
        dataset_close(&held);
    }
    struct dataset *d = open_text(&s, "m.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}"),
                   *held = NULL;
    assert_int_equal(dataset_hold_out(&held, d, 0.5, 0, &f), ST_RANGE);
    assert_null(held);
    dataset_close(&d);
    text_free(&content);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sharegpt),
        TEST(alpaca),
        TEST(messages),
        TEST(keys_tell_the_kind),
        TEST(other_files_are_told_apart),
        TEST(arrays_and_gzip),
        TEST(files_are_found_with_their_weights),
        TEST(files_of_two_kinds_are_one_dataset),
        TEST(lines_are_held_out_whole),
    };
    return cmocka_run_group_tests_name("dataset_kinds", tests, NULL, NULL);
}
