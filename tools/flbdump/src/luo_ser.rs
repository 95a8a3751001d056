// SPDX-License-Identifier: GPL-2.0
//! A small decoder of `struct luo_ser`, which the orchestrator hands over since Linux 7.2.

const COMPATIBLE: &[u8; 8] = b"luo-v5\0\0";
const FIELDS: [&str; 3] = ["liveupdate_num", "sessions_pa", "flbs_pa"];

/// The numbers in it; the byte at which the structure is of another version or ends.
pub fn numbers(blob: &[u8]) -> Result<[u64; 3], usize> {
    if !blob.starts_with(COMPATIBLE) {
        return Err(0);
    }
    let mut numbers = [0; 3];
    for (index, value) in numbers.iter_mut().enumerate() {
        let bytes = blob.get(8 + 8 * index..).and_then(<[u8]>::first_chunk);
        *value = u64::from_ne_bytes(*bytes.ok_or(blob.len())?);
    }
    Ok(numbers)
}

/// The lines of the structure in the manner of C.
pub fn lines(numbers: [u64; 3]) -> Vec<String> {
    let mut lines = vec![
        "struct luo_ser {".to_string(),
        "    compatible     = \"luo-v5\";".to_string(),
    ];
    for (name, value) in FIELDS.iter().zip(numbers) {
        lines.push(format!("    {name:<14} = {value:#x};"));
    }
    lines.push("};".to_string());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure() -> Vec<u8> {
        let mut blob = COMPATIBLE.to_vec();
        for value in [2u64, 0x1234_5000, 0x6789_a000] {
            blob.extend(value.to_ne_bytes());
        }
        blob
    }

    #[test]
    fn source_form() {
        let expected = [
            "struct luo_ser {",
            "    compatible     = \"luo-v5\";",
            "    liveupdate_num = 0x2;",
            "    sessions_pa    = 0x12345000;",
            "    flbs_pa        = 0x6789a000;",
            "};",
        ];
        assert_eq!(lines(numbers(&structure()).unwrap()), expected);
    }

    #[test]
    fn other_versions_and_short_ones() {
        let good = structure();
        for size in 0..good.len() {
            assert_eq!(numbers(&good[..size]), Err(if size < 8 { 0 } else { size }));
        }
        for at in 0..COMPATIBLE.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(numbers(&bad), Err(0));
        }
    }
}
