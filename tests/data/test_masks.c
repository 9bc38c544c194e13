/* Which tokens of a conversation are targets: as transformers says where a template has {%
 * generation %} blocks (a fixture by scripts/make_mask_fixtures.py), and as written down here for
 * templates like those of five families. */
#include "data/json.h"
#include "tests/data/dataset_sample.h"

/* ---- transformers' return_assistant_tokens_mask ---------------------------------------------- */

static void assert_mask(const struct json *c, const struct dataset *d)
{
    const struct json *id = json_first(json_get(c, "ids"));
    const char *mask = json_string(json_get(c, "mask"));
    struct text what = {0};
    struct fault f = {0};
    struct row r = dataset_row(d, 0);
    json_print_value(&what, c, false, &f);
    assert_int_equal(dataset_rows(d), 1);
    assert_int_equal(r.n, json_count(json_get(c, "ids")));
    assert_int_equal(r.n, strlen(mask));
    for (int i = 0; i < r.n; i++, id = json_next(id)) {
        assert_int_equal(r.ids[i], (int)json_number(id, -1));
        /* A first token has nothing before it that could predict it. */
        if (i > 0 && r.target[i] != (mask[i] == '1'))
            fail_msg("token %d is %s target: %s", i, r.target[i] ? "a" : "no", what.p);
    }
    text_free(&what);
}

static void check_case(const struct json *c)
{
    struct fault f = {0};
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    struct chat *chat = NULL;
    struct dataset *d = NULL;
    struct text line = {0};
    const char *jinja = json_string(json_get(c, "template"));
    assert_int_equal(file_read_blob(&files, json_string(json_get(c, "tokenizer")), "tokenizer.json",
                                    1 << 24, &f),
                     ST_OK);
    blobs_add(&files, "chat_template.jinja", jinja, strlen(jinja), &f);
    assert_int_equal(tokenizer_open(&t, &files, &f), ST_OK);
    assert_int_equal(chat_open(&chat, &files, &f), ST_OK);
    struct dataset_options o = {
        .tokenizer = t, .chat = chat, .seq_max = 4096, .vocab = 1536, .mask_prompt = true};
    json_print_value(&line, c, false, &f); /* it has "messages"; the other keys say nothing */
    if (dataset_parse(&d, "fixture.jsonl", line.p, line.n, &o, &f) != ST_OK)
        fail_msg("%s", f.text);
    assert_mask(c, d);
    dataset_close(&d);
    chat_close(&chat);
    tokenizer_close(&t);
    blobs_free(&files);
    text_free(&line);
}

static void masks_are_those_of_transformers(void **state)
{
    static const char fixture[] = "tests/fixtures/data/masks.json";
    struct fault f = {0};
    struct text bytes = {0};
    struct json_doc *doc = NULL;
    int cases = 0;
    (void)state;
    assert_int_equal(file_read(&bytes, fixture, 1 << 20, &f), ST_OK);
    assert_int_equal(json_parse(&doc, bytes.p, bytes.n, fixture, &f), ST_OK);
    for (const struct json *c = json_first(json_root(doc)); c; c = json_next(c), cases++)
        check_case(c);
    assert_true(cases >= 35 + 12 * 6);
    json_close(&doc);
    text_free(&bytes);
}

/* ---- five templates -------------------------------------------------------------------------- */

static const char two_turns[] =
    "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":"
    "\"A\"},{\"role\":\"user\",\"content\":\"r\"},{\"role\":\"assistant\",\"content\":\"BC\"}]}";

/* The rows as text, their targets in braces; </s> is '$'. Rows end with '|'. */
static void assert_rows(const char *jinja, const char *line, bool mask_prompt, const char *want)
{
    struct setup s = {0};
    char got[2048], *to = got;
    make_tokenizer(&s, jinja);
    s.o.seq_max = 512;
    s.o.mask_prompt = mask_prompt;
    struct dataset *d = open_text(&s, "m.jsonl", line);
    for (size_t i = 0; i < dataset_rows(d); i++) {
        struct row r = dataset_row(d, i);
        for (int k = 0; k < r.n; k++) {
            if (r.target[k] && (k == 0 || !r.target[k - 1]))
                *to++ = '{';
            *to++ = r.ids[k] == 1 ? '$' : (char)r.ids[k];
            if (r.target[k] && (k + 1 == r.n || !r.target[k + 1]))
                *to++ = '}';
        }
        *to++ = '|';
    }
    *to = '\0';
    assert_string_equal(got, want);
    dataset_close(&d);
    tear_down(&s);
}

static void like_chatml(void **state)
{
    static const char jinja[] =
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    (void)state;
    assert_rows(jinja, two_turns, true,
                "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{A<|im_end|>\n}"
                "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n{BC<|im_end|>\n}|");
    assert_rows(jinja, two_turns, false,
                "<{|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
                "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\nBC<|im_end|>\n}|");
    /* A turn that says nothing still ends: its end token is a target. */
    assert_rows(jinja,
                "{\"messages\":[{\"role\":\"assistant\",\"content\":\"\"},{\"role\":\"user\","
                "\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"A\"}]}",
                true,
                "<|im_start|>assistant\n{<|im_end|>\n}<|im_start|>user\nq<|im_end|>\n"
                "<|im_start|>assistant\n{A<|im_end|>\n}|");
}

