#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/json.h"
#include "tests/data/tokenizer_sample.h"

/* ---- roles and pieces ------------------------------------------------------------------------- */

static const char begins_with_s[] = "{\"added_tokens\":[" ADDED(
    5, "<s>") "]," MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\","
              "\"single\":[{\"SpecialToken\":"
              "{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":"
              "0}}],\"pair\":"
              "[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[5],\"tokens\":["
              "\"<s>\"]}}}}";

static void test_roles(void **state)
{
    struct blobs files = {0};
    (void)state;
    text_as(&files, "tokenizer.json", begins_with_s);
    text_as(&files, "tokenizer_config.json",
            "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"<e>\"},\"pad_token\":\"[PAD]\"}");
    text_as(&files, "config.json", "{\"eos_token_id\":[1,0],\"pad_token_id\":0}");
    struct tokenizer *t = opened(&files);
    assert_int_equal(tokenizer_bos(t), 5);
    assert_int_equal(tokenizer_eos(t), 3);
    assert_true(tokenizer_adds_bos(t));
    assert_int_equal(tokenizer_size(t), 7);
    assert_int_equal(tokenizer_id(t, "ab"), 2);
    assert_int_equal(tokenizer_id(t, "abc"), -1);
    assert_string_equal(tokenizer_piece(t, 5), "<s>");
    assert_null(tokenizer_piece(t, 7));
    assert_null(tokenizer_piece(t, -1));
    assert_true(tokenizer_is_special(t, 5) && tokenizer_is_special(t, 3));
    assert_false(tokenizer_is_special(t, 2) || tokenizer_is_special(t, 99));
    assert_string_equal(encoded(t, "ab<e>a", TOKENIZER_ADD_SPECIAL), "5 2 3 0");
    assert_string_equal(encoded(t, "ab<e>a", TOKENIZER_NO_ADDED), "2 0");
    tokenizer_close(&t);
}

/* A token that no file calls bos may stand first all the same. */
static void test_first_is_no_bos(void **state)
{
    (void)state;
    struct tokenizer *t = opened_json(begins_with_s);
    assert_string_equal(encoded(t, "ab", TOKENIZER_ADD_SPECIAL), "5 2");
    assert_int_equal(tokenizer_bos(t), -1);
    assert_false(tokenizer_adds_bos(t));
    tokenizer_close(&t);
}

static void test_roles_from_config(void **state)
{
    struct blobs files = {0};
    (void)state;
    text_as(&files, "tokenizer.json", "{" MODEL "}");
    text_as(&files, "config.json", "{\"eos_token_id\":[1,0],\"bos_token_id\":77}");
    struct tokenizer *t = opened(&files);
    assert_int_equal(tokenizer_eos(t), 1);
    assert_int_equal(tokenizer_bos(t), -1);
    assert_false(tokenizer_adds_bos(t));
    tokenizer_close(&t);
}

static void test_vocab_files(void **state)
{
    struct blobs files = {0};
    (void)state;
    text_as(&files, "vocab.json", "{\"a\":0,\"b\":1,\"ab\":2,\"1\":3,\"\xC4\xA0\":4,\"11\":5}");
    text_as(&files, "merges.txt", "#version: 0.2\na b\r\n1 1\n");
    text_as(
        &files, "tokenizer_config.json",
        "{\"tokenizer_class\":\"GPT2TokenizerFast\",\"add_bos_token\":true,\"bos_token\":\"<y>\","
        "\"added_tokens_decoder\":{\"7\":{\"content\":\"<y>\",\"special\":true},"
        "\"6\":{\"content\":\"<x>\",\"lstrip\":true}}}");
    struct tokenizer *t = opened(&files);
    assert_string_equal(encoded(t, "ab 11 <x><y>", TOKENIZER_ADD_SPECIAL), "7 2 4 5 6 7");
    assert_true(tokenizer_adds_bos(t));
    tokenizer_close(&t);
}

/* A token that strips takes white space once, however often it stands in it. */
static void test_strips(void **state)
{
    static const char space[] =
        "{\"added_tokens\":[{\"id\":5,\"content\":\" \",\"single_word\":false,"
        "\"lstrip\":true,\"rstrip\":true,\"normalized\":false,"
        "\"special\":false},{\"id\":6,\"content\":\"<x>\",\"single_word\":"
        "false,\"lstrip\":false,\"rstrip\":true,\"normalized\":false,"
        "\"special\":true}]," MODEL "}";
    (void)state;
    struct tokenizer *t = opened_json(space);
    assert_string_equal(encoded(t, "a   a", 0), "0 5 0");
    assert_string_equal(encoded(t, " \n\t  ab ", 0), "5 2 5");
    assert_string_equal(encoded(t, "<x>  a<x>\n \n<x>", 0), "6 0 6 6");
    assert_string_equal(encoded(t, "   ", 0), "5");
    tokenizer_close(&t);
}

