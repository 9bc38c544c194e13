/* Every allocation between a file and its audited rows fails once: ST_NOMEM and nothing left behind,
 * or, where only a finding is lost, the same rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/audit.h"
#include "data/crc32c.h"
#include "tests/data/dataset_sample.h"
#include "tests/data/short_memory.h"

static const char content[] =
    "[{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":\"A\"}],"
    "\"system\":\"s\"},\n{\"conversations\":[{\"from\":\"human\",\"value\":\"r\"},{\"from\":"
    "\"gpt\","
    "\"value\":\"B</s>\"}]},\n{\"conversations\":[]}]";

static uint32_t rows_crc(uint32_t crc, const struct dataset *d)
{
    for (size_t i = 0; i < dataset_rows(d); i++) {
        struct row r = dataset_row(d, i);
        crc = crc32c(crc, r.ids, (size_t)r.n * sizeof *r.ids);
        crc = crc32c(crc, r.target, (size_t)r.n);
    }
    return crc;
}

static enum status read_and_audit(const struct setup *s, const char *list, uint32_t *crc,
                                  struct fault *f)
{
    static const int eos = 1;
    struct dataset_list train = {0}, valid = {0};
    struct dataset *d = NULL, *held = NULL;
    struct audit *a = NULL;
    struct sampler *sampler = NULL;
    struct audit_options ao = {
        .tokenizer = s->t, .chat = true, .eos = &eos, .eos_count = 1, .vocab = 128};
    struct sampler_options so = {.batch = 2, .accumulate = 1, .seq_max = 64};
    enum status st = audit_new(&a, &ao, f);
    struct dataset_options o = s->o;
    o.memory_max = 16;
    if (st == ST_OK) {
        o.watch = audit_watch(a, true);
        st = dataset_find(&train, &valid, list, "1,2", f);
    }
    if (st == ST_OK)
        st = dataset_open_files(&d, train.p, train.n, &o, f);
    if (st == ST_OK)
        st = dataset_hold_out(&held, d, 0.5, 0, f);
    if (st == ST_OK)
        st = audit_run(a, d, held, f);
    if (st == ST_OK)
        st = sampler_new(&sampler, d, &so, f);
    if (st == ST_OK)
        *crc = rows_crc(rows_crc(0, d), held);
    sampler_free(&sampler);
    audit_free(&a);
    dataset_close(&held);
    dataset_close(&d);
    dataset_list_free(&train);
    dataset_list_free(&valid);
    return st;
}

static void each_allocation_may_fail(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    struct text list = {0};
    bool done = false;
    uint32_t want = 0, got = 0;
    (void)state;
    if (!short_memory_works)
        skip();
    make_tokenizer(&s, plain_template);
    scratch_write(scratch_path("a.json"), content, sizeof content - 1);
    scratch_write(scratch_path("b.txt"), "plain text", 10);
    assert_int_equal(text_addf(&list, &f, "%s,%s", scratch_path("a.json"), scratch_path("b.txt")),
                     ST_OK);
    assert_int_equal(read_and_audit(&s, list.p, &want, &f), ST_OK);
    for (long n = 1; !done && n < 100000; n++) {
        struct fault said = {0};
        short_memory_after(n);
        enum status st = read_and_audit(&s, list.p, &got, &said);
        done = !short_memory_end();
        if (done || st != ST_OK)
            assert_int_equal(st, done ? ST_OK : ST_NOMEM);
        else /* a finding's place may be lost without harm */
            assert_int_equal(got, want);
    }
    assert_true(done);
    text_free(&list);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(each_allocation_may_fail)};
    return cmocka_run_group_tests_name("dataset_short", tests, NULL, NULL);
}