static void like_llama3(void **state)
{
    static const char jinja[] =
        "{% for m in messages %}{% if loop.first %}<|begin|>{% endif %}<|start_header|>"
        "{{ m.role }}<|end_header|>\n\n{{ m.content | trim }}<|eot|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header|>assistant<|end_header|>\n\n{% endif %}";
    (void)state;
    assert_rows(
        jinja, two_turns, true,
        "<|begin|><|start_header|>user<|end_header|>\n\nq<|eot|>"
        "<|start_header|>assistant<|end_header|>\n\n{A<|eot|>}<|start_header|>user<|end_header|>"
        "\n\nr<|eot|><|start_header|>assistant<|end_header|>\n\n{BC<|eot|>}|");
}

/* Earlier thoughts go once the user has spoken again: a row for each turn. */
static void like_qwen3(void **state)
{
    static const char jinja[] =
        "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}"
        "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}"
        "{% set c = m.content %}{% if m.role == 'assistant' and loop.index0 < ns.last %}"
        "{% set c = c.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
        "<|im_start|>{{ m.role }}\n{{ c }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    (void)state;
    assert_rows(jinja,
                "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
                "\"content\":\"<think>t</think>\\nA\"},{\"role\":\"user\",\"content\":\"r\"},"
                "{\"role\":\"assistant\",\"content\":\"<think>u</think>\\nB\"}]}",
                true,
                "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
                "{<think>t</think>\nA<|im_end|>\n}|"
                "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
                "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n"
                "{<think>u</think>\nB<|im_end|>\n}|");
    /* Without thoughts nothing is forgotten, and one row has both. */
    assert_rows(jinja, two_turns, true,
                "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n{A<|im_end|>\n}"
                "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n{BC<|im_end|>\n}|");
}

/* Whatever asks for no answer ends with EOS, so no rendering is the beginning of a longer one. */
static void like_phi3(void **state)
{
    static const char jinja[] =
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}</s>{% endif %}";
    (void)state;
    assert_rows(jinja, two_turns, true,
                "<|user|>\nq<|end|>\n<|assistant|>\n{A<|end|>\n$}|"
                "<|user|>\nq<|end|>\n<|assistant|>\nA<|end|>\n<|user|>\nr<|end|>\n<|assistant|>\n"
                "{BC<|end|>\n$}|");
    assert_rows(jinja, "{\"prompt\":\"q\",\"completion\":\"A\"}", true,
                "<|user|>\nq<|end|>\n<|assistant|>\n{A<|end|>\n$}|");
}

static void like_gemma(void **state)
{
    static const char jinja[] =
        "<bos>{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Roles must alternate') }}{% endif %}"
        "{% set role = 'model' if m.role == 'assistant' else m.role %}"
        "<start_of_turn>{{ role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}";
    (void)state;
    assert_rows(jinja, two_turns, true,
                "<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\n{A<end_of_turn>\n}"
                "<start_of_turn>user\nr<end_of_turn>\n<start_of_turn>model\n{BC<end_of_turn>\n}|");
    struct setup s = {0};
    make_tokenizer(&s, jinja);
    assert_refused(&s, "m.jsonl",
                   "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"assistant\","
                   "\"content\":\"A\"}]}",
                   "line 1: ");
    tear_down(&s);
}

/* A conversation that the assistant begins, by a template that takes none without a message. */
static void begun_by_the_assistant(void **state)
{
    static const char jinja[] =
        "{% if messages[0].role != 'system' %}<s>be nice</s>{% endif %}"
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}";
    static const char line[] =
        "{\"messages\":[{\"role\":\"assistant\",\"content\":\"A\"},{\"role\":\"user\",\"content\":"
        "\"r\"},{\"role\":\"assistant\",\"content\":\"BC\"}]}";
    (void)state;
    assert_rows(jinja, line, true, "<s>be nice$<assistant>{A$}<user>r$<assistant>{BC$}|");
    assert_rows(jinja, line, false, "<{s>be nice$<assistant>A$<user>r$<assistant>BC$}|");
}

/* Where turns do not begin with their own generation prompt, they cannot be told from the rest; nobody
 * needs to know them where everything is learned. */
static void like_nemo(void **state)
{
    static const char jinja[] =
        "{% for m in messages %}{% if m.role == 'user' %}[INST]"
        "{% if loop.last %}system:{% endif %}{{ m.content }}[/INST]"
        "{% elif m.role == 'assistant' %}{{ m.content }}</s>{% endif %}{% endfor %}";
    struct setup s = {0};
    (void)state;
    assert_rows(jinja, two_turns, false, "[{INST]q[/INST]A$[INST]r[/INST]BC$}|");
    make_tokenizer(&s, jinja);
    s.o.mask_prompt = true;
    assert_refused(&s, "m.jsonl", two_turns, "does not begin assistant message 2 with its own");
    tear_down(&s);
}

