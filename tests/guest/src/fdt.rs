// SPDX-License-Identifier: GPL-2.0
//! A small decoder of flattened device trees, for display.

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// The lines of the tree in the manner of a device tree source; none if it is damaged.
pub fn lines(blob: &[u8]) -> Option<Vec<String>> {
    if u32_at(blob, 0)? != MAGIC {
        return None;
    }
    let blob = blob.get(..u32_at(blob, 4)? as usize)?;
    let strings = blob.get(u32_at(blob, 12)? as usize..)?;
    let mut at = u32_at(blob, 8)? as usize;
    let mut depth = 0;
    let mut lines = Vec::new();
    loop {
        let token = u32_at(blob, at)?;
        at += 4;
        match token {
            BEGIN_NODE => {
                let name = string_at(blob, at)?;
                at = (at + name.len() + 1).next_multiple_of(4);
                let name = if name.is_empty() { "/" } else { name };
                lines.push(format!("{}{name} {{", indent(depth)));
                depth += 1;
            }
            END_NODE => {
                depth = usize::checked_sub(depth, 1)?;
                lines.push(format!("{}}};", indent(depth)));
            }
            PROPERTY => {
                let size = u32_at(blob, at)? as usize;
                let name = string_at(strings, u32_at(blob, at + 4)? as usize)?;
                let data = blob.get(at + 8..(at + 8).checked_add(size)?)?;
                at = (at + 8 + size).next_multiple_of(4);
                lines.push(format!("{}{name}{};", indent(depth), value(data)));
            }
            NOP => {}
            END => return (depth == 0).then_some(lines),
            _ => return None,
        }
    }
}

fn indent(depth: usize) -> String {
    "    ".repeat(depth)
}

/// KHO writes text, and numbers of 64 bits in the machine's byte order.
fn value(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    if let Some((0, text)) = data.split_last() {
        if !text.is_empty() && text.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return format!(" = \"{}\"", String::from_utf8_lossy(text));
        }
    }
    match <[u8; 8]>::try_from(data) {
        Ok(bytes) => format!(" = <{:#x}>", u64::from_ne_bytes(bytes)),
        Err(_) => {
            let bytes: Vec<String> = data.iter().map(|byte| format!("{byte:02x}")).collect();
            format!(" = [{}]", bytes.join(" "))
        }
    }
}

fn u32_at(blob: &[u8], at: usize) -> Option<u32> {
    let bytes = blob.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn string_at(blob: &[u8], at: usize) -> Option<&str> {
    let rest = blob.get(at..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Vec<u8> {
        let mut body: Vec<u8> = Vec::new();
        let word = |body: &mut Vec<u8>, value: u32| body.extend(value.to_be_bytes());
        word(&mut body, BEGIN_NODE);
        word(&mut body, 0);
        word(&mut body, PROPERTY);
        word(&mut body, 7);
        word(&mut body, 0);
        body.extend(b"luo-v1\0\0");
        word(&mut body, BEGIN_NODE);
        body.extend(b"luo-flb\0");
        word(&mut body, PROPERTY);
        word(&mut body, 8);
        word(&mut body, 11);
        body.extend(0x1234_5000u64.to_ne_bytes());
        word(&mut body, END_NODE);
        word(&mut body, END_NODE);
        word(&mut body, END);
        let strings = b"compatible\0header\0";
        let strings_at = 40 + body.len() as u32;
        let total = strings_at + strings.len() as u32;
        let header = [
            MAGIC,
            total,
            40,
            strings_at,
            40,
            17,
            16,
            0,
            strings.len() as u32,
            0,
        ];
        let mut blob: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        blob.extend(body);
        blob.extend(strings);
        blob
    }

    #[test]
    fn source_form() {
        let expected = [
            "/ {",
            "    compatible = \"luo-v1\";",
            "    luo-flb {",
            "        header = <0x12345000>;",
            "    };",
            "};",
        ];
        assert_eq!(lines(&tree()).unwrap(), expected);
    }

    #[test]
    fn damage_never_panics() {
        let good = tree();
        for size in 0..good.len() {
            let _ = lines(&good[..size]);
        }
        for at in 0..good.len() {
            for byte in [0, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                let _ = lines(&bad);
            }
        }
    }
}
