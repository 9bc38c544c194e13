/* Which tokens each perplexity mode scores, against the loops that define them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/windows.h"

/* Every token but the first exactly once, in order, whatever the sizes. */
static void blocks_score_each_token_once(void **state)
{
    (void)state;
    for (size_t tokens = 2; tokens < 40; tokens++)
        for (size_t ctx = 2; ctx < 12; ctx++) {
            struct windows w;
            struct fault f;
            size_t next = 1;
            assert_int_equal(windows_plan(&w, WINDOWS_BLOCKS, tokens, ctx, 0, &f), ST_OK);
            for (size_t i = 0; i < w.count; i++) {
                struct span s = windows_at(&w, i);
                assert_int_equal(s.at, i * ctx);
                assert_true(s.n >= 1 && s.n <= ctx && s.first == 0 && s.tokens == s.n);
                for (size_t p = s.first; p < s.n; p++)
                    assert_int_equal(s.at + p + 1, next++);
            }
            assert_int_equal(next, tokens);
        }
}

/* The loop of transformers' documentation, token by token. */
static void stride_is_the_documented_loop(void **state)
{
    (void)state;
    for (size_t tokens = 2; tokens < 40; tokens++)
        for (size_t ctx = 2; ctx < 12; ctx++)
            for (size_t stride = 1; stride <= ctx; stride++) {
                struct windows w;
                struct fault f;
                size_t i = 0, prev_end = 0;
                assert_int_equal(windows_plan(&w, WINDOWS_STRIDE, tokens, ctx, stride, &f), ST_OK);
                for (size_t begin = 0; begin < tokens; begin += stride, i++) {
                    size_t end = begin + ctx < tokens ? begin + ctx : tokens;
                    size_t scored = end - prev_end; /* trg_len; the window's first has no past */
                    if (scored > end - begin - 1)
                        scored = end - begin - 1;
                    struct span s = windows_at(&w, i);
                    assert_true(i < w.count);
                    assert_int_equal(s.at, begin);
                    assert_int_equal(s.n, end - begin - 1);
                    assert_int_equal(s.tokens, end - begin);
                    assert_int_equal(s.n - s.first, scored);
                    prev_end = end;
                    if (end == tokens)
                        break;
                }
                assert_int_equal(i + 1, w.count);
            }
}

static void llamacpp_scores_the_second_half_of_whole_chunks(void **state)
{
    struct windows w;
    struct fault f;
    (void)state;
    assert_int_equal(windows_plan(&w, WINDOWS_LLAMACPP, 1300, 512, 0, &f), ST_OK);
    assert_int_equal(w.count, 2);
    struct span s = windows_at(&w, 1);
    assert_int_equal(s.at, 512);
    assert_int_equal(s.n - s.first, 255); /* as llama-perplexity: n_ctx - n_ctx/2 - 1 */
    assert_int_equal(s.at + s.first + 1, 512 + 257);
    assert_int_equal(s.tokens, 512);
    assert_int_equal(windows_plan(&w, WINDOWS_LLAMACPP, 1023, 512, 0, &f), ST_RANGE);
}

static void impossible_sizes_are_refused(void **state)
{
    struct windows w;
    struct fault f;
    (void)state;
    assert_int_equal(windows_plan(&w, WINDOWS_BLOCKS, 1, 8, 0, &f), ST_RANGE);
    assert_int_equal(windows_plan(&w, WINDOWS_STRIDE, 100, 8, 9, &f), ST_RANGE);
    assert_int_equal(windows_plan(&w, WINDOWS_STRIDE, 100, 8, 0, &f), ST_RANGE);
    for (int mode = WINDOWS_BLOCKS; mode <= WINDOWS_LLAMACPP; mode++)
        for (size_t ctx = 0; ctx < 5; ctx++) { /* a window either scores something or is refused */
            enum status s = windows_plan(&w, (enum windows_mode)mode, 100, ctx, 1, &f);
            assert_int_equal(s, ctx > (size_t)mode ? ST_OK : ST_RANGE);
            assert_true(s != ST_OK || windows_at(&w, 0).n > windows_at(&w, 0).first);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_score_each_token_once),
        cmocka_unit_test(stride_is_the_documented_loop),
        cmocka_unit_test(llamacpp_scores_the_second_half_of_whole_chunks),
        cmocka_unit_test(impossible_sizes_are_refused),
    };
    return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
