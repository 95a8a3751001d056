// SPDX-License-Identifier: GPL-2.0
//! What a guest is beside its memory, and how that is written to a file.

use kvm_bindings::{
    kvm_cpuid_entry2, kvm_debugregs, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs,
    kvm_sregs, kvm_vcpu_events, kvm_xcrs, kvm_xsave,
};
use serde::{Deserialize, Serialize};
use std::io;

/// Changes with the format.
const VERSION: u32 = 1;

/// A guest that stands still.
#[derive(Serialize, Deserialize)]
pub struct State {
    /// What the processor tells the guest of itself.
    pub cpuid: Vec<kvm_cpuid_entry2>,
    /// From the machine's TSC, which a kexec leaves alone, to the guest's.
    pub tsc_offset: u64,
    pub sregs: kvm_sregs,
    pub regs: kvm_regs,
    pub xsave: kvm_xsave,
    pub xcrs: kvm_xcrs,
    pub debug_regs: kvm_debugregs,
    pub lapic: kvm_lapic_state,
    pub msrs: Vec<kvm_msr_entry>,
    pub mp_state: kvm_mp_state,
    pub events: kvm_vcpu_events,
    /// Its serial port has no more state than the line that it is in the midst of.
    pub line: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    /// Of what follows.
    length: usize,
    checksum: u64,
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl State {
    /// A line that says what follows, and the state.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let body = serde_json::to_vec(self)?;
        let header = Header {
            version: VERSION,
            length: body.len(),
            checksum: checksum(&body),
        };
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.push(b'\n');
        bytes.extend(body);
        Ok(bytes)
    }

    /// What `encode()` has written, and nothing else.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (header, body) = bytes.split_at(end.ok_or_else(|| bad("the state has no header"))?);
        let (header, body): (Header, _) = (serde_json::from_slice(header)?, &body[1..]);
        if header.version != VERSION {
            return Err(bad("the state has another version"));
        }
        if header.length != body.len() || header.checksum != checksum(body) {
            return Err(bad("the state is damaged"));
        }
        Ok(serde_json::from_slice(body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            cpuid: vec![kvm_cpuid_entry2::default(); 2],
            tsc_offset: u64::MAX - 5,
            sregs: Default::default(),
            regs: kvm_regs {
                r12: 0x1234_5678_9abc_def0,
                ..Default::default()
            },
            xsave: Default::default(),
            xcrs: Default::default(),
            debug_regs: Default::default(),
            lapic: Default::default(),
            msrs: Vec::new(),
            mp_state: Default::default(),
            events: Default::default(),
            line: "tick \"7\"\n".into(),
        }
    }

    #[test]
    fn comes_back_as_it_was() {
        let bytes = state().encode().unwrap();
        let back = State::decode(&bytes).unwrap();
        assert_eq!(back.regs, state().regs);
        assert_eq!(back.tsc_offset, state().tsc_offset);
        assert_eq!(back.line, state().line);
        assert_eq!(back.encode().unwrap(), bytes);
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = state().encode().unwrap();
        for at in (0..100).chain((100..bytes.len()).step_by(31)) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(State::decode(&damaged).is_err(), "byte {at}");
            assert!(State::decode(&bytes[..at]).is_err(), "the first {at}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let text = String::from_utf8(state().encode().unwrap()).unwrap();
        let other = text.replacen("\"version\":1", "\"version\":2", 1);
        assert!(State::decode(other.as_bytes()).is_err());
    }
}