/* A token within the white space that one before it took stands there once more, as in the library;
 * the first that ends after a character is still the first that holds it: char_to_token(). */
static void test_ends_of_strips(void **state)
{
    static const char json[] =
        "{\"added_tokens\":[{\"id\":5,\"content\":\"<s>\",\"single_word\":false,"
        "\"lstrip\":true,\"rstrip\":true,\"normalized\":false,"
        "\"special\":false},{\"id\":6,\"content\":\" \",\"single_word\":"
        "false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
        "\"special\":false}]," MODEL "}";
    static const int32_t want[] = {1, 2, 3, 9, 9, 9, 9, 10, 14, 14, 15};
    struct ids ids = {0}, ends = {0};
    (void)state;
    struct tokenizer *t = opened_json(json);
    assert_string_equal(encoded(t, "a  <s>   a<s> a", 0), "0 6 6 5 6 6 6 0 5 6 0");
    assert_int_equal(tokenizer_encode_ends(t, &ids, &ends, "a  <s>   a<s> a", 15, 0, &fault),
                     ST_OK);
    assert_int_equal(ends.n, sizeof want / sizeof *want);
    assert_memory_equal(ends.p, want, sizeof want);
    ids_free(&ids);
    ids_free(&ends);
    tokenizer_close(&t);
}

/* ---- bad input -------------------------------------------------------------------------------- */

struct bad {
    const char *json;
    enum status code;
    const char *says;
};

#define SPLIT(regex)                                                         \
    "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex \
    "\"},\"behavior\":\"Isolated\",\"invert\":false}," MODEL "}"
#define REPLACE(what, by) \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" what "\"},\"content\":\"" by "\"}"
#define SIXTEEN "0123456789abcdef"
#define GROWS   REPLACE("a", SIXTEEN SIXTEEN SIXTEEN) "," REPLACE("b", SIXTEEN SIXTEEN SIXTEEN)
#define THEN_FIRST                                                                              \
    "{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":\"Metaspace\",\"replacement\":" \
    "\"_\",\"prepend_scheme\":\"first\"}"

