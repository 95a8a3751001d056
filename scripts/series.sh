#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# series.sh [DIRECTORY]: write the project as patches for a kernel tree, which git am takes: of
# SERIES (the newest that can be had), or KDIR=TREE. Code of other kernel series, and what only this
# repository needs, is left out. Who runs it signs off, by git's user.name and user.email. With
# CLIENT=yes one more patch, not for others, has the test client of the scenarios.
# shellcheck disable=SC2016 # text for make, awk and sed
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/blocks.sh
. "$TOP/scripts/blocks.sh"

CORE=kernel/liveupdate/luo_flb
HUGE=mm/hugetlb_luo
PAGES=Documentation/core-api/liveupdate

# place FILE: where a file of this repository goes.
place() {
	case $1 in
	rust/*) printf %s "$1" ;;
	samples/*) printf %s "samples/rust/${1#samples/}" ;;
	hugetlb/*) printf %s "$HUGE/${1#hugetlb/}" ;;
	tests/client/*) printf %s "$CORE/$1" ;;
	tests/kunit/*) printf %s "$CORE/tests/${1#tests/kunit/}" ;;
	Documentation/handover.rst) printf %s Documentation/core-api/kho/flb.rst ;;
	Documentation/*) printf %s "$PAGES/${1#Documentation/}" ;;
	*) printf %s "$CORE/$1" ;;
	esac
}

# moved: text with the paths of a tree in place of those here.
moved() {
	sed -e "s#kernel/liveupdate/flb/hugetlb#$HUGE#g; s#kernel/liveupdate/flb#$CORE#g" \
		-e "s#\"\.\./$HUGE/#\"hugetlb_luo/#" \
		-e 's#tests/kunit/#tests/#g; /#\[path = "tests/d' \
		-e 's#\bhandover\.rst#Documentation/core-api/kho/flb.rst#' \
		-e "s#Documentation/\([a-z-]*\.rst\)\(\` in this directory\)\?#$PAGES/\1\2#" \
		-e "s#\($PAGES/[a-z-]*\.rst\`\) in this directory#\1#"
}

# probes: what Kconfig would find out about TREE, as the words NAME=y and NAME=n.
probes() {
	local name='' line

	while IFS= read -r line; do
		case $line in
		'config '*) name=${line#config } ;;
		*'def_bool $(success,'*)
			line=${line#*success,}
			line=${line%)}
			line=${line//\$(srctree)/\$srctree}
			if srctree=$TREE bash -c "$line" >/dev/null 2>&1; then
				echo "CONFIG_$name=y"
			else
				echo "CONFIG_$name=n"
			fi
			;;
		esac
	done <"$TOP/Kconfig"
}

# options SED: what SED makes of what is known.
options() {
	tr ' ' '\n' <<<"$KNOWN" | sed -n "$1"
}

# resolved FILE: its text without what another kernel series, or a later patch, needs.
resolved() {
	local defines ifs

	case $1 in
	*.rs) awk -v known="$KNOWN" -f "$TOP/scripts/series/resolve.awk" "$TOP/$1" ;;
	*.[ch])
		mapfile -t defines < <(options 's/^\(.*\)=y$/-D\1=1/p; s/^\(.*\)=n$/-U\1/p')
		ifs=$(options 's/^\(.*\)=y$/s@IS_ENABLED(\1)@1@/p
			s/^\(.*\)=n$/s@IS_ENABLED(\1)@0@/p')
		# 1: it has changed something.
		{ "$WORK/unifdef" "${defines[@]}" "$TOP/$1" || [ $? = 1 ]; } | sed "$ifs"
		;;
	*) cat "$TOP/$1" ;;
	esac
}

# copy FILE...: into the tree of patches.
copy() {
	local file to

	for file; do
		file=${file#./}
		to=$GIT/$(place "$file")
		mkdir -p "${to%/*}"
		resolved "$file" | moved >"$to"
	done
}

# edit FILE TEXT AWK: have AWK, which knows the text, change a file of the tree.
edit() {
	text=$2 awk "$3" "$GIT/$1" >"$WORK/edited"
	! cmp -s "$WORK/edited" "$GIT/$1" || die "$1 of this tree is not as expected" \
		"give the source of Linux 7.1 or later"
	cat "$WORK/edited" >"$GIT/$1"
}

# sorted FILE PREFIX LINE [TEXT]: put TEXT, or LINE, where LINE belongs among those with PREFIX.
sorted() {
	prefix=$2 line=$3 edit "$1" "${4:-$3}" '
		index($0, ENVIRON["prefix"]) == 1 && $0 < ENVIRON["line"] { at = NR }
		{ lines[NR] = $0 }
		END {
			for (i = 1; i <= NR; i++) {
				print lines[i]
				if (i == at)
					print ENVIRON["text"]
			}
		}'
}

# before FILE PREFIX TEXT: put it before the last line with PREFIX.
before() {
	prefix=$2 edit "$1" "$3" '
		index($0, ENVIRON["prefix"]) == 1 { at = NR }
		{ lines[NR] = $0 }
		END {
			for (i = 1; i <= NR; i++) {
				if (i == at)
					print ENVIRON["text"]
				print lines[i]
			}
		}'
}

append() {
	printf '%s\n' "$2" >>"$GIT/$1"
}

# menu NAME...: entries of Kconfig, without the probes.
menu() {
	local name

	for name in "$@"; do
		sed -n "/^config $name\$/,/^\(config\|endif\)/p" "$TOP/Kconfig" |
			sed -e '1!{/^\(config\|endif\)/d}' -e '/depends on LIVEUPDATE_HAS/d' | moved
	done
}

# offer NAME...: put entries into the menu of live update.
offer() {
	before kernel/liveupdate/Kconfig endmenu "$(menu "$@")
"
}

# tidy FILE...: remove modules that nothing declares any more, and format the others.
tidy() {
	local file name left=()

	cd "$GIT"
	for file; do
		name=$(basename "${file%/mod.rs}" .rs)
		if [[ $name =~ ^(luo_.*|rust_.*|abi)$ ]] ||
		   grep -rqw "mod $name;" --include='*.rs' .; then
			left+=("$file")
		else
			rm "$file"
		fi
	done
	rustfmt --edition 2021 --config-path "$TREE/.rustfmt.toml" "${left[@]}"
}

# patch NAME: what was changed since the last one; the message is in scripts/series.
patch() {
	local changed

	git -C "$GIT" add -A
	mapfile -t changed < <(git -C "$GIT" diff --cached --name-only -- '*.rs' ':!*/lib.rs')
	[ -z "${changed[*]}" ] || (tidy "${changed[@]}")
	git -C "$GIT" add -A
	git -C "$GIT" commit -qs -F "$TOP/scripts/series/$1.msg"
}

