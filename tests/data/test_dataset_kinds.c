/* Data as people have it: ShareGPT, Alpaca, arrays, gzip. */
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
    assert_row(&s,
               "{\"conversations\":[{\"from\":\"Human\",\"value\":\"a\"},{\"from\":\"GPT\","
               "\"value\":\"b\"}]}",
               "ShareGPT", "<user>a$<assistant>b$");
    assert_refused(&s, "k.jsonl",
                   "{\"conversations\":[{\"from\":\"function_call\",\"value\":\"{\"}]}",
                   "function_call that is no call");
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

/* LLaMA-Factory's calls become tool_calls, as templates know them. */
static void calls(void **state)
{
    static const char jinja[] =
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls %}"
        "[{{ c.type }} {{ c.function.name }} {{ c.function.arguments | tojson }}]{% endfor %}</s>"
        "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, jinja);
    s.o.seq_max = 1024;
    assert_row(&s,
               "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":"
               "\"function_call\",\"value\":\"{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": "
               "{\\\"x\\\": 1}}\"},{\"from\":\"observation\",\"value\":\"2\"}]}",
               "ShareGPT", "<user>a$<assistant>[function f {\"x\": 1}]$<tool>2$");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sharegpt),
        TEST(calls),
        TEST(alpaca),
        TEST(messages),
        TEST(keys_tell_the_kind),
        TEST(other_files_are_told_apart),
        TEST(arrays_and_gzip),
    };
    return cmocka_run_group_tests_name("dataset_kinds", tests, NULL, NULL);
}
