// SPDX-License-Identifier: GPL-2.0

//! What the suites share: a core with fake handlers and FLBs whose callbacks record and obey.

mod exported;
#[cfg(CONFIG_MODULE_UNLOAD)]
mod fake_module;
#[cfg(CONFIG_LIVEUPDATE_FLB_FAULTS)]
mod faults;
mod handed_over;
mod racing;
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
mod real_tree;
mod signal;

pub(super) use exported::{
    exported_get_incoming, exported_get_nowhere, exported_get_outgoing, exported_nothing,
    exported_put_outgoing, HAS_PUT_OUTGOING, UNTOUCHED,
};
#[cfg(CONFIG_MODULE_UNLOAD)]
pub(super) use fake_module::FakeModule;
#[cfg(CONFIG_LIVEUPDATE_FLB_FAULTS)]
pub(super) use faults::Faults;
pub(super) use handed_over::{Block, HandedOver, NOWHERE};
pub(super) use racing::{let_others_run, Lived};
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
pub(super) use real_tree::RealTree;
pub(super) use signal::Signal;

use crate::{
    bindings,
    files::LuoFlb,
    outgoing,
    raw::{self, Direction, Flb, Handler},
    refs::Taken,
};
use core::{
    cell::UnsafeCell,
    ffi::{c_int, c_void, CStr},
    ptr::{addr_of, addr_of_mut},
};
use kernel::{
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{Arc, Mutex},
    workqueue,
};

/// Skips the test unless live update is off. No destructors run then, so this comes first.
pub(super) fn needs_off() {
    skip_unless(!raw::liveupdate_enabled(), c"live update is on");
}

/// Skips the test if there is no Kexec HandOver. No destructors run then, so this comes first.
pub(super) fn needs_kho() {
    // SAFETY: The function reads a flag.
    skip_unless(unsafe { bindings::kho_is_enabled() }, c"KHO is off");
}

fn skip_unless(condition: bool, why: &CStr) {
    if condition {
        return;
    }
    // SAFETY: The function returns the test that this task runs, which nothing else uses meanwhile.
    // Of this function nothing is left to be dropped.
    unsafe {
        let test = bindings::kunit_get_current_test();
        let comment = &mut (*test).status_comment;
        for (to, from) in comment.iter_mut().zip(why.to_bytes_with_nul()) {
            *to = *from;
        }
        (*test).status = bindings::kunit_status_KUNIT_SKIPPED;
        bindings::kunit_try_catch_throw(addr_of_mut!((*test).try_catch));
    }
}

/// Size of an array with as many FLBs as the C implementation takes.
pub(super) const BLOCK: usize = PAGE_SIZE;
/// The most FLBs that can be registered.
pub(super) const MOST: usize = crate::registry::MAX_FLBS;

/// A call of a callback of the FLB with that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `preserve`
    P(usize),
    /// `unpreserve`
    U(usize),
    /// `retrieve`
    R(usize),
    /// `finish`
    F(usize),
}

/// What a callback does beside being recorded: may use the core, with the number of its own FLB.
pub(super) type Hook = fn(&Bench, usize);

/// What the callbacks of an FLB return and do.
#[derive(Clone, Copy)]
pub(super) struct Script {
    /// Result of `preserve`.
    pub(super) preserve: c_int,
    /// Handle that `preserve` leaves.
    pub(super) data: u64,
    /// Object that `preserve` leaves.
    pub(super) obj: usize,
    /// Result of `retrieve`.
    pub(super) retrieve: c_int,
    /// Object that `retrieve` leaves.
    pub(super) restored: usize,
    /// Run by each callback.
    pub(super) on_preserve: Option<Hook>,
    pub(super) on_unpreserve: Option<Hook>,
    pub(super) on_retrieve: Option<Hook>,
    pub(super) on_finish: Option<Hook>,
}

/// What a callback was given: data and object.
type Args = (u64, usize);

/// What no callback is given.
pub(super) const NEVER: Args = (u64::MAX, usize::MAX);

/// What the fake callbacks obey and what they record.
struct State {
    calls: KVec<Call>,
    notes: KVec<i32>,
    /// Of each FLB its script, and what its callbacks got last.
    flbs: KVec<(Script, [Option<Args>; 4])>,
}