# base: a repository with the files of the tree that patches change, as they were.
base() {
	local file

	git init -q -b base "$GIT"
	for file in "${!BLOCK[@]}" mm/Makefile MAINTAINERS Documentation/core-api/liveupdate.rst \
		Documentation/core-api/kho/index.rst; do
		mkdir -p "$(dirname "$GIT/$file")"
		sed -E '/^(#|\/\/) luo-flb overlay: begin/,/^(#|\/\/) luo-flb overlay: end/d' \
			"$TREE/$file" >"$GIT/$file"
	done
	git -C "$GIT" config user.name "$NAME"
	git -C "$GIT" config user.email "$EMAIL"
	git -C "$GIT" add -A
	git -C "$GIT" commit -qm "Linux $VERSION"
}

bindings() {
	local header

	for header in anon_inodes kexec_handover kho/abi/kexec_handover liveupdate vmalloc; do
		grep -qF "<linux/$header.h>" "$GIT/rust/bindings/bindings_helper.h" ||
			sorted rust/bindings/bindings_helper.h '#include <linux/' \
				"#include <linux/$header.h>"
	done
	copy rust/helpers/liveupdate.c
	sorted rust/helpers/helpers.c '#include "' '#include "liveupdate.c"'
	patch bindings
}

api() {
	copy rust/kernel/kho.rs rust/kernel/kho/*.rs
	offer RUST_LIVEUPDATE_KUNIT_TEST
	sorted rust/kernel/lib.rs 'pub mod ' 'pub mod kho;' "#[cfg(CONFIG_KEXEC_HANDOVER)]
pub mod kho;"
	patch kho
	copy rust/kernel/liveupdate.rs rust/kernel/liveupdate/{,*/}*.rs
	sorted rust/kernel/lib.rs 'pub mod ' 'pub mod liveupdate;' "#[cfg(CONFIG_LIVEUPDATE)]
