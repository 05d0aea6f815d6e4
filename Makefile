# Builds the tools, the manual pages' tests and everything else.  `make help` lists targets.
-include config.mk

PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
MANDIR   ?= $(PREFIX)/share/man
LIBDIR   ?= $(PREFIX)/lib/mbert-tools
CFLAGS   ?= -O3 -g
CXXFLAGS ?= -O2 -g
SAN      ?=
JOBS     ?= 2
BASHDIR  ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR   ?= $(PREFIX)/share/zsh/site-functions
FISHDIR  ?= $(PREFIX)/share/fish/vendor_completions.d

# what a fresh Debian 12 needs
PACKAGES := build-essential perl bats libcmocka-dev mandoc pkg-config libzstd-dev \
            libutf8proc-dev libxxhash-dev libsimdjson-dev libopenblas-dev zstd \
            python3 python3-numpy strace gnuplot-nox

# SAN=1: AddressSanitizer and UBSan, SAN=thread: ThreadSanitizer, each in a tree of its own.
# DEV=1: warnings are errors.
B        := build$(if $(SAN),$(if $(filter thread,$(SAN)),/tsan,/asan))
WARN     := -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wwrite-strings -Wformat=2 -Wno-format-nonliteral
CWARN    := -Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition
HARD     := -fPIE -fstack-protector-strong $(if $(SAN),,-D_FORTIFY_SOURCE=2)
comma    := ,
SANS     := $(if $(filter thread,$(SAN)),thread,address$(comma)undefined)
SANFLAGS := $(if $(SAN),-fsanitize=$(SANS) -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
# ThreadSanitizer is for the emulated kernels; target_clones' resolvers do not bear it
OWNSAN   := $(if $(filter thread,$(SAN)),-O1,$(SANFLAGS))
MATH     := -fno-math-errno -fno-trapping-math -ffp-contract=off
ALL_CFLAGS   = -std=gnu11 -I. -D_GNU_SOURCE $(WARN) $(CWARN) $(if $(DEV),-Werror) $(HARD) $(MATH) -fopenmp $(CFLAGS) $(OWNSAN)
ALL_CXXFLAGS = -std=c++17 -I. $(WARN) $(if $(DEV),-Werror) $(HARD) $(CXXFLAGS) $(OWNSAN)
# what the GPU module takes from the executable that opens it
ALL_LDFLAGS  = -pie -Wl,-z,relro,-z,now -Wl,--as-needed -fopenmp $(SANFLAGS) -Wl,--dynamic-list=gpu/imports.txt $(LDFLAGS)
LIBS     := -lzstd -lxxhash -lutf8proc -lsimdjson -lstdc++ -ldl -lm

# the GPU module: the CUDA toolkit's nvcc makes it, where there is one
NVCC     ?= $(shell command -v nvcc)
MODULE   := $(if $(NVCC),$(if $(SAN),,$(B)/bin/mbert-cuda.so))
GPU      := $(sort $(wildcard gpu/*.cu))
# the emulation of it: the same sources, on the processor
EMU      := $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),$(B)/tests/emu/mbert-emu.so)

TOOLS    := $(sort $(basename $(notdir $(wildcard tools/*.c))))
SRC      := $(wildcard common/*/*.c formats/*.c formats/*.cpp)
LIB_OBJ  := $(patsubst %,$(B)/%.o,$(SRC))
FUZZ     := $(addprefix $(B)/tests/fuzz/,$(notdir $(wildcard tests/fuzz/corpus/*)))
FUZZ_OBJ := $(patsubst %,$(B)/tests/fuzz/%.c.o,replay caught naive rfc8259)
UNIT     := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/*.c tests/ops/*.c)) $(FUZZ)
CHECKS   := $(sort $(wildcard tests/*.bats tests/faults/*.bats tests/spec/*.bats))
SMALL    := $(filter-out %/demo.bats %/lint.bats %/man.bats %/examples.bats tests/faults/% tests/install.bats,$(CHECKS))
PAGES    := $(sort $(wildcard man/*.[157]))

## all: build every tool (the default), and the GPU module where nvcc is
all: $(TOOLS:%=$(B)/bin/%) $(MODULE)

$(B)/bin/%: $(B)/tools/%.c.o $(B)/libmbert.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/libmbert.a $(LIBS)

$(B)/tests/%: $(B)/tests/%.c.o $(B)/libmbert.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/libmbert.a -lcmocka $(LIBS)

$(FUZZ): $(B)/tests/%: $(B)/tests/%.c.o $(FUZZ_OBJ) $(B)/libmbert.a
	$(CC) $(ALL_LDFLAGS) @tests/fuzz/link.txt -o $@ $^ $(LIBS)

$(B)/libmbert.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# instruction sets of single files, which are only entered where the processor has them
$(B)/common/bpe/scan_avx2.c.o: ISA := -mavx2 -mbmi -mbmi2 -mpopcnt -mlzcnt
$(B)/common/bpe/scan_avx512.c.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq \
    -mavx512vbmi -mavx512vbmi2 -mbmi -mbmi2 -mpopcnt -mlzcnt
VECTORS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mavx512vnni -mf16c -mfma -mprfchw
$(B)/common/ops/kernel_avx512.c.o: ISA := $(VECTORS)
$(B)/common/ops/kernel_bf16.c.o: ISA := $(VECTORS)
$(B)/common/ops/panel.c.o $(B)/common/ops/done.c.o $(B)/common/ops/fused.c.o \
    $(B)/common/ops/attention_packed.c.o $(B)/common/ops/attention_bwd_packed.c.o \
    $(B)/common/ops/linear_bwd.c.o $(B)/common/ops/backward.c.o $(B)/common/ops/quantize.c.o: ISA := $(VECTORS)
$(B)/tests/unit/ops_vector.c.o $(B)/tests/unit/ops_panel.c.o: ISA := $(VECTORS)
$(B)/common/ops/kernel_amx.c.o: ISA := $(VECTORS) -mamx-tile -mamx-bf16 -mamx-int8
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
ALL_CFLAGS += $(ISA)
endif

$(B)/%.cpp.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

include gpu/module.mk
include tests/emu/emu.mk

## deps: install the Debian packages that are missing (root), or say which
deps:
	@missing=; for p in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	[ -z "$$missing" ] || { \
	    if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	        echo "missing packages; as root: apt-get install$$missing" >&2; exit 1; \
	    fi; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get install -y --no-install-recommends $$missing || \
	        { apt-get update && apt-get install -y --no-install-recommends $$missing; }; \
	}

## demo: install, build, fine-tune the mini model, score three prompts
demo: deps
	@$(MAKE) --no-print-directory all
	@bash examples/demo.sh

## tests: build the test programs
tests: $(UNIT) $(EMU_CHECKS)

## check: every test that is quick (under 5 minutes on two cores)
check: deps
	@$(MAKE) --no-print-directory all tests
	@MBERT_BUILD=$(CURDIR)/$(B) tests/check $(JOBS) $(UNIT) $(EMU_CHECKS) $(CHECKS)

## check-asan: unit tests and the small suites under ASan and UBSan
check-asan: deps
	@$(MAKE) --no-print-directory SAN=1 all tests
	@$(MAKE) --no-print-directory SAN=1 check-small

check-small:
	@MBERT_BUILD=$(CURDIR)/$(B) tests/check $(JOBS) $(UNIT) $(EMU_CHECKS) $(SMALL)

## lint: layers, mirrors, triples, sizes, headers alone, manual pages
lint:
	sh tests/lint/house.sh
	sh tests/lint/headers.sh
	sh tests/lint/gpu.sh
	@! command -v mandoc >/dev/null || mandoc -Tlint -W warning $(PAGES)

## install: tools, the GPU module, pages and completions under $(DESTDIR)$(PREFIX)
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	install -m 755 $(TOOLS:%=$(B)/bin/%) $(DESTDIR)$(BINDIR)
	$(if $(MODULE),install -d $(DESTDIR)$(LIBDIR) && install -m 755 $(MODULE) $(DESTDIR)$(LIBDIR))
	for p in $(PAGES); do \
	    d=$(DESTDIR)$(MANDIR)/man$${p##*.}; install -d $$d && install -m 644 $$p $$d || exit 1; \
	done
	for t in $(TOOLS); do \
	    sh man/completion.sh bash $(B)/bin/$$t > $(DESTDIR)$(BASHDIR)/$$t && \
	    sh man/completion.sh zsh $(B)/bin/$$t > $(DESTDIR)$(ZSHDIR)/_$$t && \
	    sh man/completion.sh fish $(B)/bin/$$t > $(DESTDIR)$(FISHDIR)/$$t.fish || exit 1; \
	done

## uninstall: remove what install put there
uninstall:
	for t in $(TOOLS); do rm -f $(DESTDIR)$(BINDIR)/$$t $(DESTDIR)$(BASHDIR)/$$t \
	    $(DESTDIR)$(ZSHDIR)/_$$t $(DESTDIR)$(FISHDIR)/$$t.fish; done
	rm -f $(DESTDIR)$(LIBDIR)/mbert-cuda.so
	for p in $(notdir $(PAGES)); do rm -f $(DESTDIR)$(MANDIR)/man$${p##*.}/$$p; done

## clean: remove build/
clean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

.PHONY: all deps demo tests check check-asan check-small lint install uninstall clean help
.SECONDARY:
-include $(shell [ -d $(B) ] && find $(B) -name '*.d')
