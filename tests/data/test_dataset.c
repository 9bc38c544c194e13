/* Rows and masks of a dataset over a toy tokenizer. */
#include "tests/data/dataset_sample.h"

/* Forgets what assistants said before the last turn: no rendering is a prefix of the next. */
static const char *const forgetful =
    "{% for m in messages %}<{{ m.role }}>{% if m.role != 'assistant' or loop.last %}"
    "{{ m.content }}{% endif %}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif "
    "%}";
static const char *const marked =
    "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}"
    "{{ m.content }}</s>{% endgeneration %}{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

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
    d = open_text(&s, "a.txt", "a\n\nb\nc\n");
    assert_int_equal(dataset_row(d, 0).line, 1);
    assert_int_equal(dataset_row(d, 1).line, 3);
    dataset_close(&d);
    assert_refused(&s, "a.txt", "", "a.txt holds no text");
    assert_refused(&s, "a.txt", "a", "a.txt holds no text");
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
    make_tokenizer(&c, plain_template);
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
    make_tokenizer(&s, plain_template);
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
    make_tokenizer(&c, plain_template);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_rows),
        TEST(prompt_completion_rows),
        TEST(every_assistant_turn_is_a_target),
        TEST(a_template_that_forgets_gives_a_row_a_turn),
        TEST(bad_lines_are_named),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
