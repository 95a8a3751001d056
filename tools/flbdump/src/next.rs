// SPDX-License-Identifier: GPL-2.0
//! What the next kernel knows of: the lists that drivers of the Rust API leave in `.modinfo`, and
//! the strings in an image.

use crate::report::{Content, Name, Part};
use memchr::memmem;
use object::{Object, ObjectKind, ObjectSection, SectionFlags};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
};

/// How the names of FLBs and handlers begin in `.modinfo`.
const FLB: &[u8] = b"luo.flb=";
const FILE_HANDLER: &[u8] = b"luo.file_handler=";

/// Of which kind a name is; it may not be known.
#[derive(Clone, Copy)]
pub enum Kind {
    Flb,
    FileHandler,
    Any,
}

/// Names that are listed.
#[derive(Default)]
pub struct List {
    flbs: BTreeSet<Vec<u8>>,
    file_handlers: BTreeSet<Vec<u8>>,
}

impl List {
    /// Add what stands in a section.
    fn add(&mut self, modinfo: &[u8]) {
        for string in modinfo.split(|byte| *byte == 0) {
            if let Some(name) = string.strip_prefix(FLB) {
                self.flbs.insert(name.to_vec());
            } else if let Some(name) = string.strip_prefix(FILE_HANDLER) {
                self.file_handlers.insert(name.to_vec());
            }
        }
    }

    fn has(&self, name: &[u8], kind: Kind) -> bool {
        let (flb, file) = (self.flbs.contains(name), self.file_handlers.contains(name));
        match kind {
            Kind::Flb => flb,
            Kind::FileHandler => file,
            Kind::Any => flb || file,
        }
    }
}

/// Whether this is what `modules.builtin.modinfo` has.
pub fn is_modinfo(bytes: &[u8]) -> bool {
    let strings = bytes.split(|byte| *byte == 0);
    let mut strings = strings.filter(|string| !string.is_empty()).peekable();
    let is_one = |string: &[u8]| string.contains(&b'=') && string.contains(&b'.');
    strings.peek().is_some() && strings.all(is_one)
}

/// The names in such a list, as one of what is preserved.
pub fn decode(bytes: &[u8]) -> Part {
    let mut list = List::default();
    list.add(bytes);
    let content = Content::Names {
        flbs: list.flbs.into_iter().map(Name).collect(),
        file_handlers: list.file_handlers.into_iter().map(Name).collect(),
        names: Vec::new(),
    };
    Part::new("names", None, content)
}

/// Whether a section has a string that begins like this, and not one that ends so.
fn has_string(section: &[u8], string: &[u8]) -> bool {
    let before = |at: usize| at.checked_sub(1).and_then(|at| section.get(at));
    memmem::find_iter(section, string)
        .any(|at| before(at).is_none_or(|byte| !byte.is_ascii_graphic()))
}

/// The next kernel, of what is known.
#[derive(Default)]
pub struct Kernel {
    list: List,
    /// What an image and modules have in memory.
    sections: Vec<Vec<u8>>,
    /// Whether there is an image.
    is_whole: bool,
}

impl Kernel {
    /// Add an image, a module, or a list.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), String> {
        if is_modinfo(bytes) {
            self.list.add(bytes);
            return Ok(());
        }
        let refused = |error| format!("neither ELF nor modules.builtin.modinfo: {error}");
        let file = object::File::parse(bytes).map_err(refused)?;
        self.is_whole |= file.kind() != ObjectKind::Relocatable;
        for section in file.sections() {
            let data = section.data().map_err(refused)?;
            let SectionFlags::Elf { sh_flags } = section.flags() else {
                continue;
            };
            if section.name_bytes() == Ok(b".modinfo") {
                self.list.add(data);
            } else if sh_flags & u64::from(object::elf::SHF_ALLOC) != 0 {
                self.sections.push(data.to_vec());
            }
        }
        Ok(())
    }

    fn find(&self, name: &[u8], kind: Kind) -> Found {
        let string = [name, b"\0"].concat();
        let mut sections = self.sections.iter();
        if self.list.has(name, kind) {
            Found::Listed
        } else if sections.any(|section| has_string(section, &string)) {
            Found::InImage
        } else if self.is_whole {
            Found::Nowhere
        } else {
            Found::NotListed
        }
    }

    /// What it knows of names that are preserved.
    pub fn knows(&self, names: Vec<(Name, Kind)>) -> Next {
        let names = names.into_iter().map(|(name, kind)| Verdict {
            found: self.find(&name.0, kind),
            name,
        });
        Next {
            flbs: self.list.flbs.len(),
            file_handlers: self.list.file_handlers.len(),
            names: names.collect(),
            note: NOTE,
        }
    }
}

const NOTE: &str =
    "listed are those of the Rust API; those of C, and in modules that were not named, \
                    cannot be known";

#[derive(Serialize)]
pub struct Next {
    /// How many are listed.
    flbs: usize,
    file_handlers: usize,
    names: Vec<Verdict>,
    note: &'static str,
}

#[derive(Serialize)]
struct Verdict {
    name: Name,
    found: Found,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Found {
    Listed,
    InImage,
    NotListed,
    Nowhere,
}

impl Next {
    /// Whether there may be a counterpart to each name.
    pub fn is_fine(&self) -> bool {
        let found = |verdict: &Verdict| matches!(verdict.found, Found::Listed | Found::InImage);
        self.names.iter().all(found)
    }
}

impl Display for Next {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (flbs, handlers) = (self.flbs, self.file_handlers);
        writeln!(
            f,
            "next kernel: lists {flbs} FLBs, {handlers} file handlers"
        )?;
        for Verdict { name, found } in &self.names {
            let found = match found {
                Found::Listed => "listed",
                Found::InImage => "not listed, but a string in the image: of C?",
                Found::NotListed => "LOST unless it is of C: not listed",
                Found::Nowhere => "LOST: not listed, and no string in the image",
            };
            writeln!(f, "  {name} {found}")?;
        }
        writeln!(f, "  {}", self.note)
    }
}
