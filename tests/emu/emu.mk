# emu.mk - the GPU module's sources compiled for the processor, and what runs them.
EMU_CXXFLAGS = -std=c++17 -I. -Itests/emu -Wall -Wextra -Wno-unknown-pragmas $(if $(DEV),-Werror) \
               -fPIC -fno-strict-aliasing -ffp-contract=off
EMU_OBJ      := $(patsubst %,$(B)/tests/emu/%.o,card emu exchange meet product runtime)

# the hardware: never sanitized
$(B)/tests/emu/%.o: tests/emu/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(EMU_CXXFLAGS) -O3 $(if $(filter thread,$(SAN)),-DEMU_TSAN) -MMD -MP -c -o $@ $<

$(B)/tests/emu/gpu/%.o: gpu/%.cu
	@mkdir -p $(@D)
	$(CXX) $(EMU_CXXFLAGS) -O2 -g $(SANFLAGS) -MMD -MP -x c++ -c -o $@ $<

$(B)/tests/emu/libemu.a: $(EMU_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/tests/emu/mbert-emu.so: $(GPU:gpu/%.cu=$(B)/tests/emu/gpu/%.o) $(B)/tests/emu/libemu.a
	$(CXX) -shared $(SANFLAGS) -o $@ $^

# the op tests and those of training once more, on the emulation
EMU_CASES  := $(filter-out perf quantize,$(patsubst tests/ops/%.c,%,$(wildcard tests/ops/*.c)))
EMU_TRAIN  := $(addprefix $(B)/tests/emu/run/,mbert_train mbert_trainer mbert_masked)
EMU_CHECKS := $(if $(EMU),$(addprefix $(B)/tests/emu/run/,$(EMU_CASES)) $(EMU_TRAIN) $(B)/tests/emu/attention)

# attention's own: exactly sized allocations, and bugs planted by tests/emu/plants.sh
$(B)/tests/emu/attention: tests/emu/attention.cpp tests/emu/attention.h \
    $(B)/tests/emu/gpu/attention.o $(B)/tests/emu/libemu.a $(B)/libmbert.a
	$(CXX) $(EMU_CXXFLAGS) -O2 -g $(SANFLAGS) -o $@ $(filter-out %.h,$^)

define emu_runner
@mkdir -p $(@D)
@printf '#!/bin/sh\nMBERT_BACKEND=emu exec %s\n' '$(CURDIR)/$<' > $@ && chmod +x $@
endef
$(B)/tests/emu/run/%: $(B)/tests/ops/% $(EMU)
	$(emu_runner)
$(EMU_TRAIN): $(B)/tests/emu/run/%: $(B)/tests/unit/% $(EMU)
	$(emu_runner)

## emu: the emulated GPU module, for MBERT_CUDA
emu: $(EMU)

## check-emu: the emulated module under twenty seeds of the schedules, and its long cases
check-emu: deps
	@$(MAKE) --no-print-directory all tests
	@for seed in $$(seq 20); do \
	    echo "seed $$seed"; \
	    MBERT_EMU_SEED=$$seed MBERT_BUILD=$(CURDIR)/$(B) tests/check $(JOBS) $(EMU_CHECKS) || exit 1; \
	done
	@$(B)/tests/emu/attention long
	@$(MAKE) --no-print-directory check-plants
	@MBERT_EMU_LONG=1 MBERT_BUILD=$(CURDIR)/$(B) tests/check $(JOBS) tests/emu.bats \
	    $(B)/tests/unit/mbert_gradient $(EMU_CHECKS)

## check-plants: bugs put into the attention kernels on purpose are caught
check-plants: $(B)/libmbert.a
	@CXX="$(CXX)" CXXFLAGS="$(EMU_CXXFLAGS)" sh tests/emu/plants.sh $(B)/tests/emu/plants $(B)/libmbert.a

## check-tsan: the emulated kernels under ThreadSanitizer
check-tsan: deps
	@$(MAKE) --no-print-directory SAN=thread emu-checks
	@$(MAKE) --no-print-directory SAN=thread check-emu-once

emu-checks: $(filter-out $(EMU_TRAIN),$(EMU_CHECKS))
check-emu-once:
	@MBERT_BUILD=$(CURDIR)/$(B) tests/check $(JOBS) $(filter-out $(EMU_TRAIN),$(EMU_CHECKS))

.PHONY: emu check-plants check-emu check-tsan emu-checks check-emu-once
