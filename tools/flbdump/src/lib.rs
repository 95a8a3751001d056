// SPDX-License-Identifier: GPL-2.0
//! Decodes what one kernel hands over to the next, by the files with which the kernel does.
//!
//! | module | |
//! | --- | --- |
//! | [`array`] | the FLB array |
//! | [`huge`] | the counts and runs of huge pages |
//! | [`fdt`], [`luo_ser`] | the two forms of the orchestrator's own state; KHO's tree |
//! | [`memory`] | a machine's memory in an ELF file |
//! | [`next`] | what the next kernel knows |
//! | [`report`] | what is printed |

#![forbid(unsafe_code)]

// The kernel uses more of it.
#[allow(dead_code)]
#[path = "../../../abi/mod.rs"]
mod abi;
#[allow(dead_code, unused_imports)]
#[path = "../../../tests/host/src/hugetlb.rs"]
mod huge_abi;
use huge_abi::preserved_data;

pub mod array;
pub mod fdt;
pub mod huge;
pub mod luo_ser;
pub mod memory;
pub mod next;
pub mod report;

use abi::flb_array::{is_address, MAX_PAGES};
use fdt::{number, property, Item};
use memory::{Memory, Source};
use next::Kernel;
use report::{Content, Damage, Hex, Name, Part, Report};

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "program", derive(clap::ValueEnum))]
pub enum Kind {
    /// The FLB array
    Array,
    /// struct luo_ser, the orchestrator's state since Linux 7.2
    Luo,
    /// A device tree: KHO's, or the orchestrator's of Linux 7.1
    Tree,
    /// The counts of huge pages, what the FLB hugetlb-pools-v1 leads to
    Pools,
    /// The runs of a file in huge pages
    Runs,
    /// A machine's memory, an ELF file
    Vmcore,
    /// Names, the first word of each line; or what liveupdate/flb in debugfs shows as preserved
    Names,
    /// modules.builtin.modinfo: all that the Rust API of a kernel can hand over
    Modinfo,
}

impl Kind {
    /// Recognise an input. What is like nothing else may be an array that is damaged.
    fn of(bytes: &[u8]) -> Self {
        let text = |byte: &u8| byte.is_ascii_graphic() || b" \t\n".contains(byte);
        match bytes {
            _ if bytes.starts_with(b"\x7fELF") => Self::Vmcore,
            _ if bytes.starts_with(&fdt::MAGIC) => Self::Tree,
            _ if bytes.starts_with(b"luo-v") => Self::Luo,
            _ if bytes.starts_with(huge::MARK) => Self::Pools,
            _ if !bytes.is_empty() && bytes.iter().all(text) => Self::Names,
            _ if next::is_modinfo(bytes) => Self::Modinfo,
            _ => Self::Array,
        }
    }
}

/// How to decode.
#[derive(Default)]
pub struct Options {
    /// What the input is, or what is at the address; `None` to recognise it.
    pub kind: Option<Kind>,
    /// In a machine's memory, where to begin.
    pub address: Option<u64>,
    /// A power of two; `None` for that of the machine.
    pub page_size: Option<u64>,
    /// Of huge pages, for runs.
    pub order: u32,
}

/// How many of KHO's trees are followed.
const MAX_ROOTS: usize = 16;

/// Decode an input of which `head` is the beginning: all of it, unless it is a machine's memory.
pub fn dump(head: &[u8], source: &dyn Source, options: &Options) -> Result<Report, String> {
    let kind = match options.kind {
        Some(kind) if options.address.is_none() => kind,
        _ => Kind::of(head),
    };
    let memory = match kind {
        Kind::Vmcore => Some(Memory::new(head, source)?),
        _ => None,
    };
    let noted = memory.as_ref().and_then(|memory| memory.page_size);
    let mut dump = Dump {
        memory: memory.as_ref(),
        page_size: options.page_size.or(noted).unwrap_or(4096),
        order: options.order,
        parts: Vec::new(),
    };
    match (&memory, options.address) {
        (None, None) => dump.any(None, head, kind),
        (None, Some(_)) => return Err("an address, but not a dump of memory".to_owned()),
        (Some(memory), None) => dump.search(memory),
        (Some(_), Some(address)) => dump.follow(address, "memory", |dump, address, bytes| {
            let kind = options.kind.unwrap_or_else(|| Kind::of(bytes));
            dump.any(address, bytes, kind);
        }),
    }
    let parts = dump.parts;
    Ok(Report { parts, next: None })
}

/// The names in a report with what another kernel knows of them.
pub fn next(report: &Report, kernel: &Kernel) -> next::Next {
    use next::Kind;
    let mut names = Vec::new();
    for part in &report.parts {
        let mut add = |kind, more: &mut dyn Iterator<Item = &Name>| {
            names.extend(more.map(|name| (name.clone(), kind)));
        };
        match &part.content {
            Content::Array { flbs, .. } => {
                add(Kind::Flb, &mut flbs.iter().map(|flb| &flb.name));
            }
            Content::Names {
                flbs,
                file_handlers,
                names,
            } => {
                add(Kind::Flb, &mut flbs.iter());
                add(Kind::FileHandler, &mut file_handlers.iter());
                add(Kind::Any, &mut names.iter());
            }
            _ => {}
        }
    }
    kernel.knows(names)
}

