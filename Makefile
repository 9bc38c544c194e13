# wick: make help lists the targets. Build flavours live in folders of their own: never "clean" to switch.

BUILD  ?= release
OCL    ?= 1
BLAS   ?= 1
CC     ?= cc
AR     ?= ar
PREFIX ?= /usr/local
PKG_CONFIG ?= pkg-config

FLAVOURS := release debug asan tsan cov
ifeq ($(filter $(BUILD),$(FLAVOURS)),)
$(error BUILD=$(BUILD) is not one of: $(FLAVOURS))
endif

ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
OUT  ?= build/$(BUILD)$(if $(filter 0,$(OCL)),-noocl)$(if $(filter 0,$(BLAS)),-noblas)$(if $(filter x86_64,$(ARCH)),,-$(ARCH))

# ---- flags -----------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wundef -Wpointer-arith -Wcast-qual -Wwrite-strings
ifeq ($(WERROR),1)
WARN += -Werror
endif

OPT_release := -O3 -g -DNDEBUG -fno-math-errno -fno-trapping-math
OPT_debug   := -O0 -g3
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_cov     := -O0 -g --coverage

DEPS     := hdf5 libcjson libpcre2-8 libutf8proc zlib
DEPS_OCL := OpenCL

PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(DEPS) 2>/dev/null)
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(DEPS) 2>/dev/null)
OCL_LIBS   := $(if $(filter 1,$(OCL)),$(shell $(PKG_CONFIG) --libs $(DEPS_OCL) 2>/dev/null))
CMOCKA     := $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null || echo -lcmocka)

CPPFLAGS += -I. -I$(OUT)/gen -D_GNU_SOURCE -DCL_TARGET_OPENCL_VERSION=120 $(PKG_CFLAGS)
CFLAGS   ?=
ALL_CFLAGS := -std=c11 $(OPT_$(BUILD)) $(WARN) -fno-strict-aliasing -ffp-contract=off $(CFLAGS)
LDLIBS   := -lm -lpthread -ldl

# ---- sources ---------------------------------------------------------------------------------

ROOMS := kernels data model app
wild   = $(foreach d,$(1) $(1)/*,$(wildcard $(d)/*.c))

# Files that are one of two faces of a switch; the linker sees just one of them.
OCL_SRC := kernels/ocl.c $(wildcard kernels/ocl_*.c kernels/*/*_ocl.c)
DROP := $(if $(filter 0,$(OCL)),$(filter-out kernels/ocl_none.c,$(OCL_SRC)),kernels/ocl_none.c)
DROP += $(if $(filter 0,$(BLAS)),kernels/blas.c $(wildcard kernels/*/*_blas.c),kernels/blas_none.c)

SRC_kernels := $(filter-out $(DROP),$(call wild,kernels))
SRC_data    := $(call wild,data)
SRC_model   := $(call wild,model)
SRC_app     := $(call wild,app)

# A file named *_simd.c is compiled once per instruction set; VARIANT names its functions.
SIMD_SRC  := $(filter %_simd.c,$(SRC_kernels))
SIMD_ISA  := base $(if $(filter x86_64,$(ARCH)),avx2 avx512)
ISA_base   :=
ISA_avx2   := -mavx2 -mfma -mf16c
ISA_avx512 := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512

OBJ_kernels := $(patsubst %.c,$(OUT)/%.o,$(filter-out %_simd.c,$(SRC_kernels))) \
               $(foreach isa,$(SIMD_ISA),$(patsubst %.c,$(OUT)/%.$(isa).o,$(SIMD_SRC)))
OBJ_data    := $(patsubst %.c,$(OUT)/%.o,$(SRC_data))
OBJ_model   := $(patsubst %.c,$(OUT)/%.o,$(SRC_model))
OBJ_app     := $(patsubst %.c,$(OUT)/%.o,$(SRC_app))

LIB_kernels := $(OUT)/libkernels.a
LIB_data    := $(OUT)/libdata.a
LIB_model   := $(OUT)/libmodel.a

# OpenCL sources become C arrays; touching a .cl rebuilds one object.
CL     := $(if $(filter 1,$(OCL)),$(wildcard kernels/*.cl kernels/*/*.cl))
CL_GEN := $(patsubst %,$(OUT)/gen/%.h,$(CL))

