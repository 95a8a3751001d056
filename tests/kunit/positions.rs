// SPDX-License-Identifier: GPL-2.0

//! Each callback fails at each position, in each way, and each owner goes away.

use super::support::{Call::*, *};
use crate::bindings::{EINVAL, EIO, ENODATA, ENODEV, ENOENT, ENOMEM};
use kernel::{prelude::*, sync::Arc};

const FLBS: usize = 4;

/// What an FLB has in store for who needs it.
#[derive(Clone, Copy)]
enum Failure {
    /// The callback returns this.
    Returns(i32),
    /// The owner is going away, so no callback runs.
    Leaves,
}

use Failure::*;

/// Each failure, and the error that it is told as.
const FAILURES: [(Failure, u32); 10] = [
    (Returns(-(EIO as i32)), EIO),
    (Returns(-(ENOMEM as i32)), ENOMEM),
    (Returns(-(ENODEV as i32)), ENODEV),
    (Returns(-4095), 4095),
    (Returns(1), EINVAL),
    (Returns(0xffff), EINVAL),
    (Returns(i32::MAX), EINVAL),
    (Returns(-4096), EINVAL),
    (Returns(i32::MIN), EINVAL),
    (Leaves, ENODEV),
];

/// A bench, and the owner of each FLB.
struct Owned {
    bench: Arc<Bench>,
    owners: KVec<FakeModule>,
}

impl Owned {
    fn new(bench: Arc<Bench>) -> Result<Self> {
        let mut owners = KVec::new();
        for flb in 0..FLBS {
            let owner = FakeModule::new()?;
            bench.set_owner(flb, &owner);
            owners.push(owner, GFP_KERNEL)?;
        }
        Ok(Self { bench, owners })
    }

    /// How often the owner of each FLB is held.
    fn pins(&self) -> [i32; FLBS] {
        core::array::from_fn(|flb| self.owners[flb].pins())
    }

    /// Makes an FLB fail in both directions.
    fn fail(&self, flb: usize, failure: Failure) {
        match failure {
            Returns(result) => self.bench.script(flb, |script| {
                script.preserve = result;
                script.retrieve = result;
            }),
            Leaves => self.owners[flb].leave(),
        }
    }

    /// Makes an FLB succeed.
    fn mend(&self, flb: usize) {
        self.owners[flb].stay();
        self.bench.script(flb, |script| {
            script.preserve = 0;
            script.retrieve = 0;
        });
    }
}

/// Runs a case for each position and each failure.
fn everywhere(mut case: impl FnMut(usize, Failure, u32) -> Result) -> Result {
    for bad in 0..FLBS {
        for (failure, errno) in FAILURES {
            case(bad, failure, errno)?;
        }
    }
    Ok(())
}

/// The calls by which a file fails at an FLB: down to it, and back.
fn rolled_back(flbs: &[usize], bad: usize, failure: Failure) -> Result<KVec<Call>> {
    let mut calls = KVec::new();
    for flb in flbs.iter().take_while(|flb| **flb < bad) {
        calls.push(P(*flb), GFP_KERNEL)?;
    }
    if let Returns(_) = failure {
        calls.push(P(bad), GFP_KERNEL)?;
    }
    for flb in flbs.iter().rev().skip_while(|flb| **flb >= bad) {
        calls.push(U(*flb), GFP_KERNEL)?;
    }
    Ok(calls)
}

#[kunit_tests(luo_flb_positions)]
mod suite {
    use super::*;

    #[test]
    fn preserve() -> Result {
        everywhere(|bad, failure, errno| {
            let o = Owned::new(Bench::set_up(1, FLBS)?)?;
            let b = &o.bench;
            b.register_all(0)?;
            o.fail(bad, failure);
            for _ in 0..2 {
                assert_eq!(b.preserve(0), err(errno));
                assert_eq!(b.calls(), rolled_back(&[0, 1, 2, 3], bad, failure)?);
                assert_eq!(o.pins(), [0; FLBS]);
                assert_eq!(b.preview()?.count(), 0);
            }
            for flb in 0..FLBS {
                assert_eq!(b.peek(flb), Ok(None));
                assert_eq!(b.get_outgoing(flb), err(ENOENT));
            }
            b.unpreserve(0);
            assert!(b.is_quiet());
            o.mend(bad);
            assert_eq!(b.preserve(0), Ok(()));
            assert_eq!(o.pins(), [1; FLBS]);
            assert_eq!(b.preview()?.count(), FLBS as u64);
            b.unpreserve(0);
            assert_eq!(o.pins(), [0; FLBS]);
            let all = [P(0), P(1), P(2), P(3), U(3), U(2), U(1), U(0)];
            assert_eq!(b.calls(), all);
            Ok(())
        })
    }

