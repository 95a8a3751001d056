#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Sourced by the other scripts: cache paths, messages, steps, locks, processes.
# shellcheck disable=SC2034 # used by those that source it

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/luo-flb
# The kernel series that have FLB, oldest first. For one more: a word here, and in Kconfig a probe
# for what it has different.
SUPPORTED='7.1 7.2 7.3'
OLDEST=${SUPPORTED%% *}
NEWEST=${SUPPORTED##* }
RUN=${FLB_RUN:-$CACHE/run}
JOBS=${JOBS:-$(nproc)}
# Of the kernels and guests, in the kernel's words.
ARCH=${ARCH:-x86_64}
export LC_ALL=C TZ=UTC

# Build settings must come from the project, not from the caller's make or shell.
unset MAKEFLAGS MAKELEVEL MFLAGS KBUILD_OUTPUT KCONFIG_CONFIG CDPATH

# die WHAT [REMEDY]: one line, and out.
die() {
	local line="luo-flb: error: $1${2:+; $2}"

	printf '%s\n' "${line//$'\n'/ }" >&2
	exit 1
}

[[ $ARCH =~ ^(x86_64|arm64)$ ]] || die "ARCH=$ARCH is not known" "one of: x86_64 arm64"

note() {
	printf 'luo-flb: %s\n' "$*" >&2
}

# arch_name NAME: of what belongs to a tree and an architecture, like 7.3 and 7.3-arm64.
arch_name() {
	[ "$ARCH" = x86_64 ] && printf '%s' "$1" || printf '%s' "$1-$ARCH"
}

# variant NAME KIND: what the build of a tree is called, like 7.3-rust and 7.3-arm64-rust.
variant() {
	printf '%s' "$(arch_name "$1")-$2"
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# version_ge A B: is version A at least B?
version_ge() {
	[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# cache_dir SUBDIR...: directories of the cache, created.
cache_dir() {
	local dir

	for dir in "$@"; do
		mkdir -p "$CACHE/$dir" 2>/dev/null ||
			die "cannot write to $CACHE" "free space there or set XDG_CACHE_HOME"
	done
}

# need_space MB: is there room in the cache?
need_space() {
	local need=$1 free

	cache_dir .
	free=$(df --output=avail -BM "$CACHE" | tail -n 1)
	free=${free//[!0-9]/}
	[ "$free" -ge "$need" ] ||
		die "only $free MB free for $CACHE, $need MB needed" \
			"free some space or set XDG_CACHE_HOME to a larger disk"
}

# need_cache MB: room for all of it, when there is nothing yet.
need_cache() {
	[ -d "$CACHE/build" ] || need_space "$1"
}

# lock NAME: one holder at a time; held until this process and its children end.
# A lock that a parent script holds already is ours too.
lock() {
	local name=$1 fd

	case " ${FLB_LOCKS:-} " in
	*" $name "*) return 0 ;;
	esac
	cache_dir lock
	exec {fd}>"$CACHE/lock/$name"
	if ! flock -w 3 "$fd"; then
		note "waiting for another run that holds the $name lock"
		flock "$fd"
	fi
	export FLB_LOCKS="${FLB_LOCKS:-} $name"
}

# forget_others CRATE...: cargo takes what another checkout has built in CARGO_TARGET_DIR for this
# one's, and looks whether the other one's files have changed since.
forget_others() {
	local mark=$CARGO_TARGET_DIR/.checkout crate

	[ "$(cat "$mark" 2>/dev/null)" != "$TOP" ] || return 0
	mkdir -p "$CARGO_TARGET_DIR"
	for crate in "$@"; do
		find "$CARGO_TARGET_DIR" -path "*/.fingerprint/$crate-*" -prune -exec rm -rf {} +
	done
	printf '%s\n' "$TOP" >"$mark"
}

# log_reason LOG: the line of a log that says best what went wrong.
log_reason() {
	local line='' pattern

	for pattern in 'luo-flb: error: ' 'No space left on device' \
			'error(\[E[0-9]+\])?:|FATAL|undefined symbol' '^E: ' \
			'rror|annot|ailed|not found' '.'; do
		[ -n "$line" ] || line=$(grep -aE -- "$pattern" "$1" |
			grep -avE '^make|aborting due|could not compile' | tail -n 1) || true
	done
	printf '%s' "${line:-no output}" | tr -d '\r' | cut -c 1-300
}

# Only on a terminal: rewrite the step's line each second, with the last thing done.
step_ticker() {
	local title=$1 start=$2 cols line

	cols=$(tput cols 2>/dev/null || echo 80)
	while sleep 1 && kill -0 "$$" 2>/dev/null; do
		line=$(tail -n 1 "$STEP_LOG" 2>/dev/null | tr -d '\r\t\033')
		printf '\r\033[K%.*s' "$((cols - 1))" "$title  $((SECONDS - start)) s  $line"
	done
}

# step_failed TITLE: one line, with the reason and where to read more. On a full disk the log may be
# empty.
step_failed() {
	local reason

	(need_space 100) || return 0
	reason=$(log_reason "$STEP_LOG")
	if [[ $reason == "luo-flb: error: "* ]]; then
		printf '%s\n' "$reason" >&2
	else
		(die "$1 failed: $reason" "see $STEP_LOG") || true
	fi
}

# step TITLE COMMAND...: run it with its output in a log, STEP_LOG; show title and time. With
# STEP_QUIET set the caller says why it failed.
# COMMAND runs with errexit off: pass an external command, or a function of && lists.
step() {
	local title=$1 name start=$SECONDS ticker='' end='' rc=0
	shift

	name=$(printf '%.60s' "${title,,}" | tr -cs 'a-z0-9.' '-')
	STEP_LOG=$RUN/$name.log
	{ mkdir -p "$RUN" && : >"$STEP_LOG"; } 2>/dev/null ||
		die "cannot write to $STEP_LOG" "free space there or set XDG_CACHE_HOME"
	if [ -n "${FLB_ASIDE:-}" ]; then
		end="$title ... "
	elif [ -t 1 ]; then
		step_ticker "$title" "$start" &
		ticker=$!
		end=$'\r\033[K'"$title ... "
	else
		printf '%s ... ' "$title"
	fi
	"$@" >"$STEP_LOG" 2>&1 </dev/null || rc=$?
	if [ -n "$ticker" ]; then
		kill "$ticker" 2>/dev/null || true
		wait "$ticker" 2>/dev/null || true
	fi
	if [ "$rc" -eq 0 ]; then
		printf '%s%s s\n' "$end" "$((SECONDS - start))"
		return 0
	fi
	printf '%sfailed\n' "$end"
	[ -n "${STEP_QUIET:-}" ] || step_failed "$title"
	return "$rc"
}

# aside COMMAND...: run it beside what comes next, until join. Its steps say what they did when they
# are done. Who has such children runs as_group, which ends them.
aside() {
	FLB_ASIDE=1 "$@" &
	ASIDES=$((ASIDES + 1))
}
ASIDES=0

# join: wait for all that is aside. The first that fails is the end.
join() {
	for (( ; ASIDES > 0; ASIDES--)); do
		wait -n || exit
	done
}

# as_group COMMAND...: run it as a process group that ends as a whole: when COMMAND does, or when a
# signal comes. For the end of a script.
as_group() {
	local pid rc signal='' tries=0

	set -m
	{ set +m; "$@"; } &
	pid=$!
	set +m
	trap 'signal=yes; kill -- "-$pid"' INT TERM HUP
	while rc=0; wait "$pid" || rc=$?; kill -0 "$pid" 2>/dev/null; do :; done
	while kill -- "-$pid" 2>/dev/null && [ "$((tries += 1))" -lt 50 ]; do sleep 0.1; done
	kill -KILL -- "-$pid" 2>/dev/null || true
	[ -z "$signal" ] || rc=130
	return "$rc"
}

# has_hugetlb TREE: can its files in huge pages be handed over? Kconfig finds out the same.
has_hugetlb() {
	grep -qw arch_alloc_bootmem_huge_page "$1/mm/hugetlb.c"
}
