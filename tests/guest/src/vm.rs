// SPDX-License-Identifier: GPL-2.0
//! A virtual machine of which all is known: what its guest has to say, and what is done with it.

use crate::report::{self, story};
use flb_vmm::{tsc, Line, Machine, Running, Work};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::Duration;

/// The bytes that it has.
pub const SIZE: u64 = 64 << 20;

/// How many lines of it are waited for at a time.
const LINES: usize = 3;
/// Each second the guest is at work for longer than this, and then sleeps for longer than that.
const INTO_WORK: Duration = Duration::from_millis(5);
const INTO_SLEEP: Duration = Duration::from_millis(300);

/// What the guest's lines have to be.
struct Script {
    work: Work,
    last: Last,
}

/// The last line of a guest: its number, and when that was by its clock, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last {
    pub tick: u64,
    pub at: u64,
}

impl Script {
    fn after(last: Last) -> Self {
        let mut work = Work::new(SIZE);
        (0..last.tick).for_each(|_| work.change());
        Self { work, last }
    }

    /// The next line has to have the next number and the right sum, after a second or more.
    fn check(&mut self, text: &str) -> io::Result<Line> {
        story(format_args!("    guest: {text}"));
        let line = Line::parse(text).ok_or_else(|| io::Error::other(format!("guest: {text}")))?;
        self.work.change();
        report::equal("the guest's next number", self.last.tick + 1, line.tick);
        report::equal("the sum of its memory", self.work.sum(), line.sum);
        if self.last.tick > 0 {
            let passed = line.at.saturating_sub(self.last.at);
            report::holds("it slept for a second", passed >= 1_000_000);
        }
        self.last = Last {
            tick: line.tick,
            at: line.at,
        };
        Ok(line)
    }
}

/// A guest that runs.
pub struct Vm {
    running: Running,
    script: Script,
    /// How often its TSC ticks in a millisecond, as that of the machine does.
    pub khz: u64,
}

/// A guest that stands still.
pub struct Paused {
    pub machine: Machine,
    /// What it has had of its next line.
    pub line: String,
    script: Script,
}

impl Paused {
    pub fn last(&self) -> Last {
        self.script.last
    }
}

impl Vm {
    /// Lets a guest run that has had these lines, and this of the next.
    pub fn start(machine: Machine, line: String, last: Last) -> io::Result<Self> {
        let khz = machine.tsc_khz()?.into();
        Ok(Self {
            running: Running::start(machine, line)?,
            script: Script::after(last),
            khz,
        })
    }

    /// Waits for some lines.
    pub fn lines(&mut self) -> io::Result<Vec<Line>> {
        (0..LINES)
            .map(|_| self.script.check(&self.running.line()?))
            .collect()
    }

    /// Waits until the guest is at work, in the midst of a line.
    pub fn at_work(&mut self) -> io::Result<()> {
        while !self.running.begun()? {
            self.script.check(&self.running.line()?)?;
        }
        sleep(INTO_WORK);
        Ok(())
    }

    /// Waits until it sleeps, after a line.
    pub fn asleep(&mut self) -> io::Result<()> {
        self.at_work()?;
        self.script.check(&self.running.line()?)?;
        sleep(INTO_SLEEP);
        Ok(())
    }

    pub fn pause(mut self) -> io::Result<Paused> {
        let (machine, mut text) = self.running.pause()?;
        while let Some((line, rest)) = text.split_once('\n') {
            self.script.check(line)?;
            text = rest.to_string();
        }
        Ok(Paused {
            machine,
            line: text,
            script: self.script,
        })
    }
}

/// What the next kernel has to know beside the state of the guest: what it has said, and when what
/// was done, by the TSC of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    pub last: Last,
    pub asked: u64,
    pub paused: u64,
    pub saved: u64,
    pub preserved: u64,
}

impl Note {
    pub fn write(&self, file: &File) -> io::Result<()> {
        let Last { tick, at } = self.last;
        let all = [
            tick,
            at,
            self.asked,
            self.paused,
            self.saved,
            self.preserved,
        ];
        file.write_all_at(&all.map(u64::to_le_bytes).concat(), 0)
    }

    pub fn read(file: &File) -> io::Result<Self> {
        let mut all = [0; 6];
        for (number, at) in all.iter_mut().zip((0..).step_by(8)) {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, at)?;
            *number = u64::from_le_bytes(bytes);
        }
        let [tick, at, asked, paused, saved, preserved] = all;
        Ok(Self {
            last: Last { tick, at },
            asked,
            paused,
            saved,
            preserved,
        })
    }
}

/// Compares how long the guest says that it stood still, in microseconds, with how long it did.
pub fn check_pause(lines: &[Line], was_at_work: bool, note: &Note, resumed: u64, khz: u64) -> u64 {
    let micros = |ticks: u64| ticks * 1000 / khz;
    let (least, most) = (micros(resumed - note.paused), micros(tsc() - note.asked));
    let said = lines.iter().map(|line| line.still).max().unwrap_or(0);
    // It does not notice while it sleeps, which it does for a second.
    let unnoticed = if was_at_work { 0 } else { 1_000_000 };
    report::holds(
        format_args!("it stood still for {least} to {most} us, by its clock for {said}"),
        (least..=most).contains(&said) || said < least && least <= said + unnoticed,
    );
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let file = crate::sys::memfd_create("test").unwrap();
        let note = Note {
            last: Last { tick: 1, at: 2 },
            asked: 3,
            paused: 4,
            saved: 5,
            preserved: u64::MAX,
        };
        note.write(&file).unwrap();
        assert_eq!(Note::read(&file).unwrap(), note);
    }
}
