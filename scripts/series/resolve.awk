# SPDX-License-Identifier: GPL-2.0
# Resolve #[cfg(OPTION)] and cfg!(OPTION) in text that rustfmt has formatted, where `known` has
# OPTION=y or OPTION=n: remove the attribute, or what it is on, with its comments and attributes.

BEGIN {
	split(known, words, " ")
	for (i in words) {
		split(words[i], pair, "=")
		value[pair[1]] = pair[2] == "y"
	}
}

# depth_of(LINE): how many brackets it opens less those that it closes.
function depth_of(line,    opened) {
	gsub(/"[^"]*"|\/\/.*/, "", line)
	opened = gsub(/[({[]/, "", line)
	return opened - gsub(/[)}\]]/, "", line)
}

function flush() {
	printf "%s", pending
	pending = ""
}

# What is removed goes on to the end of its last line, at the depth where it has begun.
dropping {
	depth += depth_of($0)
	if (!/^ *(\/\/|#\[)/ && depth == 0 && /[;,}]$/)
		dropping = 0
	next
}

# Comments on the form that was removed are on the other one too.
shared != "" {
	if (/^ *#\[cfg/)
		pending = shared
	shared = ""
}

/^ *#\[cfg\((not\()?CONFIG_[A-Z_]*\)+\]$/ {
	name = $0
	gsub(/.*\(|\).*/, "", name)
	if (name in value) {
		if (value[name] == !/not\(/)
			next
		shared = pending
		pending = ""
		dropping = 1
		depth = 0
		next
	}
}

{
	while (match($0, /cfg!\(CONFIG_[A-Z_]*\)/)) {
		name = substr($0, RSTART + 5, RLENGTH - 6)
		if (!(name in value))
			break
		$0 = substr($0, 1, RSTART - 1) (value[name] ? "true" : "false") substr($0, RSTART + RLENGTH)
	}
}

/^ *(\/\/\/|#\[)/ { pending = pending $0 "\n"; next }
{ flush(); print }
END { flush() }