    #[test]
    fn preserve_where_others_are_preserved() -> Result {
        everywhere(|bad, failure, errno| {
            // Another handler has preserved one of each two; one of these has a user.
            let (shared, own) = match bad % 2 {
                0 => ([1, 3], [0, 2]),
                _ => ([0, 2], [1, 3]),
            };
            let o = Owned::new(Bench::set_up(2, FLBS)?)?;
            let b = &o.bench;
            b.register_all(0)?;
            for flb in shared {
                b.register(1, flb)?;
            }
            b.preserve(1)?;
            b.get_outgoing(shared[0])?;
            b.calls();
            let before = o.pins();
            o.fail(bad, failure);
            assert_eq!(b.preserve(0), err(errno));
            assert_eq!(b.calls(), rolled_back(&own, bad, failure)?);
            assert_eq!(o.pins(), before);
            let block = b.preview()?;
            assert_eq!(block.count(), 2);
            for (nth, flb) in shared.into_iter().enumerate() {
                assert!(block.is(nth, &name(flb), data(flb), 1));
            }
            b.unpreserve(1);
            assert_eq!(b.calls(), [U(shared[1])]);
            b.put_outgoing(shared[0]);
            assert_eq!(b.calls(), [U(shared[0])]);
            assert_eq!(o.pins(), [0; FLBS]);
            Ok(())
        })
    }

    #[test]
    fn rollback_leaves_what_is_in_use() -> Result {
        for bad in 1..FLBS {
            let o = Owned::new(Bench::new(1, FLBS)?)?;
            let b = &o.bench;
            b.register_all(0)?;
            b.script(bad, |script| {
                script.preserve = -(EIO as i32);
                script.on_preserve = Some(|b, _| b.note(b.get_outgoing(0)));
            });
            assert_eq!(b.preserve(0), err(EIO));
            assert_eq!(b.notes(), [0]);
            let mut expected = rolled_back(&[0, 1, 2, 3], bad, Returns(0))?;
            assert_eq!(expected.pop(), Some(U(0)));
            assert_eq!(b.calls(), expected);
            assert_eq!(o.pins(), [1, 0, 0, 0]);
            // The next file finds it.
            o.mend(bad);
            b.script(bad, |script| script.on_preserve = None);
            assert_eq!(b.preserve(0), Ok(()));
            assert_eq!(b.calls(), [P(1), P(2), P(3)]);
            b.unpreserve(0);
            assert_eq!(b.calls(), [U(3), U(2), U(1)]);
            b.put_outgoing(0);
            assert_eq!(b.calls(), [U(0)]);
            assert_eq!(o.pins(), [0; FLBS]);
        }
        Ok(())
    }

    #[test]
    fn unpreserve_while_owners_go_away() -> Result {
        for bad in 0..FLBS {
            let o = Owned::new(Bench::new(1, FLBS)?)?;
            let b = &o.bench;
            b.register_all(0)?;
            b.preserve(0)?;
            b.calls();
            o.fail(bad, Leaves);
            b.unpreserve(0);
            assert_eq!(b.calls(), [U(3), U(2), U(1), U(0)]);
            assert_eq!(o.pins(), [0; FLBS]);
        }
        Ok(())
    }

    #[test]
    fn retrieve_for_the_last_file() -> Result {
        everywhere(|bad, failure, errno| {
            let o = Owned::new(Bench::handed_over(FLBS, 1)?)?;
            let b = &o.bench;
            o.fail(bad, failure);
            b.finish(0);
            let mut expected = KVec::new();
            for flb in (0..FLBS).rev() {
                match failure {
                    Leaves if flb == bad => {}
                    _ => expected.push(R(flb), GFP_KERNEL)?,
                }
                if flb != bad {
                    expected.push(F(flb), GFP_KERNEL)?;
                }
            }
            assert_eq!(b.calls(), expected);
            assert_eq!(o.pins(), [0; FLBS]);
            // That was the end of it.
            o.mend(bad);
            for flb in 0..FLBS {
                assert_eq!(b.get(flb), err(if flb == bad { errno } else { ENODATA }));
                b.put(flb);
            }
            b.finish(0);
            assert!(b.is_quiet());
            assert_eq!(o.pins(), [0; FLBS]);
            Ok(())
        })
    }

    #[test]
    fn retrieve_for_a_user() -> Result {
        everywhere(|bad, failure, errno| {
            let o = Owned::new(Bench::handed_over(FLBS, 1)?)?;
            let b = &o.bench;
            o.fail(bad, failure);
            for flb in 0..FLBS {
                let expected = if flb == bad {
                    err(errno)
                } else {
                    Ok(restored(flb))
                };
                assert_eq!(b.get(flb), expected);
                assert_eq!(o.pins()[flb], i32::from(flb != bad));
            }
            b.calls();
            b.put(bad);
            assert!(b.is_quiet());
            o.mend(bad);
            // What did not run has not failed.
            let again = match failure {
                Leaves => Ok(restored(bad)),
                Returns(_) => after_failure(Ok(restored(bad)), err(errno)),
            };
            assert_eq!(b.get(bad), again);
            b.finish(0);
            let calls = b.calls();
            assert_eq!(calls.len(), usize::from(again.is_ok()));
            for flb in 0..FLBS {
                b.put(flb);
                let ends = flb != bad || again.is_ok();
                assert_eq!(b.calls(), &[F(flb)][..usize::from(ends)]);
            }
            assert_eq!(o.pins(), [0; FLBS]);
            Ok(())
        })
    }

    #[test]
    fn finish_while_owners_go_away() -> Result {
        for bad in 0..FLBS {
            let o = Owned::new(Bench::handed_over(FLBS, 1)?)?;
            let b = &o.bench;
            for flb in 0..FLBS {
                b.get(flb)?;
                b.put(flb);
            }
            b.calls();
            o.fail(bad, Leaves);
            b.finish(0);
            assert_eq!(b.calls(), [F(3), F(2), F(1), F(0)]);
            assert_eq!(o.pins(), [0; FLBS]);
        }
        Ok(())
    }
}