/* Content in parts is refused where the template, meant for strings, drops it. */
static void content_in_parts(void **state)
{
    static const char line[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\" the q\"}]},"
        "{\"role\":\"assistant\",\"content\":\"A\"}]}";
    static const char strings[] =
        "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% endif "
        "%}"
        "</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    static const char parts[] =
        "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}"
        "{% else %}{{ m.content[0].text | trim }}{% endif %}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}";
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, strings);
    assert_refused(&s, "m.jsonl", line, "content in parts");
    tear_down(&s);
    assert_rows(parts, line, true, "<user>the q$<assistant>{A$}|");
}

/* What a row has for its template beside messages; an answer that is all reasoning. */
static void variables_of_a_row(void **state)
{
    static const char jinja[] =
        "{% for m in messages %}<{{ m.role }}>{% if m.reasoning_content %}({{ m.reasoning_content "
        "}})"
        "{% endif %}{{ m.content }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% if short %}!{% endif %}{% endif %}";
    static const char line[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":"
        "\"!\",\"reasoning_content\":\"\"}],\"chat_template_kwargs\":{\"short\":true}}";
    struct setup s = {0};
    (void)state;
    assert_rows(jinja, line, true, "<user>q$<assistant>!{$}|");
    assert_rows(jinja,
                "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
                "\"content\":\"\",\"reasoning_content\":\"R\"}],\"chat_template_kwargs\":null}",
                true, "<user>q$<assistant>{(R)$}|");
    make_tokenizer(&s, jinja);
    assert_refused(&s, "m.jsonl",
                   "{\"messages\":[{\"role\":\"assistant\",\"content\":\"A\"}],"
                   "\"chat_template_kwargs\":[]}",
                   "chat_template_kwargs");
    tear_down(&s);
}

/* ---- turns that are not to be learned --------------------------------------------------------- */

/* A prompt and a completion of messages, as TRL has them: what the assistant said before is given. */
static void conversational_pairs(void **state)
{
    static const char row[] =
        "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
        "\"b\"},{\"role\":\"user\",\"content\":\"c\"}],\"completion\":[{\"role\":\"assistant\","
        "\"content\":\"d\"}]}";
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, plain_template);
    s.o.seq_max = 1024;
    struct dataset *d = open_text(&s, "k.jsonl", row);
    assert_string_equal(dataset_kind(d), "prompt/completion");
    assert_targets(d, 0, ".user>a$<assistant>b$<user>c$<assistant>d$");
    dataset_close(&d);
    s.o.mask_prompt = true;
    d = open_text(&s, "k.jsonl", row);
    assert_targets(d, 0, "........................................d$");
    dataset_close(&d);
    assert_refused(&s, "k.jsonl", "{\"prompt\":[],\"completion\":\"a\"}", "not both strings");
    assert_refused(&s, "k.jsonl",
                   "{\"prompt\":[{\"role\":\"assistant\",\"content\":\"a\"}],"
                   "\"completion\":[]}",
                   "no target");
    assert_refused(&s, "k.jsonl", "{\"prompt\":[\"a\"],\"completion\":[]}", "without a role");
    tear_down(&s);
}

/* A turn of weight 0, as OpenAI's files have them, is read and not learned, also where the template
 * marks the assistant's words itself. */
static void weights_of_turns(void **state)
{
    static const char row[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
        "\"b\",\"weight\":0},{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\","
        "\"content\":\"d\",\"weight\":1}]}";
    static const char marking[] =
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}"
        "{{ m.content }}</s>{% endgeneration %}{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}";
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct setup s = {0};
        make_tokenizer(&s, i == 0 ? plain_template : marking);
        s.o.seq_max = 1024;
        assert_refused(&s, "k.jsonl", row, "everything is learned");
        s.o.mask_prompt = true;
        struct dataset *d = open_text(&s, "k.jsonl", row);
        assert_targets(d, 0, "........................................d$");
        dataset_close(&d);
        assert_refused(&s, "k.jsonl",
                       "{\"messages\":[{\"role\":\"assistant\",\"content\":\"b\",\"weight\":0}]}",
                       "no target");
        assert_refused(
            &s, "k.jsonl",
            "{\"messages\":[{\"role\":\"assistant\",\"content\":\"b\",\"weight\":\"1\"}]}",
            "neither 0 nor 1");
        tear_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(masks_are_those_of_transformers),
        TEST(like_chatml),
        TEST(like_llama3),
        TEST(like_qwen3),
        TEST(like_phi3),
        TEST(like_gemma),
        TEST(begun_by_the_assistant),
        TEST(like_nemo),
        TEST(content_in_parts),
        TEST(variables_of_a_row),
        TEST(conversational_pairs),
        TEST(weights_of_turns),
    };
    return cmocka_run_group_tests_name("masks", tests, NULL, NULL);
}
