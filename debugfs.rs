// SPDX-License-Identifier: GPL-2.0

//! `liveupdate/flb` in debugfs: which FLBs there are, what is preserved, and what came.
//!
//! A line for each, with words that a program can read. The registry lock is held while the FLBs
//! are shown, and again for the entries; no callback is waited for. References are counted without
//! that lock, so an FLB that changes while it is looked at is `busy`.

#![forbid(unsafe_code)]

use crate::{
    abi::name::Field,
    files::LuoFlb,
    incoming::Array,
    lock::RegistryGuard,
    raw::{
        Direction::{Incoming, Outgoing},
        Flb, IncomingEntry,
    },
    registry::{Registry, MAX_FLBS},
    state::{FINISHED, NOT_RETRIEVED, RETRIEVED, RETRIEVING},
};
use core::{convert::Infallible, ffi::CStr, ptr};
use kernel::{
    debugfs::Dir,
    fmt::{Formatter, Result},
    prelude::{fmt, InPlaceInit as _, KBox, GFP_KERNEL},
    str::BStr,
};

/// Create the file, for good. Errors: [`ENOMEM`](kernel::error::code::ENOMEM).
pub(crate) fn create(core: &'static LuoFlb) -> kernel::error::Result {
    let directory = Dir::new(c"liveupdate");
    let file = directory.read_callback_file(c"flb", core, &|core: &&LuoFlb, to| core.show(to));
    let file = KBox::pin_init::<Infallible>(file, GFP_KERNEL)?;
    core::mem::forget(file);
    Ok(())
}

impl LuoFlb {
    /// Show all that the core knows. May sleep.
    pub(crate) fn show(&self, to: &mut Formatter<'_>) -> Result {
        self.registry.lock().show(to)?;
        self.incoming.array.lock().show(to)
    }
}

impl RegistryGuard<'_, Registry> {
    fn show(&self, to: &mut Formatter<'_>) -> Result {
        to.write_fmt(fmt!("registered {} of {MAX_FLBS}\n", self.flbs))?;
        for dependency in self.handlers().flat_map(|state| &state.links(self).flbs) {
            // One that is leaving may be gone, but for its name.
            let first = self.find(|other| other.flb == dependency.flb && !other.leaving);
            if first.is_some_and(|first| ptr::eq(first, dependency)) {
                self.show_flb(dependency.flb, dependency.name.field(), to)?;
            }
        }
        for state in self.handlers() {
            let Some(name) = state.name(self) else {
                continue;
            };
            let (name, files) = (shown(name), state.files.references());
            to.write_fmt(fmt!("handler {name} files={files}\n"))?;
            for dependency in &state.links(self).flbs {
                let leaving = if dependency.leaving { " leaving" } else { "" };
                let name = shown(dependency.name.field());
                to.write_fmt(fmt!("  {name}{leaving}\n"))?;
            }
        }
        Ok(())
    }

    /// Show an FLB that is registered, so it is there. While it is held its handle is in place.
    fn show_flb(&self, flb: Flb, name: &Field, to: &mut Formatter<'_>) -> Result {
        let refs = flb.refs(Outgoing);
        let is_held = refs.is_held();
        let data = flb.data(Outgoing);
        let (handlers, users) = (refs.handlers(), refs.references());
        let (state, data) = match (is_held, handlers != 0 || users != 0) {
            (true, true) => ("preserved", data),
            (false, false) => ("idle", 0),
            _ => ("busy", 0),
        };
        let mut files = 0;
        for state in self.handlers() {
            if state.links(self).flbs.iter().any(|other| other.flb == flb) {
                files += u64::from(state.files.references());
            }
        }
        let (name, owner) = (shown(name), BStr::from_bytes(flb.owner().to_bytes()));
        to.write_fmt(fmt!(
            "flb {name} {state} owner={owner} handlers={handlers} files={files} users={users} \
             data={data:#x}\n"
        ))
    }
}

impl RegistryGuard<'_, Array> {
    fn show(&mut self, to: &mut Formatter<'_>) -> Result {
        match &mut **self {
            Array::None => to.write_str("handover none\n"),
            Array::At(address) => {
                to.write_fmt(fmt!("handover not received address={address:#x}\n"))
            }
            Array::Refused((what, number)) => {
                let (what, number) = (BStr::from_bytes(what.to_bytes()), *number);
                to.write_fmt(fmt!("handover refused: {what} ({number}, {number:#x})\n"))
            }
            Array::Finished => to.write_str("handover finished\n"),
            Array::Valid(array, unfinished) => {
                let entries = array.entries();
                let (count, unfinished) = (entries.len(), *unfinished);
                to.write_fmt(fmt!(
                    "handover received entries={count} unfinished={unfinished}\n"
                ))?;
                entries.iter().try_for_each(|entry| show_entry(entry, to))
            }
        }
    }
}

fn show_entry(entry: &IncomingEntry, to: &mut Formatter<'_>) -> Result {
    let (name, files) = (shown(entry.name()), entry.state().files());
    match entry.state().status() {
        NOT_RETRIEVED => {
            let data = entry.data();
            to.write_fmt(fmt!(
                "entry {name} not-retrieved files={files} data={data:#x}\n"
            ))
        }
        RETRIEVING => to.write_fmt(fmt!("entry {name} retrieving files={files}\n")),
        RETRIEVED => {
            let flb = entry.flb();
            let users = flb.map_or(0, |flb| flb.refs(Incoming).references());
            let data = flb.map_or(0, |flb| flb.data(Incoming));
            to.write_fmt(fmt!(
                "entry {name} retrieved files={files} users={users} data={data:#x}\n"
            ))
        }
        FINISHED => to.write_fmt(fmt!("entry {name} finished\n")),
        errno => to.write_fmt(fmt!("entry {name} failed errno={errno} files={files}\n")),
    }
}

/// A name, as it is shown: what is not printable is escaped.
fn shown(field: &Field) -> &BStr {
    let name = CStr::from_bytes_until_nul(field).map_or(&field[..], CStr::to_bytes);
    BStr::from_bytes(name)
}