/// An FLB and who made it.
#[repr(C)]
struct FakeFlb {
    /// First, so that a pointer to it is one to the whole.
    flb: bindings::liveupdate_flb,
    ops: bindings::liveupdate_flb_ops,
    bench: *const Bench,
    index: usize,
    /// One a direction.
    lives: [racing::Life; 2],
}

/// A file handler and the list that it is in.
struct FakeHandler {
    handler: bindings::liveupdate_file_handler,
    list: bindings::list_head,
}

/// Whether a handler is registered with the orchestrator.
#[derive(Clone, Copy)]
pub(super) enum Link {
    /// In a list.
    Registered,
    /// Never was.
    Zeroed,
    /// Not any more, by `list_del`.
    Poisoned,
    /// Not any more, by `list_del_init`.
    Alone,
}

/// A core, and fake handlers and FLBs that are known by number.
#[pin_data]
pub(super) struct Bench {
    /// The core under test.
    pub(super) core: LuoFlb,
    /// What was handed over to it.
    #[pin]
    received: Mutex<Option<HandedOver>>,
    handlers: KVec<KBox<UnsafeCell<FakeHandler>>>,
    flbs: KVec<KBox<UnsafeCell<FakeFlb>>>,
    #[pin]
    state: Mutex<State>,
    /// For tests with several threads.
    pub(super) entered: Signal,
    pub(super) release: Signal,
    pub(super) done: Signal,
}

// SAFETY: The fakes are written before the core knows them only, and freed with the core.
unsafe impl Send for Bench {}
// SAFETY: As above; what callbacks write is in `state`.
unsafe impl Sync for Bench {}

/// Allocates a zeroed value.
///
/// # Safety
///
/// All zero is a valid `T`.
unsafe fn zeroed<T>() -> Result<KBox<T>> {
    let new = KBox::<T>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: By the requirements of this function.
    Ok(unsafe { new.assume_init() })
}

/// Gives an FLB its callbacks.
///
/// # Safety
///
/// Nobody else uses the FLB yet, which is not moved.
unsafe fn set_callbacks(fake: *mut FakeFlb) {
    // SAFETY: By the requirements of this function.
    unsafe {
        (*fake).ops.preserve = Some(preserve);
        (*fake).ops.unpreserve = Some(unpreserve);
        (*fake).ops.retrieve = Some(retrieve);
        (*fake).ops.finish = Some(finish);
        (*fake).flb.ops = addr_of!((*fake).ops);
    }
}

impl Bench {
    /// A core with an array for the next kernel. Skips the test where there can be none.
    pub(super) fn set_up(handlers: usize, flbs: usize) -> Result<Arc<Self>> {
        needs_kho();
        let bench = Self::new(handlers, flbs)?;
        bench.setup()?;
        Ok(bench)
    }

    /// A core with this many handlers and FLBs, none of which is registered.
    // A core is only made in the memory that it stays in, and in no frame of a test, whose stack is
    // a kernel's.
    #[inline(never)]
    pub(super) fn new(handlers: usize, flbs: usize) -> Result<Arc<Self>> {
        let mut state = State {
            calls: KVec::with_capacity(256, GFP_KERNEL)?,
            notes: KVec::with_capacity(32, GFP_KERNEL)?,
            flbs: KVec::with_capacity(flbs, GFP_KERNEL)?,
        };
        let mut fake_handlers = KVec::with_capacity(handlers, GFP_KERNEL)?;
        let mut fake_flbs = KVec::with_capacity(flbs, GFP_KERNEL)?;
        for _ in 0..handlers {
            // SAFETY: C structures whose members may all be zero.
            fake_handlers.push(unsafe { zeroed()? }, GFP_KERNEL)?;
        }
        for index in 0..flbs {
            // SAFETY: As above; no callbacks, and a pointer that is set below.
            fake_flbs.push(unsafe { zeroed()? }, GFP_KERNEL)?;
            let script = Script {
                preserve: 0,
                data: data(index),
                obj: obj(index),
                retrieve: 0,
                restored: restored(index),
                on_preserve: None,
                on_unpreserve: None,
                on_retrieve: None,
                on_finish: None,
            };
            state.flbs.push((script, [None; 4]), GFP_KERNEL)?;
        }
        let bench = Arc::pin_init(
            pin_init!(Self {
                core: LuoFlb::new(),
                received <- new_mutex!(None),
                handlers: fake_handlers,
                flbs: fake_flbs,
                state <- new_mutex!(state),
                entered: Signal::new(),
                release: Signal::new(),
                done: Signal::new(),
            }),
            GFP_KERNEL,
        )?;
        for handler in 0..handlers {
            bench.link(handler, Link::Registered);
        }
        for index in 0..flbs {
            let fake = bench.fake(index);
            // SAFETY: Nobody else uses the fake yet; an `Arc` does not move what it owns.
            unsafe {
                set_callbacks(fake);
                (*fake).bench = &*bench;
                (*fake).index = index;
            }
            bench.rename(index, &name(index));
        }
        Ok(bench)
    }