static const struct bad bads[] = {
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}", ST_FORMAT, "tokenizer.json"},
    {"[]", ST_FORMAT, "not an object"},
    {"{}", ST_FORMAT, "model is not an object"},
    {"{\"version\":\"2.0\"," MODEL "}", ST_UNSUPPORTED, "version \"2.0\""},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", ST_UNSUPPORTED, "Unigram"},
    {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", ST_UNSUPPORTED, "WordPiece"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}", ST_UNSUPPORTED, "WordLevel"},
    {"{\"model\":{\"vocab\":[\"a\"],\"merges\":[]}}", ST_FORMAT, "vocabulary is not an object"},
    {"{\"model\":{\"vocab\":{\"a\":\"0\"},\"merges\":[]}}", ST_FORMAT, "token a"},
    {"{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", ST_FORMAT, "token a"},
    {"{\"model\":{\"vocab\":{\"a\":0.5},\"merges\":[]}}", ST_FORMAT, "token a"},
    {"{\"model\":{\"vocab\":{\"a\":2147483646},\"merges\":[]}}", ST_RANGE, "2147483646"},
    {"{\"model\":{\"vocab\":{\"a\":9007199254740991},\"merges\":[]}}", ST_FORMAT, "token a"},
    {"{\"model\":{\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}}", ST_FORMAT, "same id 1"},
    {"{\"model\":{\"vocab\":{\"a\":1,\"b\":2},\"merges\":[\"a b\"]}}", ST_FORMAT, "ab"},
    {"{\"model\":{\"vocab\":{\"a\":1,\"b\":2},\"merges\":[\"a c\"]}}", ST_FORMAT, "names c"},
    {"{\"model\":{\"vocab\":{\"a\":1},\"merges\":[\"a b c\"]}}", ST_FORMAT, "merge 0"},
    {"{\"model\":{\"vocab\":{\"a\":1},\"merges\":[[\"a\"]]}}", ST_FORMAT, "merge 0"},
    {"{\"model\":{\"vocab\":{\"a\":1},\"merges\":[7]}}", ST_FORMAT, "merge 0"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1}}}", ST_FORMAT, "merges"},
    {"{\"model\":{\"dropout\":0.1," VOCAB "}}", ST_UNSUPPORTED, "dropout"},
    {"{\"model\":{\"end_of_word_suffix\":\"</w>\"," VOCAB "}}", ST_UNSUPPORTED, "</w>"},
    {"{\"model\":{\"byte_fallback\":1," VOCAB "}}", ST_FORMAT, "byte_fallback"},
    {"{\"normalizer\":{\"type\":\"Lowercase\"}," MODEL "}", ST_UNSUPPORTED, "Lowercase"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" +\"},\"content\":\"\"}," MODEL
     "}",
     ST_UNSUPPORTED, "regex  +"},
    {"{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\"}," MODEL "}", ST_UNSUPPORTED,
     "Prepend"},
    {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" GROWS "]}," MODEL "}",
     ST_UNSUPPORTED, "normalizers that can make a text more than 1024 times longer"},
    {"{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" GROWS "]}," MODEL "}", ST_UNSUPPORTED,
     "decoders that can make a text more than 1024 times longer"},
    {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":3}," MODEL "}", ST_FORMAT, "Sequence"},
    {"{\"normalizer\":{\"type\":7}," MODEL "}", ST_FORMAT, "no type"},
    {"{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}," MODEL "}", ST_UNSUPPORTED, "BertPre"},
    {"{\"pre_tokenizer\":{\"type\":\"Digits\"}," MODEL "}", ST_FORMAT, "individual_digits"},
    {SPLIT("\\\\w+"), ST_UNSUPPORTED, "\\w+"},
    {SPLIT("a*"), ST_UNSUPPORTED, "matching nothing"},
    {SPLIT("a|$"), ST_UNSUPPORTED, "matching nothing"},
    {SPLIT("$+a"), ST_UNSUPPORTED, "quantifier after ^ or $"},
    {SPLIT("a+?"), ST_UNSUPPORTED, "a quantifier after another"},
    {SPLIT("(?<=a)b"), ST_UNSUPPORTED, "this kind of group"},
    {SPLIT("(?i:\\\\p{Lu})a"), ST_UNSUPPORTED, "\\p in (?i:)"},
    {SPLIT("(?:(?:(?:a{1,100}b){100}){100}){100}"), ST_UNSUPPORTED, "so much"},
    {SPLIT("a{1001}"), ST_UNSUPPORTED, "this number of times"},
    {SPLIT("a{99999999999999999999}"), ST_UNSUPPORTED, "this number of times"},
    {SPLIT("((((((((((((((((((a))))))))))))))))))"), ST_UNSUPPORTED, "such nesting"},
    {"{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\","
     "\"pretokenizers\":[" THEN_FIRST "]}," MODEL "}",
     ST_UNSUPPORTED, "prepend_scheme \"first\""},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":"
     "\"Isolated\",\"invert\":false}," MODEL "}",
     ST_UNSUPPORTED, "empty pattern"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":"
     "\"Odd\",\"invert\":false}," MODEL "}",
     ST_UNSUPPORTED, "Odd"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":false}"
     "," MODEL "}",
     ST_FORMAT, "contradict"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}," MODEL "}", ST_FORMAT,
     "one character"},
    {"{\"post_processor\":{\"type\":\"BertProcessing\"}," MODEL "}", ST_UNSUPPORTED, "BertProc"},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
     "\"x\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{}}," MODEL "}",
     ST_FORMAT, "\"x\""},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
     "\"x\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"x\":{\"ids\":[88]}}}," MODEL "}",
     ST_FORMAT, "id 88"},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\"}"
     "}"
     "],\"special_tokens\":{}}," MODEL "}",
     ST_UNSUPPORTED, "single"},
    {"{\"decoder\":{\"type\":\"CTC\"}," MODEL "}", ST_UNSUPPORTED, "CTC"},
    {"{\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":-1,\"stop\":0}," MODEL "}",
     ST_FORMAT, "start"},
    {"{\"added_tokens\":{}," MODEL "}", ST_FORMAT, "added_tokens"},
    {"{\"added_tokens\":[" NORMALIZED(5, "<a>") "," NORMALIZED(
         6, "<b>") "],\"normalizer\":" REPLACE("a", "b") "," MODEL "}",
     ST_UNSUPPORTED, "the same of the added tokens \"<a>\" and \"<b>\""},
    {"{\"added_tokens\":[" ADDED(9, "b") "," ADDED(
         10, "<s>") "],\"model\":{\"vocab\":{\"a\":0,\"b\":9},"
                    "\"merges\":[]}}",
     ST_UNSUPPORTED, "<s> different ids"},
    {"{\"added_tokens\":[7]," MODEL "}", ST_FORMAT, "id"},
    {"{\"added_tokens\":[" ADDED(99, "<s>") "]," MODEL "}", ST_FORMAT, "<s>"},
    {"{\"added_tokens\":[" ADDED(1, "a") "]," MODEL "}", ST_FORMAT, "token a"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct blobs files = {0};
        struct tokenizer *t = NULL;
        struct fault f = {0};
        text_as(&files, "tokenizer.json", bads[i].json);
        enum status st = tokenizer_open(&t, &files, &f);
        /* json.h calls a number out of range ST_RANGE. */
        if ((st != bads[i].code && !(st == ST_RANGE && bads[i].code == ST_FORMAT)) ||
            !strstr(f.text, bads[i].says) || !strstr(f.text, "tokenizer.json") || !f.remedy[0])
            fail_msg("%s\ngives: %s %s", bads[i].json, status_text(st), f.text);
        assert_null(t);
        blobs_free(&files);
    }
}

