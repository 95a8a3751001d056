// SPDX-License-Identifier: GPL-2.0

//! The kernel trees that are tested, and what `scripts/build.sh` makes of them.

use crate::plan::{cache, top, Tier};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::{env, fs};

/// The kernel versions that have FLB, oldest first, as `scripts/lib.sh` has them.
fn supported() -> String {
    let text = fs::read_to_string(top().join("scripts/lib.sh")).unwrap_or_default();
    let list = text
        .lines()
        .find_map(|line| line.strip_prefix("SUPPORTED='"));
    list.unwrap_or_default().trim_end_matches('\'').to_string()
}

/// An architecture of guests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    X86,
    Arm,
}

impl Arch {
    /// Its name for the kernel and in the scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }
}

/// How much of a tree `make test` covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cover {
    /// Everything that `make test` has: the newest, or the one that was asked for.
    Full,
    /// KUnit and scenarios on the Rust core: the oldest, whose handover is a device tree.
    Core,
    /// Nothing: the others.
    Nothing,
}

/// A kernel tree in the cache.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Like `7.3`, or `kdir-...`.
    pub name: String,
    pub cover: Cover,
}

impl Tree {
    pub fn dir(&self) -> PathBuf {
        cache().join("tree").join(&self.name)
    }

    /// The release, like `7.3.4`.
    pub fn version(&self) -> String {
        let text = fs::read_to_string(self.dir().join(".flb-version")).unwrap_or_default();
        text.trim().to_string()
    }

    /// The version without the point release, like `7.3`.
    pub fn series(&self) -> String {
        let version = self.version();
        let mut parts = version.split('.');
        [parts.next(), parts.next()]
            .map(Option::unwrap_or_default)
            .join(".")
    }

    /// Is the handover's header a device tree, as on 7.1?
    pub fn has_fdt(&self) -> bool {
        let header = self.dir().join("include/linux/kho/abi/luo.h");
        fs::read_to_string(header).is_ok_and(|text| text.contains("LUO_FDT_FLB_NODE_NAME"))
    }

    pub fn build(&self, arch: Arch, kind: &str) -> Build {
        Build {
            arch,
            tree: self.name.clone(),
            kind: kind.to_string(),
        }
    }

    /// Whether its files in huge pages can be handed over, as Kconfig finds out.
    pub fn has_hugetlb(&self) -> bool {
        let source = fs::read_to_string(self.dir().join("mm/hugetlb.c"));
        source.is_ok_and(|text| text.contains("arch_alloc_bootmem_huge_page"))
    }

    /// Tier of what covers the tree fully, and of what covers the core in it.
    pub fn tiers(&self) -> (Tier, Tier) {
        match self.cover {
            _ if env::var("ARCH").as_deref() == Ok("arm64") => (Tier::All, Tier::All),
            Cover::Full => (Tier::Always, Tier::Always),
            Cover::Core => (Tier::All, Tier::Always),
            Cover::Nothing => (Tier::All, Tier::All),
        }
    }
}

/// The trees to test: `FLB_TREES`, or those of the supported versions that are in the cache.
pub fn trees() -> &'static [Tree] {
    static TREES: OnceLock<Vec<Tree>> = OnceLock::new();
    TREES.get_or_init(|| {
        let there = |name: &&str| {
            cache()
                .join("tree")
                .join(name)
                .join(".flb-version")
                .exists()
        };
        let supported = supported();
        let given = env::var("FLB_TREES");
        let names: Vec<&str> = match &given {
            Ok(given) => given.split_whitespace().collect(),
            Err(_) => supported.split_whitespace().filter(there).collect(),
        };
        let last = names.len().saturating_sub(1);
        let cover = |at: usize| match at {
            _ if at == last => Cover::Full,
            0 => Cover::Core,
            _ => Cover::Nothing,
        };
        let tree = |(at, name): (usize, &&str)| Tree {
            name: (*name).to_string(),
            cover: cover(at),
        };
        names.iter().enumerate().map(tree).collect()
    })
}

/// Something that a script builds: a kernel, or the `selftests` of a tree.
#[derive(Clone, Debug)]
pub struct Build {
    pub arch: Arch,
    pub tree: String,
    pub kind: String,
}

impl Build {
    /// The guest's userspace, which is of no tree.
    pub fn guest(arch: Arch) -> Self {
        Self {
            arch,
            tree: "-".to_string(),
            kind: "guest".to_string(),
        }
    }

    /// What `build.sh` calls it, like `7.3-rust` and `7.3-arm64-rust`.
    pub fn variant(&self) -> String {
        match self.arch {
            Arch::X86 => format!("{}-{}", self.tree, self.kind),
            Arch::Arm => format!("{}-{}-{}", self.tree, self.arch.name(), self.kind),
        }
    }

    /// The kernel to boot.
    pub fn image(&self) -> PathBuf {
        cache().join("image").join(self.variant())
    }

    /// Where it was built.
    pub fn dir(&self) -> PathBuf {
        cache().join("build").join(self.variant())
    }
}

/// A line for `test.sh`.
impl Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.arch.name(), self.tree, self.kind)
    }
}

/// The name of a tree and architecture in the names of tests, like `7.3` and `7.3-arm64`.
pub fn place(tree: &Tree, arch: Arch) -> String {
    match arch {
        Arch::X86 => tree.name.clone(),
        Arch::Arm => format!("{}-{}", tree.name, arch.name()),
    }
}
