/* Chat templates that cannot be used, or only in part: what import says of them, and --chat later. */
#include "tests/app/program.h"

/* A base of the checkpoint with this chat_template.jinja. */
static const char *base_with(const char *template)
{
    const char *folder = program_checkpoint("template"), *base = program_file("template.h5");
    program_text(program_file("template/chat_template.jinja"), template);
    WICK("import", folder, "-o", base);
    program_done();
    return base;
}

static void chat(const char *base)
{
    program_next.input = "hi\n";
    WICK("generate", base, "--chat", "--max-tokens", "1", "--quiet");
}

static void test_lacking_filter(void **state)
{
    (void)state;
    const char *base = base_with("{% if messages|length > 1 %}\n{{ 'a'|urlize }}{% endif %}x");
    program_notes("warning: chat_template.jinja: line 2: the filter 'urlize' is not supported");
    chat(base); /* that branch is not taken */
    program_done();
    base = base_with("{{ 'a'|urlize }}");
    chat(base);
    program_refused(1, "line 1: the filter 'urlize' is not supported", "without it");
}

static void test_unreadable(void **state)
{
    (void)state;
    const char *base =
        base_with("{% for m in messages recursive %}{{ loop(m.content) }}{% endfor %}");
    program_notes("recursive loops are not supported; chat will not work");
    chat(base);
    program_failed(1,
                   "has no chat template that can be read: chat_template.jinja: line 1: recursive "
                   "loops are not supported",
                   "write the template without it");
    base = base_with("{% if %}");
    chat(base);
    program_failed(1, "has no chat template that can be read", "the template is broken");
}

static void test_names_only(void **state)
{
    (void)state;
    const char *folder = program_checkpoint("named"), *base = program_file("named.h5");
    unlink(program_file("named/tokenizer_config.json"));
    program_text(program_file("named/tokenizer_config.json"),
                 "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"x\"}]}");
    WICK("import", folder, "-o", base);
    program_done();
    program_notes("the model's chat templates have names, and none is \"default\"");
    chat(base);
    program_failed(1, "none is \"default\"", "import the model with the one of them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lacking_filter),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_names_only),
    };
    return program_run("bad_template", tests);
}
