/* What a device or a single kernel allows in a group is kept to. The functions here stand before the
 * OpenCL library's own and tell of limits that no driver here has. */
#include "tests/check.h"

#include <CL/cl_icd.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/ocl.h"

static struct {
    size_t items, kernel; /* of the second dimension; of a group of any kernel; 0: as they are */
    bool crowd;           /* programs have more kernels, all of other names */
    int names, launches;
} told;

#define OWN(name)             \
    static cl_api_##name own; \
    if (!own)                 \
    *(void **)&own = dlsym(RTLD_NEXT, #name)

CL_API_ENTRY cl_int CL_API_CALL clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size,
                                                void *value, size_t *size_out)
{
    OWN(clGetDeviceInfo);
    cl_int err = own(d, what, size, value, size_out);
    if (err == CL_SUCCESS && value && what == CL_DEVICE_MAX_WORK_ITEM_SIZES && told.items)
        ((size_t *)value)[1] = told.items;
    return err;
}

CL_API_ENTRY cl_int CL_API_CALL clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id d,
                                                         cl_kernel_work_group_info what,
                                                         size_t size, void *value, size_t *size_out)
{
    OWN(clGetKernelWorkGroupInfo);
    cl_int err = own(kernel, d, what, size, value, size_out);
    if (err == CL_SUCCESS && value && what == CL_KERNEL_WORK_GROUP_SIZE && told.kernel)
        *(size_t *)value = told.kernel;
    return err;
}

CL_API_ENTRY cl_int CL_API_CALL clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                                       cl_uint dims, const size_t *offset,
                                                       const size_t *global, const size_t *local,
                                                       cl_uint count, const cl_event *before,
                                                       cl_event *event)
{
    OWN(clEnqueueNDRangeKernel);
    told.launches++;
    if (told.items && local[1] > told.items)
        return CL_INVALID_WORK_ITEM_SIZE;
    if (told.kernel && local[0] * local[1] * local[2] > told.kernel)
        return CL_INVALID_WORK_GROUP_SIZE;
    return own(queue, kernel, dims, offset, global, local, count, before, event);
}

/* The first kernel of the program, as often as there is room. */
CL_API_ENTRY cl_int CL_API_CALL clCreateKernelsInProgram(cl_program program, cl_uint n,
                                                         cl_kernel *kernel, cl_uint *count)
{
    OWN(clCreateKernelsInProgram);
    cl_int err = own(program, n, kernel, count);
    if (err != CL_SUCCESS || !told.crowd || !kernel)
        return err;
    for (cl_uint i = *count; i < n; i++) {
        kernel[i] = kernel[0];
        clRetainKernel(kernel[0]);
    }
    *count = n;
    return err;
}

CL_API_ENTRY cl_int CL_API_CALL clGetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t size,
                                                void *value, size_t *size_out)
{
    OWN(clGetKernelInfo);
    cl_int err = own(kernel, what, size, value, size_out);
    if (err == CL_SUCCESS && value && what == CL_KERNEL_FUNCTION_NAME && told.crowd)
        snprintf(value, size, "kernel_%d", told.names++);
    return err;
}

/* Rows that are short, so that a group would hold several; flat work; products; sums. */
static void compute(void)
{
    enum { ROWS = 5, COLS = 6, N = ROWS * COLS };
    kern *k = check_open("opencl", 0);
    kbuf *b = NULL;
    struct fault f = {0};
    float host[N], got[N] = {0};
    for (int i = 0; i < N; i++)
        host[i] = (float)(i % COLS == 0);
    told.launches = 0;
    assert_int_equal(kbuf_new(&b, k, DT_F32, N + 1, "a test", &f), ST_OK);
    const struct kref x = kref(b, 0, COLS), out = kref(b, N, 1);
    kern_write(k, x, host, N);
    k->op.scale(k, x, x, ROWS, COLS, 100.0f);
    k->op.softmax_fwd(k, x, x, ROWS, COLS);
    k->op.sumsq(k, out, x, N);
    kern_read(k, got, x, N);
    kern_read(k, got + 1, out, 1);
    if (kern_sync(k, &f) != ST_OK)
        fail_msg("%s", f.text);
    assert_true(got[0] > 0.999f && got[COLS] > 0.999f && got[1] > 4.99f && got[1] < 5.01f);
    assert_true(told.launches >= 4);
    kbuf_free(&b);
    kern_close(&k);
}

static void groups_keep_to_the_limits(void **state)
{
    (void)state;
    compute();
    told.items = 1;
    compute();
    told.items = 0;
    told.kernel = 5;
    compute();
    told.kernel = 0;
}

/* Searching a full table for a name that is not there would not end. */
static void too_many_kernels_are_told(void **state)
{
    kern *k = check_open("opencl", 0); /* skips where there is no device */
    struct fault f = {0};
    (void)state;
    kern_close(&k);
    told.crowd = true;
    alarm(100);
    assert_int_equal(kern_open(&k, "opencl", &(struct kern_options){0}, &f), ST_RANGE);
    alarm(0);
    told.crowd = false;
    assert_non_null(strstr(f.text, "kernels"));
}

int main(void)
{
    cmocka_set_test_filter(getenv("FILTER"));
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_keep_to_the_limits),
        cmocka_unit_test(too_many_kernels_are_told),
    };
    return cmocka_run_group_tests_name("groups_ocl", tests, NULL, NULL);
}
