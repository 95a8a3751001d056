// SPDX-License-Identifier: GPL-2.0

//! The corpus: a line of hexadecimal digits for each input. `scripts/fuzz.sh --collect` writes it.

/// The inputs of a target.
pub(super) fn of(target: &str) -> Option<Vec<Vec<u8>>> {
    let text = match target {
        "flb_array" => include_str!("../../corpus/flb_array.hex"),
        "handover" => include_str!("../../corpus/handover.hex"),
        "hugetlb" => include_str!("../../corpus/hugetlb.hex"),
        "name" => include_str!("../../corpus/name.hex"),
        _ => return None,
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Some(lines.map(input).collect())
}

/// The bytes in a line.
fn input(line: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    line.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
