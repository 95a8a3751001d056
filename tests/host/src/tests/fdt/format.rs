// SPDX-License-Identifier: GPL-2.0

//! What is written is what the format says, and frozen.

use super::{
    tools::{dts, fdtget},
    tree,
};
use crate::abi::fdt_v1::{read, Reader};

const ADDRESS: u64 = 0x1_2345_6000;

#[test]
fn what_is_written_is_read() {
    let tree = tree::announcing(ADDRESS);
    assert!(tree.is_sound());
    assert_eq!(read(&tree, 4096), Ok(ADDRESS));
}

#[test]
fn what_luo_wrote_is_still_there() {
    let tree = tree::announcing(ADDRESS);
    assert!(tree.is_compatible(0, c"luo-v1"));
    let number = tree::NUMBER.to_ne_bytes();
    assert_eq!(tree.property(0, c"liveupdate-number"), Some(&number[..]));
    let node = tree.node(c"luo-session").unwrap();
    assert!(tree.is_compatible(node, c"luo-session-v2"));
    let sessions = tree::SESSIONS.to_ne_bytes();
    assert_eq!(
        tree.property(node, c"luo-session-header"),
        Some(&sessions[..])
    );
}

#[test]
fn fdtget_finds_the_node_and_its_properties() {
    let tree = tree::announcing(ADDRESS);
    assert_eq!(fdtget(&tree, &["-l"], &["/"]), ["luo-session", "luo-flb"]);
    assert_eq!(
        fdtget(&tree, &["-p"], &["/luo-flb"]),
        ["compatible", "luo-flb-header"]
    );
    assert_eq!(
        fdtget(&tree, &["-t", "s"], &["/luo-flb", "compatible"]),
        ["luo-flb-v1"]
    );
    assert!(fdtget(&tree, &["-l"], &["/luo-flb"]).is_empty());
}

#[test]
fn fdtget_finds_the_address_in_the_order_of_this_machine() {
    let tree = tree::announcing(ADDRESS);
    let bytes = ADDRESS.to_ne_bytes().map(|byte| format!("{byte:x}"));
    assert_eq!(
        fdtget(&tree, &["-t", "bx"], &["/luo-flb", "luo-flb-header"]),
        [bytes.join(" ")]
    );
}

/// The tree, as `dtc` prints it when a little-endian kernel has written it: `dtc` takes the
/// numbers for pairs of big-endian cells.
#[cfg(target_endian = "little")]
const GOLDEN: &str = "
/dts-v1/;

/ {
	compatible = \"luo-v1\";
	liveupdate-number = <0x3000000 0x00>;

	luo-session {
		compatible = \"luo-session-v2\";
		luo-session-header = <0x500000 0x1000000>;
	};

	luo-flb {
		compatible = \"luo-flb-v1\";
		luo-flb-header = <0x604523 0x1000000>;
	};
};
";

#[cfg(target_endian = "little")]
#[test]
fn dtc_prints_the_golden_tree() {
    let golden: Vec<_> = GOLDEN.split_whitespace().collect();
    assert_eq!(dts(&tree::announcing(ADDRESS)), golden.join(" "));
}
