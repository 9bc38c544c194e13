/* Windows: orders, packs, weights, where it stands. */
#include "tests/data/dataset_sample.h"

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
            int longest = 0;
            for (int i = 0; i < b->rows; i++) {
                assert_int_equal(b->start[i] + b->pos[i], i);
                longest = b->pos[i] + 2 > longest ? b->pos[i] + 2 : longest;
            }
            assert_int_equal(b->longest, longest); /* the last token is only predicted */
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

/* A shuffled batch may hold the last row of one pass and the first of the next, and both may be the
 * longest there is. */
static void no_batch_is_larger_than_it_says(void **state)
{
    struct setup s = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    struct dataset *d = open_text(&s, "l.jsonl",
                                  "{\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\n"
                                  "{\"text\":\"b\"}\n{\"text\":\"c\"}\n");
    int largest = 0;
    for (int batch = 1; batch < 8; batch++)
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            struct sampler_options o = {
                .batch = batch, .accumulate = 1, .shuffle = shuffle, .seq_max = 64, .seed = 5};
            struct sampler *sampler = NULL;
            struct window w = {0};
            struct fault f = {0};
            assert_int_equal(sampler_new(&sampler, d, &o, &f), ST_OK);
            for (int i = 0; i < 60; i++) {
                assert_int_equal(sampler_next(sampler, &w, &f), ST_OK);
                assert_true(w.micro[0].rows <= sampler_rows_max(sampler));
                if (batch == 2)
                    largest = w.micro[0].rows > largest ? w.micro[0].rows : largest;
            }
            window_free(&w);
            sampler_free(&sampler);
        }
    assert_int_equal(largest, 80); /* it happens */
    dataset_close(&d);
    tear_down(&s);
}

static void count_letters(int count[26], const char *order)
{
    memset(count, 0, 26 * sizeof *count);
    for (; *order; order++)
        if (*order >= 'A' && *order <= 'Z')
            count[*order - 'A']++;
}

static void rows_come_as_often_as_their_weight_says(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    struct dataset *d = NULL;
    char order[1024], again[1024];
    int count[26], other[26];
    (void)state;
    make_tokenizer(&s, NULL);
    const char *a = "{\"text\":\"-A\"}\n{\"text\":\"-B\"}\n{\"text\":\"-C\"}\n";
    const char *b = "{\"text\":\"-D\"}\n{\"text\":\"-E\"}\n{\"text\":\"-F\"}\n{\"text\":\"-G\"}\n";
    scratch_write(scratch_path("a.jsonl"), a, strlen(a));
    scratch_write(scratch_path("b.jsonl"), b, strlen(b));
    struct dataset_file files[2] = {{strdup(scratch_path("a.jsonl")), 2},
                                    {strdup(scratch_path("b.jsonl")), 0.5}};
    assert_int_equal(dataset_open_files(&d, files, 2, &s.o, &f), ST_OK);
    struct sampler_options o = {.batch = 8, .accumulate = 1, .shuffle = true, .seq_max = 64};
    order_of(order, d, &o, 6); /* six passes of 2*3 + 4/2 rows */
    order_of(again, d, &o, 6);
    assert_string_equal(order, again);
    bool changes = false;
    for (int pass = 0; pass < 6; pass++) {
        char one[11] = {0};
        memcpy(one, order + 10 * pass, 10);
        count_letters(count, one);
        assert_true(count[0] == 2 && count[1] == 2 && count[2] == 2);
        assert_int_equal(count[3] + count[4] + count[5] + count[6], 2);
        for (int i = 3; i < 7; i++)
            assert_true(count[i] <= 1);
        changes = changes || (pass > 0 && memcmp(count, other, sizeof count) != 0);
        memcpy(other, count, sizeof count);
    }
    assert_true(changes); /* each pass chooses anew */
    o.shuffle = false;
    order_of(order, d, &o, 1);
    assert_memory_equal(order, "ABCABC", 6);
    dataset_close(&d);
    files[1].weight = 0.01; /* never nothing */
    assert_int_equal(dataset_open_files(&d, files, 2, &s.o, &f), ST_OK);
    order_of(order, d, &o, 1);
    assert_int_equal(strlen(order), 7 + 1 + 2); /* the eighth is the next pass's first */
    dataset_close(&d);
    free(files[0].path);
    free(files[1].path);
    tear_down(&s);
}

static void waste_is_what_padding_would_compute(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    struct dataset *d = letters(&s, 4); /* rows of 3, 4, 5, 6 tokens */
    struct sampler_options o = {.batch = 2, .accumulate = 1, .epochs = 1, .seq_max = 12};
    struct sampler *sampler = NULL;
    assert_int_equal(sampler_new(&sampler, d, &o, &f), ST_OK);
    assert_true(sampler_waste(sampler) == 1 - 18.0 / 20.0); /* 2*4 + 2*6 */
    sampler_free(&sampler);
    o.packing = true; /* 3+4+5, 6 */
    assert_int_equal(sampler_new(&sampler, d, &o, &f), ST_OK);
    assert_true(sampler_waste(sampler) == 1 - 18.0 / 24.0);
    sampler_free(&sampler);
    dataset_close(&d);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_file_order_it_goes_round),
        TEST(shuffling_is_a_permutation_of_each_epoch),
        TEST(packing_fills_rows_and_keeps_documents_apart),
        TEST(seeking_gives_the_same_windows_again),
        TEST(no_batch_is_larger_than_it_says),
        TEST(rows_come_as_often_as_their_weight_says),
        TEST(waste_is_what_padding_would_compute),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