    /// A core with one handler, to which its FLBs were handed over, each with `files` files.
    pub(super) fn handed_over(flbs: usize, files: u64) -> Result<Arc<Self>> {
        let bench = Self::new(1, flbs)?;
        bench.receive(Block::full(flbs, files)?.bytes())?;
        bench.register_all(0)?;
        Ok(bench)
    }

    fn fake(&self, flb: usize) -> *mut FakeFlb {
        self.flbs[flb].get()
    }

    /// The FLB, as the core wants it; [`EINVAL`] if a callback is missing.
    fn try_flb(&self, flb: usize) -> Result<Flb> {
        // SAFETY: The FLB lives as long as the core, which is the only one that uses it.
        unsafe { Flb::from_raw(self.raw_flb(flb)) }.ok_or(EINVAL)
    }

    /// The FLB, which has all callbacks.
    pub(super) fn flb(&self, flb: usize) -> Flb {
        self.try_flb(flb).expect("a callback is missing")
    }

    /// The FLB, as C wants it.
    pub(super) fn raw_flb(&self, flb: usize) -> *mut bindings::liveupdate_flb {
        self.fake(flb).cast()
    }

    /// The handler, as the core wants it.
    pub(super) fn handler(&self, handler: usize) -> Handler {
        // SAFETY: The handler lives as long as the core.
        unsafe { Handler::from_raw(self.raw_handler(handler)) }
    }

    /// The handler, as C wants it.
    pub(super) fn raw_handler(&self, handler: usize) -> *mut bindings::liveupdate_file_handler {
        // SAFETY: The pointer stays within the fake.
        unsafe { addr_of_mut!((*self.handlers[handler].get()).handler) }
    }

    /// Makes a handler one that is registered with the orchestrator, or not.
    pub(super) fn link(&self, handler: usize, link: Link) {
        let fake = self.handlers[handler].get();
        // SAFETY: Nobody reads the handler at the moment, and the pointers stay within it but for
        // the poison, which nobody follows.
        unsafe {
            let node = addr_of_mut!((*fake).handler.list);
            let list = addr_of_mut!((*fake).list);
            (*list).next = node;
            (*list).prev = node;
            let neighbour = match link {
                Link::Registered => list,
                Link::Zeroed => core::ptr::null_mut(),
                Link::Poisoned => POISON as *mut _,
                Link::Alone => node,
            };
            (*node).next = neighbour;
            (*node).prev = neighbour;
        }
    }

    /// Gives an FLB a name, up to all 48 bytes of the field.
    pub(super) fn rename(&self, flb: usize, name: &[u8]) {
        let mut field = [0; 48];
        for (to, from) in field.iter_mut().zip(name) {
            *to = *from;
        }
        let fake = self.fake(flb);
        // SAFETY: The core does not use the FLB at the moment; both are 48 bytes.
        unsafe {
            addr_of_mut!((*fake).flb.compatible)
                .cast::<[u8; 48]>()
                .write(field)
        };
    }

    /// Takes callbacks from an FLB.
    pub(super) fn edit_ops(
        &self,
        flb: usize,
        edit: impl FnOnce(&mut bindings::liveupdate_flb_ops),
    ) {
        // SAFETY: The core does not use the FLB at the moment.
        edit(unsafe { &mut (*self.fake(flb)).ops });
    }