TESTS   := $(patsubst tests/%.c,%,$(wildcard tests/*/test_*.c))
TESTS   := $(filter-out $(if $(filter 0,$(OCL)),%_ocl),$(TESTS))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all help check check-slow lint format bench fuzz install uninstall clean
.SECONDARY:

all: $(OUT)/wick

help:
	@echo 'make [BUILD=release|debug|asan|tsan|cov] [OCL=0] [BLAS=0] [WERROR=1] TARGET'
	@echo '  all         the program: build/BUILD/wick'
	@echo '  check       the tests: no network, no large model, about a minute'
	@echo '  check-slow  long tests: kill and resume, full-size comparisons'
	@echo '  lint        headers alone, one-way includes, words in their rooms, OpenCL sources, format'
	@echo '  bench       the op benchmarks'
	@echo '  fuzz        the fuzzers with libFuzzer, FUZZ_SECONDS each (clang)'
	@echo '  install     to DESTDIR/PREFIX'
	@echo '  clean       removes build/'

$(OUT)/%.base.o: %.c | gen
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ISA_base) -DVARIANT=base -MMD -MP -c -o $@ $<

$(OUT)/%.avx2.o: %.c | gen
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ISA_avx2) -DVARIANT=avx2 -MMD -MP -c -o $@ $<

$(OUT)/%.avx512.o: %.c | gen
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ISA_avx512) -DVARIANT=avx512 -MMD -MP -c -o $@ $<

$(OUT)/%.o: %.c | gen
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: gen
gen: $(CL_GEN)

$(OUT)/gen/%.cl.h: %.cl scripts/embed
	@mkdir -p $(@D)
	scripts/embed $< > $@.tmp && mv $@.tmp $@

$(LIB_kernels): $(OBJ_kernels)
$(LIB_data): $(OBJ_data)
$(LIB_model): $(OBJ_model)
$(LIB_kernels) $(LIB_data) $(LIB_model):
	@rm -f $@
	$(AR) rcs $@ $^

$(OUT)/wick: $(OBJ_app) $(LIB_model) $(LIB_data) $(LIB_kernels)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(OCL_LIBS) $(LDLIBS)

# ---- tests: each room links itself and the rooms to its right, so the linker checks the arrow --

LINK_kernels := $(LIB_kernels)
LINK_data    := $(LIB_data) $(LIB_kernels)
LINK_model   := $(LIB_model) $(LIB_data) $(LIB_kernels)
LINK_app     := $(LIB_model) $(LIB_data) $(LIB_kernels)

CHECK_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/check*.c))
TEST_BIN := $(patsubst %,$(OUT)/tests/%,$(TESTS))

define test_rule
$(OUT)/tests/$(1)/%: $(OUT)/tests/$(1)/%.o $(CHECK_OBJ) $$(LINK_$(1))
	$$(CC) $$(ALL_CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(if $$(filter kernels,$(1)),,$$(PKG_LIBS)) $$(CMOCKA) $$(OCL_LIBS) $$(LDLIBS)
endef
$(foreach room,$(ROOMS),$(eval $(call test_rule,$(room))))

# An OpenCL that fails when told to, for LD_PRELOAD; never sanitized (tests/app/shim.h).
SHIM := $(if $(filter 1,$(OCL)),$(OUT)/tests/opencl_shim.so)
$(OUT)/tests/opencl_shim.so: tests/opencl_shim.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=c11 -O1 -g $(WARN) -fPIC -shared -o $@ $< -ldl

tests: $(TEST_BIN) $(SHIM)

check: $(OUT)/wick $(TEST_BIN) $(SHIM)
	@OUT=$(OUT) WICK=$(OUT)/wick scripts/run-tests $(TEST_BIN)

check-slow: $(OUT)/wick $(SHIM) $(filter %/test_resume %/test_resume_ocl,$(TEST_BIN))
	@OUT=$(OUT) WICK=$(OUT)/wick scripts/run-slow

bench: $(OUT)/wick
	$(OUT)/wick bench ops

# ---- fuzzers: every parser of foreign bytes ---------------------------------------------------

FUZZ_SECONDS ?= 60
fuzz:
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/run-fuzz $(FUZZERS)

# ---- lint, format, install --------------------------------------------------------------------

lint:
	@CC="$(CC)" CPPFLAGS="$(CPPFLAGS)" scripts/lint

format:
	clang-format -i $(wildcard $(foreach r,$(ROOMS) tests,$(r)/*.[ch] $(r)/*/*.[ch]))

install: $(OUT)/wick
	install -D -m 755 $(OUT)/wick $(DESTDIR)$(PREFIX)/bin/wick

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/wick

clean:
	rm -rf build

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
