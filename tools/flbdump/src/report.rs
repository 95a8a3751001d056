// SPDX-License-Identifier: GPL-2.0
//! What is printed: as text by `Display`, as JSON by `Serialize`, in the same order.

use crate::{luo_ser, next::Next};
use serde::{Serialize, Serializer};
use std::fmt::{self, Display, Formatter};

#[derive(Default, Serialize)]
pub struct Report {
    pub parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// One thing that was decoded.
#[derive(Serialize)]
pub struct Part {
    pub what: &'static str,
    /// Where it is in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Hex>,
    /// Why the kernel refuses it. What follows is then not to be trusted.
    pub damage: Option<Damage>,
    #[serde(flatten)]
    pub content: Content,
}

#[derive(Serialize)]
pub struct Damage {
    /// The byte in what was decoded.
    pub at: u64,
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub enum Content {
    Nothing {},
    Tree {
        lines: Vec<String>,
    },
    Luo {
        liveupdate_num: u64,
        sessions_pa: Hex,
        flbs_pa: Hex,
    },
    Array {
        pgcnt: u64,
        count: u64,
        flbs: Vec<Flb>,
    },
    Pools {
        rows: Vec<Row>,
    },
    Runs {
        runs: Vec<Run>,
    },
    Names {
        flbs: Vec<Name>,
        file_handlers: Vec<Name>,
        /// Of either kind.
        names: Vec<Name>,
    },
}

#[derive(Serialize)]
pub struct Flb {
    pub name: Name,
    pub data: Hex,
    pub files: u64,
}

#[derive(Serialize)]
pub struct Row {
    pub order: u32,
    /// None if they are reserved.
    pub node: Option<u32>,
    pub pages: u64,
}

#[derive(Serialize)]
pub struct Run {
    pub index: u64,
    pub pages: u64,
    /// None if they are reserved.
    pub address: Option<Hex>,
}

/// In JSON a string, as numbers of 64 bits are rounded by many who read it.
#[derive(Clone, Copy)]
pub struct Hex(pub u64);

impl Display for Hex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A name, printed as one word whatever it is made of.
#[derive(Clone)]
pub struct Name(pub Vec<u8>);

impl Name {
    /// What a field has up to its NUL.
    pub fn of(field: &[u8]) -> Self {
        let name = field.split(|byte| *byte == 0).next();
        Self(name.unwrap_or_default().to_vec())
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = self.0.escape_ascii().to_string();
        f.write_str(&word.replace(' ', "\\x20"))
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Damage {
    pub fn new(at: usize, what: impl Into<String>) -> Self {
        let (at, what) = (at as u64, what.into());
        let number = None;
        Self { at, what, number }
    }
}

impl Part {
    pub fn new(what: &'static str, damage: Option<Damage>, content: Content) -> Self {
        let address = None;
        Self {
            what,
            address,
            damage,
            content,
        }
    }

    pub fn damaged(what: &'static str, damage: Damage) -> Self {
        Self::new(what, Some(damage), Content::Nothing {})
    }
}

impl Report {
    /// Whether all is as it should be.
    pub fn is_fine(&self) -> bool {
        let fine = self.parts.iter().all(|part| part.damage.is_none());
        fine && self.next.as_ref().is_none_or(Next::is_fine)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| part.fmt(f))?;
        self.next.iter().try_for_each(|next| next.fmt(f))
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if let Some(address) = self.address {
            write!(f, " at {address}")?;
        }
        if let Content::Array { pgcnt, count, .. } = self.content {
            write!(f, ": pgcnt {pgcnt}, count {count}")?;
        }
        writeln!(f)?;
        if let Some(damage) = &self.damage {
            writeln!(f, "  {damage}")?;
        }
        let trust = match self.damage {
            Some(_) => "not trusted: ",
            None => "",
        };
        let mut lines = self.content.lines().into_iter();
        lines.try_for_each(|line| writeln!(f, "  {trust}{line}"))
    }
}

impl Display for Damage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "damaged at byte {}: {}", self.at, self.what)?;
        // As the kernel log says it.
        let mut number = self.number.iter();
        number.try_for_each(|number| write!(f, " ({number}, {number:#x})"))
    }
}

impl Content {
    fn lines(&self) -> Vec<String> {
        let named = |kind, names: &[Name]| -> Vec<String> {
            names.iter().map(|name| format!("{kind}{name}")).collect()
        };
        match self {
            Self::Nothing {} => Vec::new(),
            Self::Tree { lines } => lines.clone(),
            Self::Luo {
                liveupdate_num,
                sessions_pa,
                flbs_pa,
            } => luo_ser::lines([*liveupdate_num, sessions_pa.0, flbs_pa.0]),
            Self::Array { flbs, .. } => flbs.iter().map(Flb::line).collect(),
            Self::Pools { rows } => rows.iter().map(Row::line).collect(),
            Self::Runs { runs } => runs.iter().map(Run::line).collect(),
            Self::Names {
                flbs,
                file_handlers,
                names,
            } => [
                named("flb ", flbs),
                named("file_handler ", file_handlers),
                named("", names),
            ]
            .concat(),
        }
    }
}

impl Flb {
    fn line(&self) -> String {
        format!("{} data {} files {}", self.name, self.data, self.files)
    }
}

impl Row {
    fn line(&self) -> String {
        let place = match self.node {
            Some(node) => format!("node {node}"),
            None => "reserved".to_owned(),
        };
        format!("order {} {place} pages {}", self.order, self.pages)
    }
}

impl Run {
    fn line(&self) -> String {
        let place = match self.address {
            Some(address) => format!("at {address}"),
            None => "reserved".to_owned(),
        };
        format!("index {} pages {} {place}", self.index, self.pages)
    }
}
