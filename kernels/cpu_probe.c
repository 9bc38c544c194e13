#include "kernels/cpu_probe.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

/* __builtin_cpu_supports also asks whether the system saves the wide registers. */
enum cpu_isa cpu_isa_best(void)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
        return CPU_BASE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return CPU_AVX512;
    return CPU_AVX2;
}

/* AVX-512 pays where a 512-bit unit stands behind it. AMD's first generation with it (Zen 4) takes
 * two passes of 256 bits: there the Haswell core was 3 to 6 % faster than SkylakeX and up to 20 %
 * faster than Zen. Its second one (Zen 5) has the full width, and VP2INTERSECT to be known by. */
static bool has_wide_avx512(void)
{
    unsigned a, b, c, d;
    if (cpu_isa_best() < CPU_AVX512)
        return false;
    if (!__builtin_cpu_is("amd"))
        return true;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & 1u << 8);
}

/* The f32 kernels of SkylakeX, Cooperlake and later are the same code, and SkylakeX is the name
 * that every build with AVX-512 knows. */
const char *cpu_blas_core(void)
{
    if (has_wide_avx512())
        return "SkylakeX";
    if (cpu_isa_best() >= CPU_AVX2)
        return "Haswell";
    if (__builtin_cpu_supports("fma4"))
        return NULL; /* AMD of 2011 to 2015: every release knows them by model */
    if (__builtin_cpu_supports("avx"))
        return "Sandybridge";
    return __builtin_cpu_supports("sse4.2") ? "Nehalem" : NULL;
}

bool cpu_blas_leads(void)
{
    return cpu_isa_best() == CPU_BASE && __builtin_cpu_supports("avx");
}

static __attribute__((target("avx"))) void clear(void)
{
    _mm256_zeroupper();
}

void cpu_clear_uppers(void)
{
    if (__builtin_cpu_supports("avx"))
        clear();
}

void cpu_probe_name(char *dst, size_t size)
{
    unsigned r[12];
    char text[sizeof r + 1] = "";
    if (__get_cpuid_max(0x80000000u, NULL) >= 0x80000004u) {
        for (unsigned i = 0; i < 3; i++)
            __get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
        memcpy(text, r, sizeof r);
    }
    size_t n = strlen(text), start = strspn(text, " ");
    while (n > start && text[n - 1] == ' ')
        text[--n] = '\0';
    snprintf(dst, size, "%s", n > start ? text + start : "x86-64 processor");
}
#else
enum cpu_isa cpu_isa_best(void)
{
    return CPU_BASE;
}

const char *cpu_blas_core(void)
{
    return NULL;
}

bool cpu_blas_leads(void)
{
    return false; /* not measured there */
}

void cpu_clear_uppers(void)
{
}

void cpu_probe_name(char *dst, size_t size)
{
    static const char *const keys[] = {"model name", "Hardware", "CPU part"};
    char line[256];
    snprintf(dst, size, "%s", "processor");
    FILE *in = fopen("/proc/cpuinfo", "r");
    if (!in)
        return;
    size_t best = sizeof keys / sizeof *keys;
    while (fgets(line, sizeof line, in)) {
        char *colon = strchr(line, ':');
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; colon && i < best; i++) {
            if (strncmp(line, keys[i], strlen(keys[i])) == 0) {
                snprintf(dst, size, "%s%s", i == 2 ? "arm64 part " : "",
                         colon + 1 + strspn(colon + 1, " "));
                best = i;
            }
        }
    }
    fclose(in);
}
#endif

const char *cpu_isa_name(enum cpu_isa isa)
{
    static const char *const names[] = {"base", "avx2", "avx512"};
    return names[isa];
}

/* The number at the start of a small system file; 0 where there is none ("max", no file). */
static double read_number(const char *path, double *second)
{
    double a = 0, b = 0;
    FILE *in = fopen(path, "r");
    if (!in)
        return 0;
    if (fscanf(in, "%lf %lf", &a, &b) < 1)
        a = 0;
    fclose(in);
    if (second)
        *second = b;
    return a;
}

uint64_t cpu_probe_memory(void)
{
    struct sysinfo s;
    if (sysinfo(&s) != 0)
        return 0;
    uint64_t bytes = (uint64_t)s.totalram * s.mem_unit;
    double limit = read_number("/sys/fs/cgroup/memory.max", NULL);
    return limit > 0 && limit < (double)bytes ? (uint64_t)limit : bytes;
}

int cpu_probe_threads(void)
{
    cpu_set_t set;
    int n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    double period = 0, quota = read_number("/sys/fs/cgroup/cpu.max", &period);
    if (quota > 0 && period > 0 && quota / period < n)
        n = (int)(quota / period + 0.5);
    return n > 0 ? n : 1;
}
