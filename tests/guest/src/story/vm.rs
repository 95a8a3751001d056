// SPDX-License-Identifier: GPL-2.0
//! The story of a virtual machine: its guest goes on where it was, under another kernel.

use super::{announce_kexec, headline, hop, human, show_outgoing, step, tell};
use crate::hugetlb::{Pool, MIB2};
use crate::liveupdate::{LiveUpdate, Session};
use crate::report::{self, story};
use crate::run::{finish, touch, Run, Scenario};
use crate::scenarios::ALL;
use crate::vm::{check_pause, Last, Note, Paused, Vm, SIZE};
use crate::{kexec, sys};
use flb_vmm::{tsc, Machine, State};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

pub const DEMO: Scenario = Scenario {
    name: "demo",
    about: "the story of a virtual machine",
    hops: &[hop(leave), hop(arrive)],
};

const SESSION: &str = "vm";
/// The file of its memory, that of its state, and a note for the next kernel.
const MEMORY: u64 = 1;
const STATE: u64 = 2;
const NOTE: u64 = 3;

pub fn leave(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "before the live update");

    step(
        "1",
        "A virtual machine: each second its guest changes its memory,",
    );
    story("   adds up all of it, and has a line about it on its console");
    let memory = memory(run)?;
    let mut vm = Vm::start(Machine::new(&memory)?, String::new(), Last::default())?;
    vm.lines()?;
    go(run, vm, &memory, Vm::at_work)
}

/// Both: a guest that came goes on to the next kernel, and is paused while it sleeps.
pub fn go_on(run: &mut Run) -> io::Result<Vec<Session>> {
    let (vm, memory) = take_over(run)?;
    go(run, vm, &memory, Vm::asleep)
}

pub fn arrive(run: &mut Run) -> io::Result<Vec<Session>> {
    let (vm, memory) = take_over(run)?;
    drop(vm.pause()?);
    drop(memory);
    if in_huge_pages(run) {
        let pool = Pool::of(MIB2)?;
        report::equal("free huge pages in the end", pool.total, pool.free);
    }
    Ok(Vec::new())
}

/// Whether the kernel was asked for some; then all of the memory has to be in them.
fn in_huge_pages(run: &Run) -> bool {
    run.cmdline.get("hugepages").is_some()
}

fn memory(run: &Run) -> io::Result<File> {
    let (file, what) = if in_huge_pages(run) {
        let file = sys::memfd_create_huge("memory", MIB2.0)?;
        file.set_len(SIZE)?;
        (file, format!("{} huge pages", SIZE / MIB2.bytes()))
    } else {
        let file = sys::memfd_create("memory")?;
        file.set_len(SIZE)?;
        (file, "a memfd".to_string())
    };
    sys::fallocate(&file, 0, 0, SIZE)?;
    story(format_args!("  its memory: {} in {what}", human(SIZE)));
    Ok(file)
}

fn show_pool(run: &Run) -> io::Result<()> {
    if in_huge_pages(run) {
        story(format_args!("  pool of huge pages: {}", Pool::of(MIB2)?));
    }
    Ok(())
}

/// Waits until a guest is where it is to be paused.
type Wait = fn(&mut Vm) -> io::Result<()>;

/// Preserves the memory of a guest that runs, and lets it run until the next kernel is loaded.
fn go(run: &mut Run, mut vm: Vm, memory: &File, wait: Wait) -> io::Result<Vec<Session>> {
    step("2", "Preserve its memory, while it runs");
    let session = LiveUpdate::open()?.create(SESSION)?;
    let note = sys::memfd_create("note")?;
    Note::default().write(&note)?;
    session.preserve(&note, NOTE)?;
    let before = tsc();
    session.preserve(memory, MEMORY)?;
    let took = tsc() - before;
    tell(&run.update());
    story(format_args!(
        "  preserved within {} instructions",
        thousands(took)
    ));
    show_pool(run)?;
    vm.lines()?;

    show_outgoing(run, "3");
    announce_kexec(run, "4");
    run.boot = Some(Box::new(move |_| {
        match hand_over(vm, wait, &session, &note) {
            Ok(guest) => {
                // The virtual machine is there until the end.
                let error = kexec::boot();
                drop(guest);
                error
            }
            Err(error) => error,
        }
    }));
    Ok(Vec::new())
}

/// Pauses the guest, and preserves what it is.
fn hand_over(mut vm: Vm, wait: Wait, session: &Session, note: &File) -> io::Result<Paused> {
    kexec::leave_one_cpu()?;
    wait(&mut vm)?;
    let asked = tsc();
    let mut guest = vm.pause()?;
    let paused = tsc();
    let state = guest.machine.save(guest.line.clone())?.encode()?;
    let mut file = sys::memfd_create("state")?;
    file.write_all(&state)?;
    let saved = tsc();
    session.preserve(&file, STATE)?;
    let preserved = tsc();
    // What is preserved can be written to until the kexec.
    Note {
        last: guest.last(),
        asked,
        paused,
        saved,
        preserved,
    }
    .write(note)?;
    Ok(guest)
}

/// Lets the guest go on, and then says what it has missed.
fn take_over(run: &mut Run) -> io::Result<(Vm, File)> {
    let (up, uptime) = (tsc(), sys::since_boot()?);
    let session = LiveUpdate::open()?.retrieve(SESSION)?;
    let memory = session.retrieve(MEMORY)?;
    let state = session.retrieve(STATE)?;
    let note = Note::read(&session.retrieve(NOTE)?)?;
    let retrieved = tsc();
    let mut bytes = vec![0; state.metadata()?.len() as usize];
    state.read_exact_at(&mut bytes, 0)?;
    let state = State::decode(&bytes)?;
    let machine = Machine::restore(&memory, &state)?;
    let resumed = tsc();
    let mut vm = Vm::start(machine, state.line.clone(), note.last)?;

    headline(run, "after the live update");
    if state.line.is_empty() {
        step("5", "The guest goes on with its sleep");
    } else {
        step("5", "The guest goes on, in the midst of a line");
        story(format_args!("    guest: {}", state.line));
    }
    let lines = vm.lines()?;
    let said = check_pause(&lines, !state.line.is_empty(), &note, resumed, vm.khz);
    // As subsystems do; C counts wrong what nobody has asked for.
    touch(&ALL);
    finish(SESSION, session);
    tell(&run.update());
    show_pool(run)?;

    step("6", "How long it stood still");
    let started = up - (uptime.as_nanos() as u64 / 1000 * vm.khz / 1000);
    for (what, from, to) in [
        ("pause", note.asked, note.paused),
        ("save", note.paused, note.saved),
        ("preserve", note.saved, note.preserved),
        ("kexec", note.preserved, started),
        ("boot", started, up),
        ("retrieve", up, retrieved),
        ("restore", retrieved, resumed),
        ("all", note.asked, resumed),
    ] {
        story(format_args!("    {what:<10} {:>13}", thousands(to - from)));
    }
    story("  instructions of the emulated processor, each of which is a nanosecond here;");
    story(format_args!(
        "  by its own clock the guest stood still for {}.{:03} ms",
        said / 1000,
        said % 1000
    ));
    if report::failures() == 0 {
        story("");
        story("  It went on where it was: all numbers follow each other, all sums are right.");
    }
    Ok((vm, memory))
}

/// A number that can be read.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b',')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_three() {
        let all = [0, 12, 999, 1000, 12_345, 1_234_567];
        let said = ["0", "12", "999", "1,000", "12,345", "1,234,567"];
        assert_eq!(all.map(thousands), said);
    }
}