static void test_absent(void **state)
{
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    (void)state;
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_ABSENT);
    text_as(&files, "vocab.json", "{\"a\":0}");
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_ABSENT);
    text_as(&files, "merges.txt", "");
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_UNSUPPORTED);
    text_as(&files, "tokenizer_config.json", "{\"tokenizer_class\":\"BloomTokenizerFast\"}");
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_UNSUPPORTED);
    assert_non_null(strstr(fault.text, "BloomTokenizerFast"));
    assert_non_null(strstr(fault.remedy, "tokenizer.json"));
    blobs_free(&files);
}

/* Sequences deeper than JSON may go are refused as that, others of any depth are not. */
static void test_deep(void **state)
{
    static const int depths[] = {50, 100, 5000};
    (void)state;
    for (int k = 0; k < 3; k++) {
        struct text json = {0};
        struct blobs files = {0};
        struct tokenizer *t = NULL;
        assert_int_equal(text_adds(&json, "{" MODEL ",\"normalizer\":", &fault), ST_OK);
        for (int i = 0; i < depths[k]; i++)
            text_adds(&json, "{\"type\":\"Sequence\",\"normalizers\":[", &fault);
        text_adds(&json, "{\"type\":\"NFC\"}", &fault);
        for (int i = 0; i < depths[k]; i++)
            text_adds(&json, "]}", &fault);
        text_adds(&json, "}", &fault);
        text_as(&files, "tokenizer.json", json.p);
        enum status st = tokenizer_open(&t, &files, &fault);
        if (2 * depths[k] < JSON_DEPTH_MAX)
            assert_int_equal(st, ST_OK);
        else
            assert_true(st != ST_OK && strstr(fault.text, "tokenizer.json") &&
                        strstr(fault.text, "nest"));
        tokenizer_close(&t);
        blobs_free(&files);
        text_free(&json);
    }
}

static void refused_as(struct text *json, const char *says)
{
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    text_as(&files, "tokenizer.json", json->p);
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_RANGE);
    assert_true(strstr(fault.text, "tokenizer.json: ") && strstr(fault.text, says));
    blobs_free(&files);
    json->n = 0;
}

/* What a sane file holds little of is bounded, and so is what is made of it. */
static void test_too_much(void **state)
{
    static char big[2000];
    struct text json = {0};
    (void)state;
    memset(big, 'x', 1025);
    text_addf(&json, &fault, "{\"added_tokens\":[" ADDED(5, "%s") "]," MODEL "}", big);
    refused_as(&json, "is longer than 1024 bytes");
    text_adds(&json, "{\"added_tokens\":[", &fault);
    big[1000] = '\0';
    for (int i = 0; i < 17000; i++) {
        snprintf(big + 900, 8, "%07d", i);
        big[907] = 'x';
        text_addf(&json, &fault, "%s{\"id\":%d,\"content\":\"%s\",\"special\":true}", i ? "," : "",
                  5 + i, big);
    }
    text_adds(&json, "]," MODEL "}", &fault);
    refused_as(&json, "more than 16 MiB");
    text_adds(&json, "{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[", &fault);
    for (int i = 0; i < 1025; i++)
        text_adds(&json, "{\"SpecialToken\":{\"id\":\"a\"}},", &fault);
    text_adds(&json,
              "{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"a\":{\"ids\":[0]}}}," MODEL "}",
              &fault);
    refused_as(&json, "more than 1024 tokens");
    text_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),          cmocka_unit_test(test_roles_from_config),
        cmocka_unit_test(test_vocab_files),    cmocka_unit_test(test_strips),
        cmocka_unit_test(test_ends_of_strips), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_absent),         cmocka_unit_test(test_deep),
        cmocka_unit_test(test_too_much),       cmocka_unit_test(test_first_is_no_bos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
