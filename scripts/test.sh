#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# test.sh [--all]: gets the tools and kernels that the tests need, builds them, and runs the tests;
# the last line counts them. --all: with those that make test leaves out. SERIES, KDIR and ARCH say
# on what, ONLY is what names of tests have to contain, as for cargo test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# tests OPTION...: by cargo.
tests() {
	(cd "$TOP" && cargo test --locked --no-fail-fast "$@" 2>&1 </dev/null)
}

# harness: what judges kernels, scripts and text.
harness() {
	tests -p luo-flb-harness -- "${SELECT[@]}"
}

# fetch VERSION...: their sources. One that cannot be had is skipped, all of them must not be.
fetch() {
	local version found rc

	for version in "$@"; do
		rc=0
		found=$("$TOP/scripts/fetch.sh" "$version") || rc=$?
		case $rc in
		0)
			TREES+=${TREES:+ }$(basename "${found% *}")
			printf 'Linux %s\n' "${found##* }"
			;;
		77) SKIPPED=$((SKIPPED + 1)) ;;
		*) exit "$rc" ;;
		esac
	done
	[ -n "$TREES" ] || die "no kernel source could be had" "see above"
}

# build ARCH TREE KIND: one thing that the selected tests need.
build() {
	case $3 in
	guest) ARCH=$1 "$TOP/scripts/guest.sh" ;;
	selftests) ARCH=$1 "$TOP/scripts/selftests.sh" "$CACHE/tree/$2" ;;
	*) ARCH=$1 "$TOP/scripts/build.sh" "$2" "$3" ;;
	esac
}

# builds: all of it. What cannot be built is a failed test, and those that need it fail, too.
builds() {
	local arch tree kind

	while read -r arch tree kind; do
		# Its standard input would be the list.
		build "$arch" "$tree" "$kind" </dev/null ||
			echo "test build/$tree/$arch/$kind ... FAILED" >>"$LOG"
	done
}

# show: of what cargo says, the tests, with how many are left. On a terminal those that passed share
# a line.
show() {
	awk -v tty="$([ -t 1 ] && echo 1)" '
		function line(text) {
			printf "%s%s\n", tty ? "\r\033[K" : "", text
			fflush()
		}
		/^running [0-9]+ tests?$/ { all = $2; n = 0 }
		/^test .* \.\.\. / {
			mark = / FAILED$/ ? "FAIL" : / \.\.\. ignored/ ? "skip" : "ok"
			sub(/^test +/, "")
			sub(/ +\.\.\. (ok|FAILED)$/, "")
			text = sprintf("%-4s %d/%d %s", mark, ++n, all, $0)
			if (!tty || mark != "ok") line(text)
			else { printf "\r\033[K%.78s", text; fflush() }
			next
		}
		/^failures:$/ { failures = 1 }
		/^test result/ { failures = 0 }
		failures || /^error/ { line($0) }
		END { if (tty) printf "\r\033[K" }'
}

# summary: the last line, and the exit status.
summary() {
	awk -v skipped="$SKIPPED" -v seconds="$SECONDS" '
		/^test .* \.\.\. ok$/ { passed++ }
		/^test .* \.\.\. FAILED$/ { failed++ }
		/^test .* \.\.\. ignored/ { skipped++ }
		/^running [0-9]+ tests?$/ { begun++ }
		/^test result: / { ended++ }
		/^error: / && !/test failed|targets? failed/ { failed++ }
		END {
			if (begun != ended) {
				print "a program of tests did not come to its end; see " FILENAME
				failed++
			}
			if (!passed && !failed) print "no such test: make test-all has more"
			printf "%d s; %d skipped, as said above\n", seconds, skipped
			printf "%d passed, %d failed\n", passed, failed
			exit failed > 0 || !passed
		}' "$LOG"
}

# run: all of it.
run() {
	"$TOP/scripts/setup.sh" "$SETUP"
	# shellcheck disable=SC2086 # versions
	fetch $VERSIONS
	export FLB_TREES=$TREES
	"$TOP/scripts/guest.sh"
	step "Host tests" tests --workspace --no-run || exit 1
	: 2>/dev/null >"$LOG" || die "cannot write to $LOG" "free some space"
	FLB_NEEDS=1 harness | grep -E '^(x86_64|arm64) ' >"$RUN/needs" || true
	builds <"$RUN/needs"
	# Whether they passed is said by what they print.
	[ -n "${ONLY:-}" ] || { tests || true; } | tee -a "$LOG" | show
	rm -rf "$RUN/tmp" "$RUN/hung"
	{ harness || true; } | tee -a "$LOG" | show
	[ ! -f "$RUN/hung" ] || cat "$RUN/hung"
	summary
}

export FLB_RUN=$CACHE/run/test
RUN=$FLB_RUN
LOG=$RUN/tests.log
TREES='' SKIPPED=0 SELECT=(--test-threads "$JOBS")
VERSIONS=${KDIR:+KDIR}
VERSIONS=${VERSIONS:-${SERIES:-$OLDEST $NEWEST}}
[ -z "${ONLY:-}" ] || SELECT+=("$ONLY")
SETUP=--test
if [ "${1:-}" = --all ]; then
	SETUP=--all SELECT+=(--include-ignored)
	[ -n "${SERIES:-}${KDIR:-}" ] || VERSIONS=$SUPPORTED
fi
for version in $VERSIONS; do
	"$TOP/scripts/fetch.sh" --check "$version"
done
cache_dir run/test
need_cache 8000
lock test
export CARGO_TARGET_DIR=$CACHE/host CARGO_TERM_COLOR=never
as_group run
