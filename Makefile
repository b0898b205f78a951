# The door: each target installs what it needs, then lets Meson and Python work.
#
# Builds live in build/<configuration>; a configuration is set up once, at its
# first use, and only rebuilt afterwards.  Nothing outside build/ is written,
# except by `make install`.
PREFIX ?= /usr/local
STRICT = -Dwerror=true -Ddebug_handles=true -Dtests=enabled
comma = ,
CLANG = CC=clang CXX=clang++ meson setup $(STRICT) -Db_lundef=false

.PHONY: help demo test test-all fuzz bench soak install lint format clean

help:
	@echo "make demo      see it run (a minute)"
	@echo "make test      build three configurations and run every test, on every backend"
	@echo "make test-all  the same, with plain clang, with libc's ucontext, under valgrind,"
	@echo "               for aarch64 under qemu, and the fuzzers"
	@echo "make fuzz      let the fuzzers search for $(FUZZ_SECONDS) seconds each (FUZZ_SECONDS=)"
	@echo "make bench     measure, beside raw programs and peers (ROWS= PEERS= ROUNDS= RECORD=1)"
	@echo "make soak      an echo server under load for an hour (SECONDS=), then the feed service for"
	@echo "               a third of that: does anything grow?"
	@echo "make install   install into PREFIX ($(PREFIX)); DESTDIR is honoured"
	@echo "make lint      layer and tidy checks only"
	@echo "make format    clang-format over every C file"
	@echo "make clean     remove build/"

# Meson's log is long and only of interest when it fails.
define configure
	@echo "configuring $(@D)"
	@mkdir -p $(@D)
	@$(1) $(@D) >$(@D)/setup.log 2>&1 || { cat $(@D)/setup.log; exit 1; }
endef

build/release/build.ninja:
	$(call configure,meson setup --buildtype release -Dtests=disabled)
build/gcc/build.ninja:
	$(call configure,CC=gcc CXX=g++ meson setup $(STRICT))
build/clang/build.ninja:
	$(call configure,$(CLANG))
# A build of its own: the library notes its stacks only where valgrind.h is there.
build/valgrind/build.ninja:
	$(call configure,CC=gcc CXX=g++ meson setup $(STRICT))
build/ucontext/build.ninja:
	$(call configure,CC=gcc CXX=g++ meson setup $(STRICT) -Dswitch=ucontext)
build/aarch64/build.ninja:
	$(call configure,meson setup $(STRICT) --cross-file scripts/cross/aarch64.ini -Dtls=disabled \
	    -Dhttp=disabled -Dplain_assertions=true)
build/asan/build.ninja:
	$(call configure,$(CLANG) -Db_sanitize=address$(comma)undefined)
build/tsan/build.ninja:
	$(call configure,$(CLANG) -Db_sanitize=thread)

# Coverage for the fuzzers in everything that they link.
build/fuzz/build.ninja:
	$(call configure,$(CLANG) -Db_sanitize=address$(comma)undefined -Dfuzz=true -Dexamples=false \
	    -Dc_args=-fsanitize=fuzzer-no-link)

# build/<configuration>/built is never made, so ninja looks every time.
build/%/built: build/%/build.ninja
	@ninja --quiet -C build/$*

demo: setup-build
	@$(MAKE) --no-print-directory build/release/built
	@scripts/demo build/release

CONFIGS = gcc asan tsan
CONFIGS_ALL = $(CONFIGS) clang ucontext valgrind
# The gcc build again: on the backend that it does not choose here, and where it may not choose.
BACKENDS = --config epoll=build/gcc --config denied=build/gcc
# Those that shuffle run tests of the gcc build, each by a seed of its own.
SHUFFLES = $(foreach n,1 2 3 4 5 6 7 8 9 10,--config shuffle-$(n)=build/gcc)

test: setup-test
	@$(MAKE) --no-print-directory $(CONFIGS:%=build/%/built)
	@tests/run.py $(foreach name,$(CONFIGS),--config $(name)=build/$(name)) \
	    $(BACKENDS) $(wordlist 1,2,$(SHUFFLES)) --again scripts

test-all: setup-all
	@$(MAKE) --no-print-directory $(CONFIGS_ALL:%=build/%/built)
	@AWAIT_MODEL_OPS=10000000 AWAIT_MODEL_FULL=1 tests/run.py --config gcc=build/gcc \
	    --no-scripts --limit 900 model_
	@AWAIT_SIM_SEEDS=5000 tests/run.py --config gcc=build/gcc --no-scripts --limit 900 sim_seeds
	@$(MAKE) --no-print-directory fuzz
	@AWAIT_STRESS_SECONDS=180 tests/run.py --config tsan=build/tsan --no-scripts --limit 300 \
	    stress_everything
	@build/gcc/bench/soak 60
	@if scripts/setup aarch64; then \
	    $(MAKE) --no-print-directory build/aarch64/built || exit 1; \
	    foreign="--config aarch64=build/aarch64"; \
	else \
	    foreign="--absent aarch64"; \
	fi; \
	tests/run.py $(foreach name,$(CONFIGS_ALL),--config $(name)=build/$(name)) $(BACKENDS) \
	    $(SHUFFLES) $$foreign --again scripts

# Every fuzzer begins with what is in tests/fuzz/corpus; what it finds besides stays in build/fuzz.
FUZZ_SECONDS ?= 20
fuzz: setup-test build/fuzz/build.ninja
	@ninja --quiet -C build/fuzz fuzzers
	@for fuzzer in build/fuzz/tests/fuzz_*; do \
	    [ -x "$$fuzzer" ] && [ -f "$$fuzzer" ] || continue; \
	    name=$${fuzzer##*/fuzz_}; \
	    mkdir -p build/fuzz/corpus/$$name; \
	    echo "$$name: $(FUZZ_SECONDS) seconds"; \
	    AWAIT_BACKEND=epoll UBSAN_OPTIONS=halt_on_error=1 "$$fuzzer" \
	        -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	        -verbosity=0 -print_final_stats=1 -artifact_prefix=build/fuzz/$$name- \
	        build/fuzz/corpus/$$name tests/fuzz/corpus/$$name || exit 1; \
	done

# ROWS: groups, rows or figures of bench/rows.py; PEERS: names, or none; RECORD=1 writes the results
# into bench/results and docs.
BENCH = $(if $(ROWS),--rows $(ROWS)) $(if $(PEERS),--peers $(PEERS)) \
    $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(RECORD),--record)
bench: setup-bench
	@$(MAKE) --no-print-directory build/release/built
	@bench/run.py --build build/release $(BENCH)

# Both judge by themselves, and fail where memory grows or an answer is missing.
SECONDS ?= 3600
soak: setup-build
	@$(MAKE) --no-print-directory build/release/built
	@build/release/bench/soak $(SECONDS)
	@scripts/feed build/release --soak $$((($(SECONDS) + 2) / 3))

install: setup-build build/release/build.ninja
	@meson configure build/release -Dprefix=$(abspath $(PREFIX))
	@$(MAKE) --no-print-directory build/release/built
	meson install --no-rebuild -C build/release

lint: setup-lint
	@scripts/layers.py
	@scripts/tidy.py

format: setup-format
	@find . -path './build*' -prune -o -name '*.[ch]' -print -o -name '*.cpp' -print | \
	    xargs clang-format -i

clean:
	rm -rf build

setup-%:
	@scripts/setup $*