/// What is decoded so far, and how to go on.
struct Dump<'a> {
    memory: Option<&'a Memory<'a>>,
    page_size: u64,
    order: u32,
    parts: Vec<Part>,
}

impl Dump<'_> {
    /// Decode bytes, which may be at an address, and what they lead to.
    fn any(&mut self, address: Option<u64>, bytes: &[u8], kind: Kind) {
        match kind {
            Kind::Array => {
                let most = bytes.len().min(MAX_PAGES * self.page_size as usize);
                self.array(address, &bytes[..most]);
            }
            Kind::Luo => self.luo(address, bytes),
            Kind::Tree if is_kho(bytes) => self.kho(address, bytes),
            Kind::Tree => self.luo(address, bytes),
            Kind::Pools => self.pools(address, bytes),
            Kind::Runs => {
                let page = self.page_size.checked_shl(self.order).unwrap_or(0);
                let page = page.max(self.page_size);
                self.push(
                    address,
                    huge::runs(bytes, u64::MAX, page, u64::MAX, u64::MAX),
                );
            }
            Kind::Names => self.push(address, names(bytes)),
            Kind::Modinfo => self.push(address, next::decode(bytes)),
            Kind::Vmcore => {
                let damage = Damage::new(0, "memory in memory");
                self.push(address, Part::damaged("memory", damage));
            }
        }
    }

    /// KHO's tree, which leads to the orchestrator's state.
    fn kho(&mut self, address: Option<u64>, bytes: &[u8]) {
        let (part, items) = tree(bytes);
        self.push(address, part);
        if let Some(luo) = property(&items, &["LUO"], "preserved-data") {
            self.follow(number(luo).unwrap_or(0), LUO, Self::luo);
        }
    }

    /// The orchestrator's state, which leads to the array.
    fn luo(&mut self, address: Option<u64>, bytes: &[u8]) {
        let (part, flbs) = match bytes.starts_with(&fdt::MAGIC) {
            true => luo_tree(bytes),
            false => luo_structure(bytes),
        };
        self.push(address, part);
        if let Some(flbs) = flbs {
            self.follow(flbs, array::WHAT, Self::array);
        }
    }

    /// The array, of which an FLB leads to the counts of huge pages.
    fn array(&mut self, address: Option<u64>, bytes: &[u8]) {
        let part = array::decode(bytes, self.page_size as usize);
        let pools = match &part.content {
            Content::Array { flbs, .. } => flbs.iter().find(|flb| flb.name.0 == huge::FLB),
            _ => None,
        };
        let pools = pools.map(|flb| flb.data.0);
        self.push(address, part);
        if let Some(pools) = pools {
            self.follow(pools, huge::POOLS, Self::pools);
        }
    }

    fn pools(&mut self, address: Option<u64>, bytes: &[u8]) {
        let memory = self.memory.map_or(u64::MAX, Memory::end);
        self.push(address, huge::pools(bytes, memory / self.page_size));
    }

    fn push(&mut self, address: Option<u64>, part: Part) {
        let address = address.map(Hex);
        self.parts.push(Part { address, ..part });
    }

    /// Decode what is at an address, if there is memory.
    fn follow(
        &mut self,
        address: u64,
        what: &'static str,
        then: impl FnOnce(&mut Self, Option<u64>, &[u8]),
    ) {
        let Some(memory) = self.memory else {
            return;
        };
        let bytes = memory.read(address, MAX_PAGES * self.page_size as usize);
        let why = match is_address(address, self.page_size) {
            true if !bytes.is_empty() => return then(self, Some(address), &bytes),
            true => "not in the dump",
            false => "bad address",
        };
        self.push(Some(address), Part::damaged(what, Damage::new(0, why)));
    }

    /// Decode all handovers in a machine's memory: those of KHO's trees that lead to one.
    fn search(&mut self, memory: &Memory<'_>) {
        let trees = memory.trees(self.page_size).into_iter();
        let roots = trees.map(|address| (address, memory.read(address, fdt::MAX_LEN)));
        let roots: Vec<_> = roots
            .filter(|(_, bytes)| is_kho(bytes))
            .take(MAX_ROOTS)
            .collect();
        for (address, bytes) in &roots {
            self.kho(Some(*address), bytes);
        }
        if roots.is_empty() {
            let damage = Damage::new(0, "no tree of KHO in this memory");
            self.parts.push(Part::damaged("memory", damage));
        }
    }
}

const LUO: &str = "LUO";
const TREE: &str = "device tree";

