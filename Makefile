# Makefile - the everyday commands; Meson and Ninja do the work.  `make help` lists them.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: all demo check check-fast check-long bench docs install clean help
.DEFAULT_GOAL := all

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@./configure --build=$(BUILD)

demo:
	@scripts/setup packages packages-demo
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)

check:
	@scripts/setup packages packages-check packages-demo
	@scripts/check

check-fast: all
	@scripts/check fast

check-long:
	@scripts/setup packages packages-check packages-demo
	@scripts/check long

bench: all
	@scripts/setup packages packages-bench
	@tests/bench/run $(BUILD)

docs: all
	@scripts/build-docs $(BUILD)/html

install: all
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf build build-*/

help:
	@echo 'make              build, optimised, into build/ (run build/mynah-system-riscv64 from there)'
	@echo 'make demo         install what is missing, build, boot Debian for riscv64 in this terminal'
	@echo 'make check        every lint and test (what CI runs; up to 20 minutes on 2 cores)'
	@echo 'make check-fast   lints and unit tests, under a minute'
	@echo 'make check-long   long campaigns'
	@echo 'make bench        measure speed (against another emulator: PEER=/path/to/emulator)'
	@echo 'make docs         the manual as HTML, in build/html'
	@echo 'make install      into PREFIX as configured (DESTDIR is honoured)'
	@echo 'Options of the build: ./configure --help'
