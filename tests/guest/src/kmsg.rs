// SPDX-License-Identifier: GPL-2.0
//! The kernel log: callbacks as they happen, and what must never be in it.

use crate::{devices, notes};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

/// A callback of an FLB, as its client logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The FLB's compatible string.
    pub flb: String,
    /// `preserve`, `unpreserve`, `retrieve` or `finish`.
    pub callback: String,
    /// What else the line says.
    pub rest: String,
}

impl Event {
    /// `callback flb`, for comparisons of the order.
    pub fn short(&self) -> String {
        format!("{} {}", self.callback, self.flb)
    }

    /// The callback that a line of the log tells of, if it does.
    pub fn parse(line: &str) -> Option<Self> {
        let of_sample = |flb, said: Option<_>| said.map(|said| (flb, said));
        let sample = of_sample(notes::TABLE, notes::callback(line))
            .or_else(|| of_sample(devices::LIST, devices::callback(line)));
        if let Some((flb, (callback, rest))) = sample {
            return Some(Event {
                flb: flb.into(),
                callback: callback.into(),
                rest: rest.into(),
            });
        }
        let clients = ["flb_client: ", "flb_module: ", "liveupdate test: "];
        let rest = clients.iter().find_map(|who| line.strip_prefix(who))?;
        let (flb, said) = rest.split_once(": ")?;
        let (callback, rest) = match said {
            "preserve was triggered" => ("preserve", ""),
            "unpreserve was triggered" => ("unpreserve", ""),
            "found flb data from the previous boot" => ("retrieve", ""),
            "finish was triggered" => ("finish", ""),
            _ => said.split_once(' ').unwrap_or((said, "")),
        };
        let known = ["preserve", "unpreserve", "retrieve", "finish"].contains(&callback);
        let counted = rest.is_empty() || rest.starts_with('#');
        (known && counted).then(|| Event {
            flb: flb.into(),
            callback: callback.into(),
            rest: rest.into(),
        })
    }
}

/// The log from the first message that is still there.
pub struct Kmsg {
    file: File,
    /// Lines that are a kernel's way to say that something is broken.
    pub alarms: Vec<String>,
}

impl Kmsg {
    /// Opens the log at its start.
    pub fn open() -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        Ok(Self {
            file,
            alarms: Vec::new(),
        })
    }

    /// Messages since the last call.
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.file.read(&mut record) {
                Ok(0) => break,
                Ok(size) => {
                    let record = String::from_utf8_lossy(&record[..size]);
                    let first = record.lines().next().unwrap_or("");
                    let text = first
                        .split_once(';')
                        .map_or("", |(_, text)| text)
                        .to_string();
                    if is_alarm(&text) {
                        self.alarms.push(text.clone());
                    }
                    lines.push(text);
                }
                // The record was overwritten meanwhile; the next read goes on after it.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => break,
            }
        }
        lines
    }

    /// Callbacks of FLBs since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        self.lines()
            .iter()
            .filter_map(|line| Event::parse(line))
            .collect()
    }
}

fn is_alarm(text: &str) -> bool {
    const ALARMS: [&str; 9] = [
        "WARNING: ",
        "BUG: ",
        "Oops: ",
        "refcount_t: ",
        "Kernel panic",
        "KASAN: ",
        "UBSAN: ",
        "general protection fault",
        "possible recursive locking",
    ];
    ALARMS.iter().any(|alarm| text.contains(alarm))
        || notes::is_complaint(text)
        || devices::is_complaint(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_all_clients() {
        let own = Event::parse("flb_client: demo-pci-v1: preserve #1 returns -12").unwrap();
        assert_eq!(own.short(), "preserve demo-pci-v1");
        assert_eq!(own.rest, "#1 returns -12");
        let module = Event::parse("flb_module: demo-module-v1: retrieve").unwrap();
        assert_eq!(module.short(), "retrieve demo-module-v1");
        let tree =
            Event::parse("liveupdate test: liveupdate-test-flb-v0: finish was triggered").unwrap();
        assert_eq!(tree.short(), "finish liveupdate-test-flb-v0");
        assert_eq!(
            Event::parse("flb_client: demo-pci-v1: unpreserve got other data"),
            None
        );
        assert_eq!(
            Event::parse("liveupdate test: Registered 3 FLBs with file handler: [memfd-v1]"),
            None
        );
        assert_eq!(Event::parse("Linux version 7.1"), None);
        let table = Event::parse("rust_liveupdate: table restored with 2 notes").unwrap();
        assert_eq!(table.short(), format!("retrieve {}", notes::TABLE));
        assert_eq!(table.rest, "with 2 notes");
        let list = Event::parse("rust_liveupdate_devices: list released").unwrap();
        assert_eq!(list.short(), format!("finish {}", devices::LIST));
    }

    #[test]
    fn alarms() {
        assert!(is_alarm("refcount_t: underflow; use-after-free."));
        assert!(is_alarm("rust_liveupdate: note 1 is lost"));
        assert!(!is_alarm("KHO: disabled"));
    }
}
