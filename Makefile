# SPDX-License-Identifier: GPL-2.0
# The commands. The kernel build reads Kbuild, not this file.

# So that nothing of this make reaches those that the scripts run.
unexport MAKEFLAGS MAKELEVEL

export SERIES KDIR ARCH FLB NEXT VM SAMPLE DEVICE WRITE ONLY SEED HOPS JOBS
export FUZZ_RUNS FUZZ_SEED FUZZ_SANITIZER
# Empty is another thing than not there.
ifdef KEXEC
export KEXEC
endif

.PHONY: help demo test test-all bench fuzz miri mutate series clean
help:
	@echo 'make demo      a live update in QEMU on the Rust FLB core, told step by step'
	@echo 'make test      the tests; the last line counts them'
	@echo 'make test-all  with every kernel version, architecture and configuration'
	@echo 'make bench     what operations cost, Rust over C, in instructions'
	@echo 'make fuzz      any bytes in place of a handover, by libFuzzer'
	@echo 'make miri      what decodes a handover, under Miri (nightly Rust)'
	@echo 'make mutate    mistakes in the core, and which test finds each'
	@echo 'make series    patches for a kernel tree, which git am takes, in series/'
	@echo 'make clean     remove the cache: downloads, sources, builds, logs'
	@echo ''
	@echo 'Variables:'
	@echo '  SERIES=7.3     kernel version, fetched from Debian (for tests: one or several)'
	@echo '  KDIR=PATH      your own kernel tree or its O= build; it is copied, not changed'
	@echo '  ARCH=arm64     guests of this architecture (x86_64)'
	@echo '  FLB=c|rust     demo: which implementation of FLB (rust)'
	@echo '  NEXT=c|rust    demo: that of the second kernel, if it is another'
	@echo '  VM=yes         demo: of a virtual machine that goes on under the next kernel'
	@echo '  SAMPLE=notes|devices  demo: of a sample, samples/rust_liveupdate*.rs'
	@echo '  SAMPLE=FILE.rs demo: of a driver of yours; DEVICE=NAME: what it makes in /dev;'
	@echo '                 WRITE=TEXT: what to write to it'
	@echo '  ONLY=TEXT      tests: those with this in their names, like kexec/7.3/rust-rust'
	@echo '                 mutate: only some mistakes or files of tests/mutations.txt'
	@echo '  SEED=N HOPS=N  the test soak: random steps over that many kexecs'
	@echo '  FUZZ_RUNS=N    fuzz: executions of each target (300000)'
	@echo '  FUZZ_SEED=N    fuzz: where chance starts; 0 is another time each (1)'
	@echo '  FUZZ_SANITIZER=address  fuzz: with AddressSanitizer'
	@echo '  JOBS=N         how many processes at a time (all processors)'
	@echo '  XDG_CACHE_HOME where the cache is: XDG_CACHE_HOME/luo-flb'

demo:
	@scripts/demo.sh

test:
	@scripts/test.sh

test-all:
	@scripts/test.sh --all

bench:
	@scripts/bench/bench.sh

fuzz:
	@scripts/fuzz.sh

miri:
	@scripts/fuzz.sh --miri

mutate:
	@scripts/mutate/mutate.sh

series:
	@scripts/series.sh

clean:
	@bash -euc '. scripts/lib.sh; for f in "$$CACHE"/lock/*; do \
		[ ! -e "$$f" ] || lock "$${f##*/}"; done; rm -rf "$$CACHE"'
