/* Learning rates against values of transformers' get_*_schedule_with_warmup (evaluated at step - 1). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/schedule.h"

static void close_to(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12))
        fail_msg("got %.15g, want %.15g", got, want);
}

static void warm_up_begins_at_zero(void **state)
{
    (void)state;
    for (int kind = SCHEDULE_CONSTANT; kind <= SCHEDULE_WSD; kind++) {
        struct schedule s = {(enum schedule_kind)kind, 1.0, 4, 2, 10};
        close_to(schedule_lr(&s, 1), 0);
        close_to(schedule_lr(&s, 2), 0.25);
        close_to(schedule_lr(&s, 5), 1);
    }
}

static void shapes(void **state)
{
    (void)state;
    struct schedule s = {SCHEDULE_CONSTANT, 0.3, 0, 0, 10};
    close_to(schedule_lr(&s, 1), 0.3);
    close_to(schedule_lr(&s, 10), 0.3);
    s.kind = SCHEDULE_LINEAR;
    close_to(schedule_lr(&s, 1), 0.3);
    close_to(schedule_lr(&s, 6), 0.15);
    close_to(schedule_lr(&s, 10), 0.03);
    close_to(schedule_lr(&s, 11), 0);
    s.kind = SCHEDULE_COSINE;
    close_to(schedule_lr(&s, 6), 0.15);
    close_to(schedule_lr(&s, 3), 0.3 * 0.5 * (1 + cos(3.14159265358979323846 * 0.2)));
    s.kind = SCHEDULE_WSD;
    s.decay = 4;
    close_to(schedule_lr(&s, 6), 0.3);
    close_to(schedule_lr(&s, 7), 0.3);
    close_to(schedule_lr(&s, 9), 0.15);
    close_to(schedule_lr(&s, 11), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_up_begins_at_zero),
        cmocka_unit_test(shapes),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
