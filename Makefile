# SPDX-License-Identifier: MIT
#
# The commands of every day, over CMake and its presets.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
CTEST_JOBS ?= 2
RELEASE := build/release

.DEFAULT_GOAL := help
.PHONY: help build demo test check bench install format clean distclean

help:
	@echo 'make build     set up and build build/release/veneer'
	@echo 'make demo      build, then mount an overlay and show what it does'
	@echo 'make test      set up, build and run every test'
	@echo 'make check     format, layer rule, clang, clang-tidy, sanitizers'
	@echo 'make bench     measure against the alternatives'
	@echo 'make install   into PREFIX (/usr/local), below DESTDIR if set'
	@echo 'make format    format the sources'
	@echo 'make clean     remove what was built, keep build/deps'
	@echo 'make distclean remove build/'
	@echo
	@echo 'Presets for cmake --preset: dev release asan-ubsan tsan clang tidy'
	@echo '                            fuzz coverage'

build:
	@tools/deps --build
	@cmake --preset release >/dev/null
	@cmake --build $(RELEASE) -j$(JOBS) --target veneer

demo: build
	@tools/demo

test:
	@tools/deps
	@cmake --preset release >/dev/null
	@cmake --build $(RELEASE) -j$(JOBS)
	@ctest --test-dir $(RELEASE) --output-on-failure -j$(CTEST_JOBS)

check:
	@tools/check

bench:
	@tools/deps
	@cmake --preset release >/dev/null
	@cmake --build $(RELEASE) -j$(JOBS) --target veneer benchmarks
	@bench/run

install:
	@tools/deps --build
	@cmake --preset release >/dev/null
	@cmake --build $(RELEASE) -j$(JOBS) --target veneer veneer_lib
	@DESTDIR='$(DESTDIR)' cmake --install $(RELEASE) --prefix '$(PREFIX)'

format:
	@git ls-files -co --exclude-standard '*.cc' '*.h' | \
	  xargs clang-format-19 -i

clean:
	@find build -mindepth 1 -maxdepth 1 ! -name deps \
	  -exec rm -rf {} + 2>/dev/null || true

distclean:
	@rm -rf build