pub mod liveupdate;"
	patch liveupdate
	copy samples/*.rs
	append samples/rust/Makefile "${BLOCK[samples/rust/Makefile]}"
	before samples/rust/Kconfig 'config SAMPLE_RUST_HOSTPROGS' \
		"${BLOCK[samples/rust/Kconfig]//SAMPLES && SAMPLES_RUST && /}
"
	append mm/memfd_luo.c "
${BLOCK[mm/memfd_luo.c]}"
	patch samples
}

# block FILE OPTION: the part of an overlay's block that depends on an option.
block() {
	sed -n "/^#ifdef $2\$/,/^#endif/p" <<<"${BLOCK[$1]}" | moved
}

# makefile OPTION...: that of the core, without the lines of these options.
makefile() {
	local drop fdt=''

	drop=$(IFS='|' && echo "$*")
	[[ $KNOWN == *_HAS_FDT=y* ]] || fdt='/^flb-bindgen-fdt/d; s/|\$(flb-bindgen-fdt)//'
	sed -E "/^obj-.*_($drop)\)/{:again;/\\\\\$/{N;b again};d}" "$TOP/Kbuild" | sed "$fdt" |
		moved >"$GIT/$CORE/Makefile"
}

core() {
	local known=$KNOWN without=(HUGETLB FLB_CLIENT FLB_MODULE FLB_BENCH)

	copy abi/*.rs
	patch abi
	KNOWN+=' CONFIG_LIVEUPDATE_FLB_KUNIT_TEST=n CONFIG_LIVEUPDATE_FLB_FAULTS=n'
	copy ./*.rs raw/*.rs ./*.[ch]
	KNOWN=$known
	makefile "${without[@]}" FLB_FAULTS
	offer LIVEUPDATE_FLB_RUST LIVEUPDATE_FLB_MAX LIVEUPDATE_FLB_DEBUGFS
	append rust/bindings/bindings_helper.h "
$(block rust/bindings/bindings_helper.h CONFIG_LIVEUPDATE_FLB_RUST)"
	append kernel/liveupdate/Makefile "
# FLB objects in Rust take the place of those in C.
luo-\$(CONFIG_LIVEUPDATE_FLB_RUST)	:= \$(filter-out luo_flb.o,\$(luo-y))
obj-\$(CONFIG_LIVEUPDATE_FLB_RUST)	+= luo_flb/"
	patch core
	copy luo_flb.rs bindings_helper.h tests/kunit/{,*/}*.rs tests/kunit/*.[ch]
	makefile "${without[@]}"
	offer LIVEUPDATE_FLB_KUNIT_TEST LIVEUPDATE_FLB_FAULTS
	patch kunit
}

hugetlb() {
	copy hugetlb/*.rs hugetlb/*.[ch]
	{ head -n 1 Kbuild && echo 'obj-$(CONFIG_LIVEUPDATE_HUGETLB) += luo_hugetlb.o'; } \
		>"$GIT/$HUGE/Makefile"
	append mm/Makefile 'obj-$(CONFIG_LIVEUPDATE_HUGETLB) += hugetlb_luo/'
	append mm/hugetlb.c "
$(moved <<<"${BLOCK[mm/hugetlb.c]}")"
	append rust/bindings/bindings_helper.h "
$(block rust/bindings/bindings_helper.h CONFIG_LIVEUPDATE_HUGETLB)"
	offer LIVEUPDATE_HUGETLB
	patch hugetlb
}

documents() {
	local pages=(flb rust-driver operators) page

	[ "$HUGETLB" = no ] || pages+=(hugetlb)
	for page in handover "${pages[@]}"; do
		copy "Documentation/$page.rst"
	done
	append Documentation/core-api/kho/index.rst "
.. toctree::
   :maxdepth: 1

   flb"
	append Documentation/core-api/liveupdate.rst "
FLB objects in Rust
===================

.. toctree::
   :maxdepth: 1

$(printf '   liveupdate/%s\n' "${pages[@]}")"
	edit MAINTAINERS "LIVE UPDATE [RUST]
M:	$NAME <$EMAIL>
L:	kexec@lists.infradead.org
L:	rust-for-linux@vger.kernel.org
S:	Maintained
F:	$PAGES/
F:	$CORE/
F:	$HUGE/
F:	rust/helpers/liveupdate.c
F:	rust/kernel/kho*
F:	rust/kernel/liveupdate*
F:	samples/rust/rust_liveupdate*
" '
		here && $0 == "" { print; print ENVIRON["text"]; here = 0; next }
		$0 == "LIVE UPDATE" { here = 1 }
		{ print }'
	patch documentation
}

# client: for the scenarios of this repository.
client() {
	copy tests/client/*.[ch]
	append "$CORE/Makefile" "
$(sed -n '/FLB_CLIENT)/,/[^\\]$/p' Kbuild)"
	append kernel/liveupdate/Makefile '
ifdef CONFIG_LIVEUPDATE_FLB_CLIENT
CFLAGS_luo_file.o += -Dliveupdate_test_register=luo_flb_client_register
endif'
	offer LIVEUPDATE_FLB_CLIENT
	patch client
}

# letter: the cover letter, with what Documentation/reviewers.rst says of luo_flb.c.
letter() {
	local page=$TOP/Documentation/reviewers.rst

	cat "$TOP/scripts/series/cover.msg"
	printf '\nFaults of luo_flb.c, with the scenario of the repository that shows each:\n\n'
	sed -n '/^D1 /,/^$/{s/``//g; p}' "$page" | fmt -w 72
	printf 'Other differences:\n\n'
	sed -n '/^Other differences/,/^Decisions/{/^[- ]/!d; s/``//g; p}' "$page" | fmt -t -w 72
}

# identity: who signs off. No other setting of theirs counts, nor the repository of a hook.
identity() {
	NAME=$(git config user.name) || true
	EMAIL=$(git config user.email) || true
	[[ -n $NAME && -n $EMAIL ]] ||
		die "git does not know who you are" \
			"git config --global user.name NAME, and user.email ADDRESS"
	# shellcheck disable=SC2046 # to be split
	unset $(git rev-parse --local-env-vars)
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
}

series() {
	base
	bindings
	api
	core
	[ "$HUGETLB" = no ] || hugetlb
	documents
	[ "${CLIENT:-no}" = no ] || client
	git -C "$GIT" config branch.base.description "$(letter)"
	mkdir -p "$OUT" && rm -f "$OUT"/[0-9][0-9][0-9][0-9]-*.patch
	git -C "$GIT" format-patch -q --cover-letter --cover-from-description=subject \
		-o "$OUT" "$(git -C "$GIT" rev-list --max-parents=0 base)"
}

identity
have rustfmt || die "rustfmt is missing" "run scripts/setup.sh --test"
OUT=$(realpath -m "${1:-series}")
FOUND=$("$TOP/scripts/fetch.sh" "${SERIES:-$NEWEST}")
TREE=${FOUND% *} VERSION=${FOUND##* }
lock "tree-${TREE##*/}"
"$TOP/scripts/overlay.sh" apply "$TREE"
KNOWN=$(probes | tr '\n' ' ')
has_hugetlb "$TREE" && HUGETLB=yes || HUGETLB=no
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
GIT=$WORK/git
"${CC:-gcc}" -o "$WORK/unifdef" "$TREE/scripts/unifdef.c"
cd "$TOP"
series
echo "$(find "$OUT" -name '*.patch' | wc -l) patches for Linux $VERSION in $OUT"
