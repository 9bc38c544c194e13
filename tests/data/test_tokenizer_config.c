/* What the files beside a tokenizer.json change in it, as transformers has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/data/tokenizer_sample.h"

#define BYTE_LEVEL(prefix) \
    "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix "}," MODEL "}"

/* Of the files that are there: a name, then a text, up to NULL. */
static struct tokenizer *opened_with(const char *json, const char *const *more)
{
    struct blobs files = {0};
    text_as(&files, "tokenizer.json", json);
    for (; *more; more += 2)
        text_as(&files, more[0], more[1]);
    return opened(&files);
}

static void gives(const char *json, const char *config, const char *text, const char *want)
{
    const char *const more[] = {"tokenizer_config.json", config, NULL};
    struct tokenizer *t = opened_with(json, more);
    const char *got = encoded(t, text, TOKENIZER_ADD_SPECIAL);
    if (strcmp(got, want) != 0)
        fail_msg("%s\n%s: %s, not %s", config, text, got, want);
    tokenizer_close(&t);
}

static void refused(const char *json, const char *config, const char *says)
{
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    text_as(&files, "tokenizer.json", json);
    text_as(&files, "tokenizer_config.json", config);
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_UNSUPPORTED);
    assert_non_null(strstr(fault.text, says));
    assert_true(fault.remedy[0]);
    blobs_free(&files);
}

/* Ids are given in the order of transformers: roles, then extra tokens. */
static void test_special(void **state)
{
    (void)state;
    gives("{" MODEL "}", "{}", "a<e>b", "2");
    gives("{" MODEL "}", "{\"eos_token\":\"<e>\"}", "a<e>b", "0 3 1");
    gives("{" MODEL "}", "{\"additional_special_tokens\":[\"<x>\"],\"pad_token\":\"<p>\"}",
          "a<x><p>b", "0 6 5 1");
    gives("{" MODEL "}", "{\"extra_special_tokens\":{\"image_token\":\"<x>\"}}", "a<x>b", "0 5 1");
    gives("{" MODEL "}",
          "{\"extra_special_tokens\":[\"<x>\",{\"content\":\"<y>\",\"lstrip\":true}]}", "a<x> <y>b",
          "0 5 6 1");
    gives("{" MODEL "}", "{\"pad_token\":null,\"extra_special_tokens\":{}}", "ab", "2");
    refused("{" MODEL "}", "{\"split_special_tokens\":true}", "split_special_tokens");
}

static void test_special_map(void **state)
{
    const char *const map[] = {"special_tokens_map.json",
                               "{\"pad_token\":{\"content\":\"<p>\",\"lstrip\":true},"
                               "\"additional_special_tokens\":[\"<x>\"]}",
                               NULL, NULL, NULL};
    const char *const both[] = {map[0], map[1], "tokenizer_config.json",
                                "{\"added_tokens_decoder\":{}}", NULL};
    (void)state;
    struct tokenizer *t = opened_with("{" MODEL "}", map);
    assert_string_equal(encoded(t, "a <p><x>b", 0), "0 5 6 1");
    tokenizer_close(&t);
    t = opened_with("{" MODEL "}", both); /* then the map is not read */
    assert_string_equal(encoded(t, "a <p><x>b", 0), "2");
    tokenizer_close(&t);
}

static void test_added_tokens(void **state)
{
    const char *const added[] = {"added_tokens.json", "{\"<y>\":6,\"<x>\":5}",
                                 "tokenizer_config.json", "{\"eos_token\":\"<y>\"}", NULL};
    (void)state;
    struct tokenizer *t = opened_with("{" MODEL "}", added);
    assert_string_equal(encoded(t, "<y>a<x>b", 0), "6 0 5 1");
    assert_true(tokenizer_is_special(t, 6) && !tokenizer_is_special(t, 5));
    assert_int_equal(tokenizer_eos(t), 6);
    tokenizer_close(&t);
    t = opened_with("{\"added_tokens\":[" ADDED(5, "<x>") "," ADDED(6, "<y>") "]," MODEL "}",
                    added);
    assert_string_equal(encoded(t, "<y>a<x>b", 0), "6 0 5 1");
    tokenizer_close(&t);
}

/* A ByteLevel alone is set by the class of GPT-2; with other classes versions differ. */
static void test_prefix_byte_level(void **state)
{
    (void)state;
    gives(BYTE_LEVEL("false"), "{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_prefix_space\":true}",
          "ab", "4 2");
    gives(BYTE_LEVEL("true"),
          "{\"tokenizer_class\":\"GPT2TokenizerFast\",\"add_prefix_space\":false}", "ab", "2");
    gives(BYTE_LEVEL("true"), "{\"tokenizer_class\":\"GPT2Tokenizer\"}", "ab", "2");
    gives(BYTE_LEVEL("true"), "{\"add_prefix_space\":null}", "ab", "4 2");
    gives(BYTE_LEVEL("true"), "{\"add_prefix_space\":true}", "ab", "4 2");
    refused(BYTE_LEVEL("true"),
            "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"add_prefix_space\":false}",
            "add_prefix_space is false where tokenizer.json says true");
}

#define LLAMA(before)                                                                             \
    "{" before ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","         \
    "\"pattern\":{\"String\":\"_\"},\"content\":\" \"},{\"type\":\"Fuse\"},{\"type\":\"Strip\","  \
    "\"content\":\" \",\"start\":1,\"stop\":0}]},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0," \
    "\"_\":1,\"_a\":2},\"merges\":[\"_ a\"]}}"
#define PREPEND                                                                                 \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":" \
    "\"_\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"_\"}]}"
#define METASPACE                                                                         \
    "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":" \
    "\"always\",\"split\":false}"

/* The class of Llama puts nothing before a text, and takes nothing away, where it is told so. */
static void test_prefix_llama(void **state)
{
    static const char *const files[] = {LLAMA(PREPEND), LLAMA(METASPACE)};
    static const char *const config[] = {
        "tokenizer_config.json",
        "{\"tokenizer_class\":\"LlamaTokenizer\",\"add_prefix_space\":false}", NULL};
    (void)state;
    for (int i = 0; i < 2; i++) {
        gives(files[i], "{\"tokenizer_class\":\"LlamaTokenizer\"}", "a a", "2 2");
        gives(files[i], "{\"add_prefix_space\":false}", "a a", "2 2");
        gives(files[i], config[1], "a a", "0 2");
        struct tokenizer *t = opened_with(files[i], config);
        struct text out = {0};
        assert_int_equal(tokenizer_decode(t, &out, (const int32_t[]){2, 2}, 2, false, &fault),
                         ST_OK);
        assert_string_equal(out.p, " a a");
        text_free(&out);
        tokenizer_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_special),      cmocka_unit_test(test_special_map),
        cmocka_unit_test(test_added_tokens), cmocka_unit_test(test_prefix_byte_level),
        cmocka_unit_test(test_prefix_llama),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
