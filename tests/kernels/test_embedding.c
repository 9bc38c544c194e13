#include "tests/check.h"

#include <stdlib.h>

static const struct {
    int rows, vocab, cols;
} shapes[] = {{1, 1, 1}, {3, 2, 7}, {7, 31, 16}, {5, 100, 33}, {64, 257, 576}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void fwd(struct check *t)
{
    static const enum dtype dtypes[] = {DT_F32, DT_F16, DT_BF16};
    for (int i = 0; i < SHAPES * 3; i++) {
        int rows = shapes[i / 3].rows, vocab = shapes[i / 3].vocab, cols = shapes[i / 3].cols;
        float scale = i % 2 ? 1.0f : 24.0f;
        int32_t *id = malloc(sizeof *id * (size_t)rows);
        t->slack = i % 3;
        struct check_weight w = check_weight(t, vocab, cols, dtypes[i % 3]);
        struct check_mat y = check_mat(t, "y", rows, cols);
        struct check_mat ids = check_mat_of(t, "ids", DT_I32, 1, rows, rows);
        for (int r = 0; r < rows; r++)
            id[r] = r == 0 ? vocab - 1 : check_rand(t, vocab);
        check_set_i32(t, &ids, id);
        EACH(t, embedding_fwd, AT(y), AT(ids), w.w[which], rows, scale);
        check_same(t, &y, 1e-6, 0);
        double *got = check_get(t, &y, 1);
        for (int j = 0; j < rows * cols; j++) {
            float want = scale * w.values[id[j / cols] * cols + j % cols];
            assert_true(got[j] == (double)want);
        }
        free(got);
        free(id);
        check_weight_values_free(&w);
        check_free(t);
    }
}

int main(void)
{
    static const struct check_test tests[] = {{"embedding_fwd", fwd, CHECK_PAIRS}};
    return check_run("embedding", tests, sizeof tests / sizeof *tests);
}