    /// Takes all callbacks from an FLB, and their table.
    pub(super) fn remove_ops(&self, flb: usize) {
        // SAFETY: The core does not use the FLB at the moment.
        unsafe { (*self.fake(flb)).flb.ops = core::ptr::null() };
    }

    /// Data and object in the private area of an FLB, where debuggers look.
    pub(super) fn described(&self, flb: usize, direction: Direction) -> Args {
        // SAFETY: The core does not use the FLB at the moment.
        let private = unsafe { &(*self.fake(flb)).flb.private };
        let state = match direction {
            Direction::Outgoing => &private.outgoing,
            Direction::Incoming => &private.incoming,
        };
        (state.data, state.obj as usize)
    }

    /// Sets how many files of a handler are preserved, of which one is.
    pub(super) fn set_files(&self, handler: usize, files: u32) {
        if let Some(state) = self.handler(handler).state() {
            state.files.publish(false, files);
        }
    }

    /// Sets how many references are held to an FLB that is preserved, beside files.
    pub(super) fn set_users(&self, flb: usize, users: u32) {
        let flb = self.flb(flb);
        flb.refs(Direction::Outgoing).publish(true, users);
    }

    /// Changes what the callbacks of an FLB do.
    pub(super) fn script(&self, flb: usize, edit: impl FnOnce(&mut Script)) {
        edit(&mut self.state.lock().flbs[flb].0);
    }

    /// A callback runs.
    fn called(&self, call: Call, args: Args) -> Script {
        let (op, index) = match call {
            Call::P(index) => (0, index),
            Call::U(index) => (1, index),
            Call::R(index) => (2, index),
            Call::F(index) => (3, index),
        };
        let mut state = self.state.lock();
        let _ = state.calls.push(call, GFP_KERNEL);
        let (script, seen) = &mut state.flbs[index];
        seen[op] = Some(args);
        let script = *script;
        drop(state);

        let hooks = [
            script.on_preserve,
            script.on_unpreserve,
            script.on_retrieve,
            script.on_finish,
        ];
        if let Some(hook) = hooks[op] {
            hook(self, index);
        }
        script
    }

    /// The calls since this was asked last, in order.
    pub(super) fn calls(&self) -> KVec<Call> {
        core::mem::take(&mut self.state.lock().calls)
    }

    /// Whether there were no calls since they were asked for last.
    pub(super) fn is_quiet(&self) -> bool {
        self.calls().is_empty()
    }

    /// Data and object that a callback got last; [`NEVER`] if it did not run.
    pub(super) fn seen(&self, call: Call) -> Args {
        let (op, index) = match call {
            Call::P(index) => (0, index),
            Call::U(index) => (1, index),
            Call::R(index) => (2, index),
            Call::F(index) => (3, index),
        };
        self.state.lock().flbs[index].1[op].unwrap_or(NEVER)
    }

    /// Notes the result of something that a callback did: 0 or a negative errno.
    pub(super) fn note<T>(&self, result: Result<T>) {
        self.note_number(result.err().map_or(0, Error::to_errno));
    }

    /// Notes what a callback found.
    pub(super) fn note_number(&self, number: i32) {
        let _ = self.state.lock().notes.push(number, GFP_KERNEL);
    }

    /// Notes something if a thread found what it must not.
    pub(super) fn note_unless(&self, right: bool) {
        if !right {
            self.note_number(1);
        }
    }

    /// What was noted since this was asked last.
    pub(super) fn notes(&self) -> KVec<i32> {
        core::mem::take(&mut self.state.lock().notes)
    }

    pub(super) fn register(&self, handler: usize, flb: usize) -> Result {
        self.core
            .register(self.handler(handler), self.try_flb(flb)?)
    }

    /// Registers all FLBs in the order of their numbers.
    pub(super) fn register_all(&self, handler: usize) -> Result {
        (0..self.flbs.len()).try_for_each(|flb| self.register(handler, flb))
    }

    pub(super) fn unregister(&self, handler: usize, flb: usize) {
        self.core.unregister(self.handler(handler), self.flb(flb));
    }

    pub(super) fn unregister_all(&self, handler: usize) {
        // SAFETY: The rwsem is a static; it is released below.
        unsafe { bindings::down_write(addr_of_mut!(bindings::luo_register_rwlock)) };
        self.core.unregister_all(self.handler(handler));
        // SAFETY: The lock was taken above.
        unsafe { bindings::up_write(addr_of_mut!(bindings::luo_register_rwlock)) };
    }

