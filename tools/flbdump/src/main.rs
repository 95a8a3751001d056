// SPDX-License-Identifier: GPL-2.0
//! `flbdump`: see Documentation/flbdump.1.

#![forbid(unsafe_code)]

use clap::Parser;
use flbdump::{next::Kernel, report::Report, Kind, Options};
use std::{
    error::Error,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Say what one kernel hands over to the next, and what is wrong with it.
#[derive(Parser)]
#[command(version, max_term_width = 80)]
struct Args {
    /// A handover: a file of KHO's in debugfs, an FLB array, or a machine's memory (ELF)
    file: PathBuf,
    /// Say which FLBs and file handlers the next kernel knows: its vmlinux,
    /// modules.builtin.modinfo and modules
    #[arg(long, value_name = "VMLINUX", num_args = 1..)]
    next: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// What FILE is, or what is at the address, if it is not recognised
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// In a machine's memory, decode what is at this physical address
    #[arg(long, value_parser = number)]
    address: Option<u64>,
    /// Of the machine [default: what its memory says, or 4096]
    #[arg(long, value_name = "BYTES", value_parser = page_size)]
    page_size: Option<u64>,
    /// Of the huge pages of runs
    #[arg(long, default_value_t = 9)]
    order: u32,
}

/// How long an input can be that is no machine's memory.
const MAX_LEN: u64 = 16 << 20;

fn number(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|error| error.to_string())
}

fn page_size(text: &str) -> Result<u64, String> {
    number(text).and_then(|size| match size {
        4096 | 16384 | 65536 => Ok(size),
        _ => Err("4096, 16384 or 65536".to_owned()),
    })
}

/// Say which file it is that cannot be read.
fn named<T, E: ToString>(path: &Path, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {}", path.display(), error.to_string()))
}

fn decode(args: &Args) -> Result<Report, Box<dyn Error>> {
    let mut kernel = Kernel::default();
    for path in &args.next {
        let bytes = named(path, fs::read(path))?;
        named(path, kernel.add(&bytes))?;
    }

    let file = named(&args.file, File::open(&args.file))?;
    let mut head = Vec::new();
    let read = (&file).take(MAX_LEN).read_to_end(&mut head);
    named(&args.file, read)?;
    let options = Options {
        kind: args.kind,
        address: args.address,
        page_size: args.page_size,
        order: args.order,
    };
    let mut report = named(&args.file, flbdump::dump(&head, &file, &options))?;
    if !args.next.is_empty() {
        report.next = Some(flbdump::next(&report, &kernel));
    }
    Ok(report)
}

fn print(report: &Report, json: bool) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    match json {
        true => writeln!(out, "{}", serde_json::to_string(report)?)?,
        false => write!(out, "{report}")?,
    }
    Ok(out.flush()?)
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = decode(&args).and_then(|report| {
        print(&report, args.json)?;
        Ok(report.is_fine())
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("flbdump: {error}");
            ExitCode::from(2)
        }
    }
}
