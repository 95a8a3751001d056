# SPDX-License-Identifier: GPL-2.0
# The two commands. The kernel build reads Kbuild, not this file.

# So that nothing of this make reaches those that the scripts run.
unexport MAKEFLAGS MAKELEVEL

export SERIES KDIR FLB ONLY JOBS

.PHONY: help demo test clean
help:
	@echo 'make demo    a live update in QEMU on the Rust FLB core, told step by step'
	@echo 'make test    all tests; the last line counts them'
	@echo 'make clean   remove the cache: downloads, sources, builds, logs'
	@echo ''
	@echo 'Variables:'
	@echo '  SERIES=7.1     kernel series, fetched from Debian (for test: one or several)'
	@echo '  KDIR=PATH      your own kernel tree or its O= build; it is copied, not changed'
	@echo '  FLB=c|rust     demo: which implementation of FLB (rust)'
	@echo '  ONLY="..."     test: only some of'
	@echo '                 overlay host lint kunit kexec interop selftests kexec-c'
	@echo '  JOBS=N         how many processes at a time (all processors)'
	@echo '  XDG_CACHE_HOME where the cache is: XDG_CACHE_HOME/luo-flb, 6 GB'

demo:
	@scripts/demo.sh

test:
	@scripts/test.sh

clean:
	@scripts/clean.sh
