# SPDX-License-Identifier: MIT
# The front door. Each target installs what it needs (Debian 12, Ubuntu 24.04) and can be typed again
# at any time. CMake does the work: `cmake --workflow --preset dev` is the same without this file.
JOBS ?= 2
export ASSAY_JOBS := $(JOBS)
SHELL := /bin/bash

.PHONY: help build demo test bench soak conformance train-demo clean format tidy asan tsan fuzz \
	coverage check

help:
	@echo 'make build        the programs, optimised: build/release/assay'
	@echo 'make demo         a first session: score bundled patches'
	@echo 'make test         build and run all tests'
	@echo 'make check        everything CI runs'
	@echo 'make bench        measure; writes docs/performance.md'
	@echo 'make soak         the full counts: kills, boxes, fuzzing'
	@echo 'make conformance  against unmodified peers, in a pinned venv'
	@echo 'make format tidy asan tsan fuzz coverage clean'

build:
	@bash .ci/install.sh build
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target programs -- -j$(JOBS)

# The session itself is .ci/demo.sh; it finds the programs in build/release.
demo: build
	@bash .ci/demo.sh

test:
	@bash .ci/install.sh test
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -- -j$(JOBS)
	@bash .ci/test.sh dev -j$(JOBS)

check:
	@bash .ci/run

bench: build
	@cmake --build --preset release --target benches -- -j$(JOBS)
	@bash .ci/bench.sh

# Tests see ASSAY_SOAK=1 and then run their full counts; a fuzz target runs five minutes.
soak:
	@bash .ci/install.sh check
	@cmake --preset soak >/dev/null
	@cmake --build --preset soak -- -j$(JOBS)
	@bash .ci/test.sh soak -j1
	@cmake --preset fuzz -DASSAY_FUZZ_SECONDS=300 >/dev/null
	@cmake --build --preset fuzz --target fuzzers -- -j$(JOBS)
	@bash .ci/test.sh fuzz -j$(JOBS)

conformance: build
	@if [ -x tests/conformance/run ]; then tests/conformance/run; \
	else echo 'conformance: no peers yet; tests/conformance/run is its place'; exit 1; fi

train-demo:
	@echo 'train-demo: not yet; it comes with the issue that brings the trainer (assay train)'
	@exit 1

format:
	@bash .ci/format.sh fix

tidy:
	@bash .ci/install.sh check
	@cmake --preset clang >/dev/null
	@cmake --build --preset clang -- -j$(JOBS)
	@bash .ci/tidy.sh build/clang

asan tsan:
	@bash .ci/install.sh test
	@cmake --preset $@ >/dev/null
	@cmake --build --preset $@ -- -j$(JOBS)
	@bash .ci/test.sh $@ -j$(JOBS)

fuzz:
	@bash .ci/install.sh check
	@cmake --preset fuzz >/dev/null
	@cmake --build --preset fuzz --target fuzzers -- -j$(JOBS)
	@bash .ci/test.sh fuzz -j$(JOBS)

coverage:
	@bash .ci/install.sh check
	@bash .ci/coverage.sh

clean:
	rm -rf build
