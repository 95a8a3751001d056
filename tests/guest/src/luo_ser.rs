// SPDX-License-Identifier: GPL-2.0
//! A small decoder of `struct luo_ser`, which the orchestrator hands over since Linux 7.2.

const COMPATIBLE: &[u8; 8] = b"luo-v5\0\0";
const FIELDS: [&str; 3] = ["liveupdate_num", "sessions_pa", "flbs_pa"];

/// The lines of the structure in the manner of C; none if it is of another version or damaged.
pub fn lines(blob: &[u8]) -> Option<Vec<String>> {
    let mut words = blob.chunks_exact(8);
    if words.next()? != COMPATIBLE {
        return None;
    }
    let mut lines = vec![
        "struct luo_ser {".to_string(),
        "    compatible     = \"luo-v5\";".to_string(),
    ];
    for field in FIELDS {
        let value = u64::from_ne_bytes(words.next()?.try_into().ok()?);
        lines.push(format!("    {field:<14} = {value:#x};"));
    }
    lines.push("};".to_string());
    Some(lines)
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
        assert_eq!(lines(&structure()).unwrap(), expected);
    }

    #[test]
    fn other_versions_and_short_ones() {
        let good = structure();
        for size in 0..good.len() {
            assert_eq!(lines(&good[..size]), None);
        }
        for at in 0..COMPATIBLE.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(lines(&bad), None);
        }
    }
}
