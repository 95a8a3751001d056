// SPDX-License-Identifier: GPL-2.0
//! A small decoder of flattened device trees, as small as those that KHO and the orchestrator of
//! Linux 7.1 hand over.

pub const MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// The longest tree and name, and the deepest node: more than any that is handed over has.
pub const MAX_LEN: usize = 1 << 20;
const MAX_NAME: usize = 63;
const MAX_DEPTH: usize = 8;

/// What is in a tree, in its order.
#[derive(Debug, PartialEq)]
pub enum Item<'a> {
    Node(&'a str),
    Property(&'a str, &'a [u8]),
    End,
}

/// The items of a tree; the byte at which it is none if it is damaged.
pub fn items(blob: &[u8]) -> Result<Vec<Item<'_>>, usize> {
    if !blob.starts_with(&MAGIC) {
        return Err(0);
    }
    let size = u32_at(blob, 4)? as usize;
    let blob = blob
        .get(..size.min(MAX_LEN + 1))
        .filter(|_| size <= MAX_LEN);
    let blob = blob.ok_or(4_usize)?;
    let mut at = u32_at(blob, 8)? as usize;
    let strings = u32_at(blob, 12)? as usize;
    let mut depth = 0;
    let mut items = Vec::new();
    loop {
        let token = at;
        at += 4;
        match u32_at(blob, token)? {
            BEGIN_NODE if depth < MAX_DEPTH => {
                let name = string_at(blob, at).ok_or(at)?;
                at = (at + name.len() + 1).next_multiple_of(4);
                items.push(Item::Node(name));
                depth += 1;
            }
            END_NODE if depth > 0 => {
                items.push(Item::End);
                depth -= 1;
            }
            PROPERTY => {
                let size = u32_at(blob, at)? as usize;
                let name = strings.checked_add(u32_at(blob, at + 4)? as usize);
                let name = name.and_then(|name| string_at(blob, name)).ok_or(at + 4)?;
                let data = blob.get(at + 8..).and_then(|data| data.get(..size));
                items.push(Item::Property(name, data.ok_or(at)?));
                at = (at + 8 + size).next_multiple_of(4);
            }
            NOP => {}
            END if depth == 0 => return Ok(items),
            _ => return Err(token),
        }
    }
}

/// The data of a property of the node at this path from the root.
pub fn property<'a>(items: &[Item<'a>], path: &[&str], property: &str) -> Option<&'a [u8]> {
    let mut here = Vec::new();
    items.iter().find_map(|item| {
        match item {
            Item::Node(name) => here.push(*name),
            Item::End => drop(here.pop()),
            Item::Property(name, data) => {
                let is_it = here.get(1..) == Some(path) && *name == property;
                return is_it.then_some(*data);
            }
        }
        None
    })
}

/// The number in the data of a property: of 64 bits, in the machine's byte order.
pub fn number(data: &[u8]) -> Option<u64> {
    Some(u64::from_ne_bytes(data.try_into().ok()?))
}

/// The lines of the tree in the manner of a device tree source.
pub fn lines(items: &[Item<'_>]) -> Vec<String> {
    let mut depth = 0;
    let mut line = |item: &Item<'_>| {
        let indent = |depth| "    ".repeat(depth);
        match item {
            Item::Node(name) => {
                let name = if name.is_empty() { "/" } else { name };
                depth += 1;
                format!("{}{name} {{", indent(depth - 1))
            }
            Item::Property(name, data) => format!("{}{name}{};", indent(depth), value(data)),
            Item::End => {
                depth -= 1;
                format!("{}}};", indent(depth))
            }
        }
    };
    items.iter().map(&mut line).collect()
}

/// KHO writes text, and numbers.
fn value(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    if let Some((0, text)) = data.split_last() {
        if !text.is_empty() && text.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return format!(" = \"{}\"", String::from_utf8_lossy(text));
        }
    }
    match number(data) {
        Some(number) => format!(" = <{number:#x}>"),
        None => {
            let bytes: Vec<String> = data.iter().map(|byte| format!("{byte:02x}")).collect();
            format!(" = [{}]", bytes.join(" "))
        }
    }
}

fn u32_at(blob: &[u8], at: usize) -> Result<u32, usize> {
    let bytes = blob.get(at..).and_then(<[u8]>::first_chunk).ok_or(at)?;
    Ok(u32::from_be_bytes(*bytes))
}

/// A name: letters that can be printed.
fn string_at(blob: &[u8], at: usize) -> Option<&str> {
    let rest = blob.get(at..)?;
    let end = rest.iter().take(MAX_NAME + 1).position(|&byte| byte == 0)?;
    let name = std::str::from_utf8(&rest[..end]).ok()?;
    name.bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then_some(name)
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
            u32::from_be_bytes(MAGIC),
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
        assert_eq!(lines(&items(&tree()).unwrap()), expected);
    }

    #[test]
    fn properties() {
        let tree = tree();
        let items = items(&tree).unwrap();
        let header = property(&items, &["luo-flb"], "header").unwrap();
        assert_eq!(number(header), Some(0x1234_5000));
        assert_eq!(property(&items, &[], "compatible"), Some(&b"luo-v1\0"[..]));
        assert_eq!(property(&items, &[], "header"), None);
        assert_eq!(property(&items, &["luo-flb"], "compatible"), None);
    }

    #[test]
    fn damage_never_panics() {
        let good = tree();
        for size in 0..good.len() {
            assert!(items(&good[..size]).is_err());
        }
        for at in 0..good.len() {
            for byte in [0, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                let _ = items(&bad).map(|items| lines(&items));
            }
        }
    }
}
