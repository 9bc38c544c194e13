/* The OpenCL devices of this machine: platform by platform, as their drivers list them. */
#include "kernels/ocl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void text_of(cl_device_id id, cl_device_info what, char *out, size_t size)
{
    char text[1024] = "";
    if (clGetDeviceInfo(id, what, sizeof text - 1, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    const char *from = text + strspn(text, " ");
    snprintf(out, size, "%s", from);
    for (size_t n = strlen(out); n > 0 && out[n - 1] == ' '; n--)
        out[n - 1] = '\0';
}

static uint64_t number_of(cl_device_id id, cl_device_info what)
{
    cl_ulong v = 0;
    return clGetDeviceInfo(id, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

static bool flag_of(cl_device_id id, cl_device_info what)
{
    cl_bool v = CL_FALSE;
    return clGetDeviceInfo(id, what, sizeof v, &v, NULL) == CL_SUCCESS && v;
}

/* Work-items of a group: kernels here use two dimensions, each up to all of a group. */
static size_t group_of(cl_device_id id)
{
    enum { DIMENSIONS = 16 };
    size_t most = 0, items[DIMENSIONS] = {0}, size = 0;
    clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    if (clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof items, items, &size) !=
        CL_SUCCESS)
        return most;
    for (size_t i = 0; i < 2 && i < size / sizeof *items; i++)
        most = items[i] > 0 && items[i] < most ? items[i] : most;
    return most;
}

static struct ocl_device describe(cl_platform_id platform, cl_device_id id)
{
    struct ocl_device d = {.platform = platform, .id = id};
    cl_uint units = 1;
    int major = 0, minor = 0;
    clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof d.type, &d.type, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    d.units = units < 1 || units > 1 << 20 ? 1 : (int)units;
    d.group_max = group_of(id);
    d.unified = flag_of(id, CL_DEVICE_HOST_UNIFIED_MEMORY);
    d.memory = number_of(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    d.buffer_max = number_of(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    d.local_size = number_of(id, CL_DEVICE_LOCAL_MEM_SIZE);
    text_of(id, CL_DEVICE_NAME, d.name, sizeof d.name);
    text_of(id, CL_DRIVER_VERSION, d.driver, sizeof d.driver);
    text_of(id, CL_DEVICE_VERSION, d.version, sizeof d.version);
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof d.platform_name - 1, d.platform_name,
                      NULL);
    clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof d.platform_version - 1,
                      d.platform_version, NULL);
    sscanf(d.version, "OpenCL %4d.%4d", &major, &minor);
    d.usable = flag_of(id, CL_DEVICE_AVAILABLE) && flag_of(id, CL_DEVICE_COMPILER_AVAILABLE) &&
               flag_of(id, CL_DEVICE_ENDIAN_LITTLE) && major * 100 + minor >= 102 &&
               d.group_max >= 1;
    return d;
}

/* The devices of one platform, after the `*count` that *all holds. A platform without devices, or one
 * whose driver fails, adds none. */
static enum status add_platform(struct ocl_device **all, size_t *count, cl_platform_id platform,
                                struct fault *f)
{
    cl_uint n = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n) != CL_SUCCESS || n == 0)
        return ST_OK;
    cl_device_id *id = calloc(n, sizeof *id);
    struct ocl_device *larger = realloc(*all, (*count + n) * sizeof *larger);
    if (larger)
        *all = larger;
    if (!id || !larger) {
        free(id);
        return fault_nomem(f, "the list of devices", (*count + n) * sizeof *larger);
    }
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, id, NULL) != CL_SUCCESS)
        n = 0;
    for (cl_uint i = 0; i < n; i++)
        larger[(*count)++] = describe(platform, id[i]);
    free(id);
    return ST_OK;
}

enum status ocl_devices(struct ocl_device **out, size_t *count, struct fault *f)
{
    enum { PLATFORMS = 64 };
    cl_platform_id platform[PLATFORMS];
    cl_uint n = 0;
    struct ocl_device *all = NULL;
    size_t found = 0;
    cl_int err = clGetPlatformIDs(PLATFORMS, platform, &n);
    if (err != CL_SUCCESS || n == 0) {
        fault_set(f, ST_NODEVICE, "there is no OpenCL platform on this machine");
        return fault_remedy(f, "install the OpenCL driver of the device, or use --device cpu");
    }
    for (cl_uint i = 0; i < n && i < PLATFORMS; i++) {
        if (add_platform(&all, &found, platform[i], f) != ST_OK) {
            free(all);
            return f->code;
        }
    }
    if (found == 0) {
        free(all);
        fault_set(f, ST_NODEVICE, "the OpenCL drivers of this machine list no device");
        return fault_remedy(f, "check that the device is there and free, or use --device cpu");
    }
    *out = all;
    *count = found;
    return ST_OK;
}