    pub(super) fn preserve(&self, handler: usize) -> Result {
        let handler = self.handler(handler);
        match handler.state() {
            Some(state) if state.files.try_get() == Taken::Counted => Ok(()),
            _ => self.core.preserve_first(handler),
        }
    }

    pub(super) fn unpreserve(&self, handler: usize) {
        let handler = self.handler(handler);
        match handler.state() {
            Some(state) if state.files.put_not_last() => {}
            _ => self.core.unpreserve_last(handler),
        }
    }

    pub(super) fn finish(&self, handler: usize) {
        self.core.finish_file(self.handler(handler));
    }

    /// The object of a direction, if that takes no lock.
    pub(super) fn try_get(&self, flb: usize, direction: Direction) -> Option<usize> {
        let is_counted = self.flb(flb).refs(direction).try_get() == Taken::Counted;
        is_counted.then(|| self.object(flb, direction))
    }

    fn object(&self, flb: usize, direction: Direction) -> usize {
        self.described(flb, direction).1
    }

    fn put_not_last(&self, flb: usize, direction: Direction) -> bool {
        self.flb(flb).refs(direction).put_not_last()
    }

    pub(super) fn get(&self, flb: usize) -> Result<usize> {
        let raw = self.try_flb(flb)?;
        match self.try_get(flb, Direction::Incoming) {
            Some(object) => Ok(object),
            None => {
                self.core.incoming.get(raw)?;
                Ok(self.object(flb, Direction::Incoming))
            }
        }
    }

    fn put_direction(&self, flb: usize, direction: Direction) {
        if !self.put_not_last(flb, direction) {
            self.core.put(self.flb(flb), direction, None);
        }
    }

    pub(super) fn put(&self, flb: usize) {
        self.put_direction(flb, Direction::Incoming);
    }

    pub(super) fn get_outgoing(&self, flb: usize) -> Result<usize> {
        match self.try_get(flb, Direction::Outgoing) {
            Some(object) => Ok(object),
            None => {
                outgoing::get(self.flb(flb))?;
                Ok(self.object(flb, Direction::Outgoing))
            }
        }
    }

    pub(super) fn put_outgoing(&self, flb: usize) {
        self.put_direction(flb, Direction::Outgoing);
    }

    /// The outgoing object, without a reference to it.
    pub(super) fn peek(&self, flb: usize) -> Result<Option<usize>> {
        let is_held = || self.flb(flb).refs(Direction::Outgoing).is_held();
        if is_held() {
            return Ok(Some(self.described(flb, Direction::Outgoing).1));
        }
        outgoing::get_unreferenced(self.flb(flb))?;
        Ok(is_held().then(|| self.object(flb, Direction::Outgoing)))
    }

    /// Hands over memory with this content; the answer to clients that ask for what is not there.
    pub(super) fn receive(&self, bytes: &[u8]) -> Result {
        let memory = HandedOver::new(bytes)?;
        self.core.incoming.setup(memory.address());
        let answer = self.answer();
        memory.taken();
        *self.received.lock() = Some(memory);
        answer
    }

    /// The answer to a client that asks for what is not there: [`Ok`] unless all is refused.
    pub(super) fn answer(&self) -> Result {
        // SAFETY: All zero is a valid FLB.
        let flb = unsafe { zeroed::<FakeFlb>()? };
        let flb = UnsafeCell::from_mut(KBox::leak(flb)).get();
        let mut name = name(9999);
        name[0] = b'?';
        // SAFETY: The FLB is ours; the name is shorter than the field.
        let answer = unsafe {
            addr_of_mut!((*flb).flb.compatible)
                .cast::<[u8; 9]>()
                .write(name);
            set_callbacks(flb);
            Flb::from_raw(flb.cast()).map(|flb| self.core.incoming.get(flb))
        };
        // SAFETY: It was leaked above, and the core keeps no pointer to what it did not find.
        drop(unsafe { KBox::from_raw(flb) });
        match answer {
            Some(Err(ENOENT)) | None => Ok(()),
            Some(Err(error)) if error == raw::errno(bindings::ENODATA) => Ok(()),
            Some(Err(error)) => Err(error),
            Some(Ok(())) => Err(EIO),
        }
    }

