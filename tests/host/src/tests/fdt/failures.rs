// SPDX-License-Identifier: GPL-2.0

//! A tree that takes no more.

use super::{libfdt::NO_SPACE, tree};
use crate::abi::fdt_v1::{self, Writer};
use std::ffi::CStr;

/// Notes what is written, and fails at the call with the number `fails_at`.
struct Script {
    fails_at: usize,
    calls: Vec<String>,
}

impl Script {
    fn call(&mut self, what: String) -> Result<(), usize> {
        self.calls.push(what);
        match self.calls.len() - 1 {
            call if call == self.fails_at => Err(call),
            _ => Ok(()),
        }
    }
}

impl Writer for Script {
    type Error = usize;

    fn begin_node(&mut self, name: &CStr) -> Result<(), usize> {
        self.call(format!("begin {name:?}"))
    }

    fn property(&mut self, name: &CStr, value: &[u8]) -> Result<(), usize> {
        self.call(format!("{name:?} = {value:?}"))
    }

    fn end_node(&mut self) -> Result<(), usize> {
        self.call("end".to_owned())
    }
}

fn script(fails_at: usize) -> (Result<(), usize>, Vec<String>) {
    let calls = Vec::new();
    let mut script = Script { fails_at, calls };
    (fdt_v1::write(&mut script, 0x1000), script.calls)
}

#[test]
fn the_first_failure_is_the_last_call() {
    let (result, all) = script(usize::MAX);
    assert_eq!(result, Ok(()));
    assert_eq!(all.len(), 4);
    for call in 0..all.len() {
        let (result, calls) = script(call);
        assert_eq!(result, Err(call));
        assert_eq!(calls, all[..=call]);
    }
}

#[test]
fn a_tree_of_any_size_is_whole_or_an_error() {
    let mut whole = None;
    for len in 0..512 {
        match tree::try_with(len, |tree| fdt_v1::write(tree, 0x1000)) {
            Ok(tree) => {
                whole = whole.or(Some(len));
                assert!(tree.is_sound());
                assert_eq!(fdt_v1::read(&tree, 4096), Ok(0x1000));
            }
            Err(error) => {
                assert_eq!(error, NO_SPACE);
                assert_eq!(whole, None, "{len} bytes did once do");
            }
        }
    }
    assert!(whole.is_some());
}
