# module.mk - the GPU module, for every architecture of the list that this nvcc knows, and PTX
# for those to come.  What ptxas said of each kernel stays in build/gpu/NAME.ptxas.
SMS       := 80 89 90 100
SMS_KNOWN := $(if $(NVCC),$(filter $(SMS:%=compute_%),$(shell $(NVCC) --list-gpu-arch 2>/dev/null)))
SM_LAST   := $(lastword $(SMS_KNOWN:compute_%=%))
GENCODE   := $(foreach a,$(SMS_KNOWN:compute_%=%),-gencode arch=compute_$(a)$(comma)code=sm_$(a)) \
             -gencode arch=compute_$(SM_LAST)$(comma)code=compute_$(SM_LAST)
NVCCFLAGS := -std=c++17 -O3 -I. -Xptxas -v -Xcompiler -fPIC,-Wall,-Wextra,-Wno-unknown-pragmas$(if $(DEV),$(comma)-Werror)
CUDA_LIBS := $(if $(NVCC),$(dir $(realpath $(NVCC)))../lib64)

$(B)/gpu/%.o: gpu/%.cu
	@mkdir -p $(@D)
	$(NVCC) $(NVCCFLAGS) $(GENCODE) --threads 2 -MMD -MP -MF $(@:.o=.d) -c -o $@ $< 2> $(@:.o=.ptxas) || { cat $(@:.o=.ptxas) >&2; exit 1; }

$(B)/bin/mbert-cuda.so: $(GPU:%.cu=$(B)/%.o)
	@mkdir -p $(@D)
	$(NVCC) -shared -cudart static -o $@ $^ -lcublasLt -Xlinker -rpath=$(CUDA_LIBS)

$(B)/gpu/%.ptx: gpu/%.cu
	@mkdir -p $(@D)
	$(NVCC) -std=c++17 -O3 -I. -arch=compute_$(firstword $(SMS)) -ptx -MMD -MP -MF $@.d -o $@ $<

gpu-ptx: $(GPU:%.cu=$(B)/%.ptx)

## gpu: the GPU module alone (needs nvcc)
gpu: $(B)/bin/mbert-cuda.so

.PHONY: gpu gpu-ptx

# the module beside the CPU, and how fast it is: part of `tests`, for their smoke test
GPU_BENCH := $(addprefix $(B)/tests/bench/,gpu gpu_check)
tests: $(GPU_BENCH)

## gpu-check: the module on this machine's card: compared with the CPU, and timed
gpu-check:
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@MBERT_BUILD=$(CURDIR)/$(B) tests/bench/gpu

.PHONY: gpu-check
