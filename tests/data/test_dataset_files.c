/* Data files: found in folders and lists, with weights, several as one, and lines held out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/data/dataset_sample.h"

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
    put("d/validation.jsonl", "x"); /* another name for it, where there is no valid */
    assert_int_equal(rename(scratch_path("d/valid.jsonl.gz"), scratch_path("d/was")), 0);
    assert_int_equal(dataset_find(&train, &valid, scratch_path("d"), NULL, &f), ST_OK);
    assert_int_equal(valid.n, 1);
    assert_string_equal(valid.p[0].path, scratch_path("d/validation.jsonl"));
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
    assert_int_equal(dataset_find(&train, &valid, "tests,", NULL, &f), ST_ABSENT);
    assert_non_null(strstr(f.text, "empty name"));
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
        TEST(files_are_found_with_their_weights),
        TEST(files_of_two_kinds_are_one_dataset),
        TEST(lines_are_held_out_whole),
    };
    return cmocka_run_group_tests_name("dataset_files", tests, NULL, NULL);
}
