# Builds the tools, the manual pages' tests and everything else.  `make help` lists targets.
-include config.mk

PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
MANDIR   ?= $(PREFIX)/share/man
CFLAGS   ?= -O3 -g
CXXFLAGS ?= -O2 -g
SAN      ?=

# SAN=1: AddressSanitizer and UBSan in a tree of their own.  DEV=1: warnings are errors.
B        := build$(if $(SAN),/asan)
WARN     := -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wwrite-strings -Wformat=2 -Wno-format-nonliteral
CWARN    := -Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition
HARD     := -fPIE -fstack-protector-strong $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
comma    := ,
MATH     := -fno-math-errno -ffp-contract=off
ALL_CFLAGS   = -std=gnu11 -I. -D_GNU_SOURCE $(WARN) $(CWARN) $(if $(DEV),-Werror) $(HARD) $(MATH) -fopenmp $(CFLAGS) $(SANFLAGS)
ALL_CXXFLAGS = -std=c++17 -I. $(WARN) $(if $(DEV),-Werror) $(HARD) $(CXXFLAGS) $(SANFLAGS)
ALL_LDFLAGS  = -pie -Wl,-z,relro,-z,now -Wl,--as-needed -fopenmp $(SANFLAGS) $(LDFLAGS)
LIBS     := -lzstd -lxxhash -lutf8proc -lsimdjson -lstdc++ -ldl -lm

TOOLS    := $(sort $(basename $(notdir $(wildcard tools/*.c))))
SRC      := $(wildcard common/*/*.c formats/*.c formats/*.cpp)
LIB_OBJ  := $(patsubst %,$(B)/%.o,$(SRC))
UNIT     := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/*.c tests/ops/*.c))
PAGES    := $(sort $(wildcard man/*.[157]))

## all: build every tool (the default)
all: $(TOOLS:%=$(B)/bin/%)

$(B)/bin/%: $(B)/tools/%.c.o $(B)/libmbert.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/libmbert.a $(LIBS)

$(B)/tests/%: $(B)/tests/%.c.o $(B)/libmbert.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/libmbert.a -lcmocka $(LIBS)

$(B)/libmbert.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.cpp.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

## tests: build the test programs
tests: $(UNIT)

## clean: remove build/
clean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## //p' Makefile

.PHONY: all tests clean help
.SECONDARY:
-include $(shell [ -d $(B) ] && find $(B) -name '*.d')
