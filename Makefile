# SPDX-License-Identifier: MIT
# The front door. Each target installs what it needs (Debian 12, Ubuntu 24.04) and can be typed again
# at any time. CMake does the work: `cmake --workflow --preset dev` is the same without this file.
JOBS ?= 2
export ASSAY_JOBS := $(JOBS)
SHELL := /bin/bash

.PHONY: help build demo test bench soak conformance suites train-demo train-demo-all train-episodes clean format tidy asan \
	tsan fuzz coverage check

help:
	@echo 'make build        the programs, optimised: build/release/assay'
	@echo 'make demo         the main job on the bundled suite; writes build/demo/report.html'
	@echo 'make test         build and run all tests'
	@echo 'make check        everything CI runs'
	@echo 'make train-demo   a small policy learns to repair programs from what their tests say'
	@echo 'make train-demo-all   three seeds of it, and a control that gets shuffled rewards'
	@echo 'make train-episodes   the same in episodes of several turns: view, edit, test, submit'
	@echo 'make bench        measure; writes docs/bench.md'
	@echo 'make soak         the full counts: kills, fuzzing; writes docs/soak.md'
	@echo 'make conformance  real packages and heavy peers; writes docs/conformance.md'
	@echo 'make suites       certified tasks of real packages; writes docs/suites-yields.md'
	@echo 'make format tidy asan tsan fuzz coverage clean'

build:
	@bash .ci/install.sh build
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target programs -- -j$(JOBS)

# The session itself is .ci/demo.sh; it finds the programs in build/release.
demo: build
	@bash .ci/install.sh test
	@sh .ci/demo.sh

test:
	@bash .ci/install.sh test
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -- -j$(JOBS)
	@bash .ci/test.sh dev -j$(JOBS)

check:
	@bash .ci/run

bench: build
	@bash .ci/install.sh bench
	@cmake --build --preset release --target benches -- -j$(JOBS)
	@bash .ci/bench.sh

# Writes docs/soak.md; a fuzz target runs ASSAY_FUZZ_SECONDS (60).
soak:
	@bash .ci/install.sh check
	@cmake --preset soak >/dev/null
	@cmake --build --preset soak -- -j$(JOBS)
	@cmake --preset fuzz >/dev/null
	@cmake --build --preset fuzz --target fuzzers -- -j$(JOBS)
	@sh tests/soak/run.sh

# Writes docs/conformance.md.
conformance: build
	@bash .ci/install.sh conformance
	@sh tests/conformance/run

# Hours: a thousand test runs and more. Typed again it goes on where it was; docs/suites.md.
suites: build
	@bash .ci/install.sh conformance
	@sh .ci/suites.sh

# One seed, into build/train-demo; typed again it goes on where it was stopped.
train-demo: build
	@bash .ci/install.sh test
	@sh .ci/train_demo.sh one

# Three seeds, the control with shuffled rewards, docs/train-demo.svg.
train-demo-all: build
	@bash .ci/install.sh test
	@sh .ci/train_demo.sh all

# Episodes of several turns; docs/train-episodes.svg.
train-episodes: build
	@bash .ci/install.sh test
	@sh .ci/train_demo.sh episodes

format:
	@bash .ci/format.sh fix

tidy:
	@bash .ci/install.sh check
	@cmake --preset clang >/dev/null
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