/// Whether this is a tree of KHO.
fn is_kho(bytes: &[u8]) -> bool {
    let items = fdt::items(bytes).unwrap_or_default();
    property(&items, &[], "compatible").is_some_and(|name| name.starts_with(b"kho-v"))
}

fn tree(bytes: &[u8]) -> (Part, Vec<Item<'_>>) {
    match fdt::items(bytes) {
        Ok(items) => {
            let lines = fdt::lines(&items);
            (Part::new(TREE, None, Content::Tree { lines }), items)
        }
        Err(at) => {
            let damage = Damage::new(at, "bad device tree");
            (Part::damaged(TREE, damage), Vec::new())
        }
    }
}

/// A tree of the orchestrator, and where the array is.
fn luo_tree(bytes: &[u8]) -> (Part, Option<u64>) {
    let (part, items) = tree(bytes);
    if part.damage.is_some() {
        return (part, None);
    }
    let root = property(&items, &[], "compatible");
    let of_flbs = |name| property(&items, &["luo-flb"], name);
    let (compatible, header) = (of_flbs("compatible"), of_flbs("luo-flb-header"));
    let address = header.and_then(number);
    let bad = |data: Option<&[u8]>, what| {
        let at = data.map_or(0, |data| data.as_ptr() as usize - bytes.as_ptr() as usize);
        Some(Damage::new(at, what))
    };
    let damage = match compatible {
        _ if root != Some(b"luo-v1\0") => bad(root, "not luo-v1"),
        None => bad(None, "no node luo-flb"),
        Some(name) if name != b"luo-flb-v1\0" => bad(compatible, "node is not luo-flb-v1"),
        Some(_) if address.is_none() => bad(header, "bad luo-flb-header"),
        Some(_) => None,
    };
    (Part { damage, ..part }, address)
}

/// `struct luo_ser`, and where the array is, if there is one.
fn luo_structure(bytes: &[u8]) -> (Part, Option<u64>) {
    let damaged = |at, what| (Part::damaged(LUO, Damage::new(at, what)), None);
    match luo_ser::numbers(bytes) {
        Ok([liveupdate_num, sessions_pa, flbs_pa]) => {
            let content = Content::Luo {
                liveupdate_num,
                sessions_pa: Hex(sessions_pa),
                flbs_pa: Hex(flbs_pa),
            };
            let flbs = (flbs_pa != 0).then_some(flbs_pa);
            (Part::new(LUO, None, content), flbs)
        }
        Err(0) => damaged(0, "not luo-v5"),
        Err(at) => damaged(at, "too short"),
    }
}

/// Names, the first word of each line; or what `liveupdate/flb` in debugfs shows as preserved: the
/// handlers that have files, and the FLBs on which these depend.
fn names(bytes: &[u8]) -> Part {
    let (mut flbs, mut file_handlers, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let is_shown = bytes.starts_with(b"registered ");
    let mut has_files = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        let words = line.split(u8::is_ascii_whitespace);
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
        match words[..] {
            [name, ..] if !is_shown => names.push(Name::of(name)),
            [b"handler", name, files] => {
                has_files = files != b"files=0";
                if has_files {
                    file_handlers.push(Name::of(name));
                }
            }
            [name, ..] if has_files && line.starts_with(b"  ") => {
                if !flbs.iter().any(|other: &Name| other.0 == name) {
                    flbs.push(Name::of(name));
                }
            }
            _ => has_files = false,
        }
    }
    let content = Content::Names {
        flbs,
        file_handlers,
        names,
    };
    Part::new("names", None, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `names` has of a text: FLBs, handlers, and names of either kind.
    fn of(text: &str) -> [String; 3] {
        let Content::Names {
            flbs,
            file_handlers,
            names,
        } = names(text.as_bytes()).content
        else {
            panic!("no names");
        };
        [flbs, file_handlers, names].map(|all| {
            let all: Vec<String> = all.iter().map(Name::to_string).collect();
            all.join(" ")
        })
    }

    #[test]
    fn first_words_are_names() {
        assert_eq!(of("a-v1 x\n\n b-v1\n"), ["", "", "a-v1 b-v1"]);
    }

    #[test]
    fn of_debugfs_those_that_are_preserved() {
        let shown = "registered 3 of 63\n\
            flb a-v1 preserved owner=kernel handlers=1 files=2 users=0 data=0x1000\n\
            flb b-v1 idle owner=kernel handlers=0 files=0 users=0 data=0x0\n\
            handler memfd-v1 files=2\n  a-v1\n  b-v1 leaving\n\
            handler notes-v1 files=0\n  c-v1\n\
            handler pci-v1 files=1\n  a-v1\n\
            handover received entries=1 unfinished=1\n\
            entry d-v1 retrieved files=1 users=0 data=0x3000\n";
        assert_eq!(of(shown), ["a-v1 b-v1", "memfd-v1 pci-v1", ""]);
    }
}