    /// Prepares the array for the next kernel.
    pub(super) fn setup(&self) -> Result {
        self.setup_outgoing(|_| Ok(()))
    }

    /// Prepares the array for the next kernel, and announces it.
    pub(super) fn setup_outgoing(&self, announce: impl FnOnce(u64) -> Result) -> Result {
        self.core.registry.lock().setup_outgoing(announce)
    }

    /// What would be handed over now.
    pub(super) fn preview(&self) -> Result<Block> {
        Block::would_be(self)
    }

    /// Runs something in another thread. `done` is counted when it is over.
    pub(super) fn spawn(self: &Arc<Self>, run: impl FnOnce(&Self) + Send + 'static) -> Result {
        let bench = self.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            run(&bench);
            bench.done.raise();
        })?;
        Ok(())
    }
}

/// Runs the callback of the FLB for which it was called.
///
/// # Safety
///
/// `argp` leads to arguments that the core made for a fake FLB.
unsafe fn run(argp: *mut bindings::liveupdate_flb_op_args, call: fn(usize) -> Call) -> Script {
    // SAFETY: By the requirements; a bench outlives its core.
    unsafe {
        let fake: *mut FakeFlb = (*argp).flb.cast();
        let bench = &*(*fake).bench;
        bench.called(call((*fake).index), ((*argp).data, (*argp).obj as usize))
    }
}

/// The `preserve` of all fake FLBs.
///
/// # Safety
///
/// As for [`run`].
unsafe extern "C" fn preserve(argp: *mut bindings::liveupdate_flb_op_args) -> c_int {
    // SAFETY: By the requirements of this function.
    unsafe {
        let script = run(argp, Call::P);
        (*argp).data = script.data;
        (*argp).obj = script.obj as *mut c_void;
        script.preserve
    }
}

/// The `unpreserve` of all fake FLBs.
///
/// # Safety
///
/// As for [`run`].
unsafe extern "C" fn unpreserve(argp: *mut bindings::liveupdate_flb_op_args) {
    // SAFETY: By the requirements of this function.
    unsafe { run(argp, Call::U) };
}

/// The `retrieve` of all fake FLBs.
///
/// # Safety
///
/// As for [`run`].
unsafe extern "C" fn retrieve(argp: *mut bindings::liveupdate_flb_op_args) -> c_int {
    // SAFETY: By the requirements of this function.
    unsafe {
        let script = run(argp, Call::R);
        (*argp).obj = script.restored as *mut c_void;
        script.retrieve
    }
}

/// The `finish` of all fake FLBs.
///
/// # Safety
///
/// As for [`run`].
unsafe extern "C" fn finish(argp: *mut bindings::liveupdate_flb_op_args) {
    // SAFETY: By the requirements of this function.
    unsafe { run(argp, Call::F) };
}

/// `LIST_POISON1`, whatever the configuration: it is only compared.
const POISON: usize = 0xdead_0000_0000_0100;

/// The name that an FLB has at first.
pub(super) fn name(flb: usize) -> [u8; 9] {
    let mut name = *b"test-0000";
    let mut rest = flb;
    for digit in name.iter_mut().rev().take(4) {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    name
}

/// What follows when `retrieve` has failed for a caller: it is tried again for the next one, as on
/// Linux 7.1, or the failure is kept, as from Linux 7.2 on.
pub(super) fn after_failure<T>(retried: T, kept: T) -> T {
    if raw::RETRIEVES_ONCE {
        kept
    } else {
        retried
    }
}

/// The handle that `preserve` leaves at first, and that [`Block::full`] hands over.
pub(super) fn data(flb: usize) -> u64 {
    0xdada_0000_0000_0000 + flb as u64
}

/// The object that `preserve` leaves at first.
pub(super) fn obj(flb: usize) -> usize {
    0x10_0000 + flb
}

/// The object that `retrieve` leaves at first.
pub(super) fn restored(flb: usize) -> usize {
    0x20_0000 + flb
}

/// The result that carries a number of `errno.h`.
pub(super) fn err<T>(number: u32) -> Result<T> {
    Err(raw::errno(number))
}
