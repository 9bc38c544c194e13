/* CL errors in words. */
#include "kernels/ocl.h"

#define ERROR_MAP(X)                                                                \
    X(DEVICE_NOT_FOUND, "no such device")                                           \
    X(DEVICE_NOT_AVAILABLE, "the device is not available")                          \
    X(COMPILER_NOT_AVAILABLE, "the driver has no compiler")                         \
    X(MEM_OBJECT_ALLOCATION_FAILURE, "the device has no memory left")               \
    X(OUT_OF_RESOURCES, "the device ran out of resources, or a kernel failed")      \
    X(OUT_OF_HOST_MEMORY, "the driver has no host memory left")                     \
    X(BUILD_PROGRAM_FAILURE, "the program did not compile")                         \
    X(MAP_FAILURE, "host memory could not be mapped")                               \
    X(EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "a command in the queue failed")   \
    X(INVALID_VALUE, "a value that the driver does not accept")                     \
    X(INVALID_PLATFORM, "no such platform")                                         \
    X(INVALID_DEVICE, "no such device")                                             \
    X(INVALID_CONTEXT, "the device's context is gone")                              \
    X(INVALID_COMMAND_QUEUE, "the device's queue is gone")                          \
    X(INVALID_MEM_OBJECT, "no such buffer")                                         \
    X(INVALID_BINARY, "the compiled program is not of this device")                 \
    X(INVALID_BUILD_OPTIONS, "build options that the driver does not accept")       \
    X(INVALID_PROGRAM_EXECUTABLE, "the program is not built")                       \
    X(INVALID_KERNEL_NAME, "no kernel of that name")                                \
    X(INVALID_KERNEL_ARGS, "an argument of the kernel is not set")                  \
    X(INVALID_ARG_INDEX, "the kernel takes fewer arguments")                        \
    X(INVALID_ARG_VALUE, "an argument of the kernel makes no sense")                \
    X(INVALID_ARG_SIZE, "an argument of the kernel has another size")               \
    X(INVALID_WORK_GROUP_SIZE, "the kernel cannot run in work-groups of that size") \
    X(INVALID_WORK_ITEM_SIZE, "the device cannot run work-groups of that shape")    \
    X(INVALID_GLOBAL_WORK_SIZE, "the device cannot run so many work-items")         \
    X(INVALID_BUFFER_SIZE, "the device does not allow a buffer of that size")       \
    X(INVALID_EVENT, "no such event")

enum { PLATFORM_NOT_FOUND = -1001 }; /* of the loader, not in cl.h */

const char *ocl_error(cl_int err)
{
    switch (err) {
#define X(name, text) \
    case CL_##name: return "CL_" #name " (" text ")";
        ERROR_MAP(X)
#undef X
    case PLATFORM_NOT_FOUND: return "CL_PLATFORM_NOT_FOUND_KHR (no OpenCL driver is installed)";
    default: return "an OpenCL error without a name here";
    }
}

static enum status status_of(cl_int err)
{
    switch (err) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_HOST_MEMORY: return ST_NOMEM;
    case CL_INVALID_BUFFER_SIZE: return ST_UNSUPPORTED;
    default: return ST_DEVICE;
    }
}

enum status ocl_fault(struct fault *f, const char *what, cl_int err)
{
    return fault_set(f, status_of(err), "%s: OpenCL error %d, %s", what, (int)err, ocl_error(err));
}

void ocl_stick(kern *k, const char *op, cl_int err)
{
    if (err != CL_SUCCESS)
        kern_stick(k, status_of(err), op, "OpenCL error %d, %s", (int)err, ocl_error(err));
}

void ocl_stick_lost(kern *k, cl_int err)
{
    if (err == CL_SUCCESS || !kern_ok(k))
        return;
    kern_stick(k, ST_DEVICE, "the queue",
               "the device failed or was lost while computing (OpenCL error %d, %s)", (int)err,
               ocl_error(err));
    fault_remedy(&k->state->fault,
                 "look at the driver's messages (dmesg), and try again or with --device cpu");
}
