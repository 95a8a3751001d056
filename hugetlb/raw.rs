// SPDX-License-Identifier: GPL-2.0

//! `mm/hugetlb.c`, the files in huge pages, and KHO. All that is unsafe here is in this file.

use crate::{
    abi::{
        Pools,
        RESERVED, //
    },
    boot, //
};
use core::{
    mem::forget,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::{
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    kho::{
        KhoFolio,
        Restored, //
    },
    liveupdate::file::OpenFile,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
};

/// A size of huge pages that this machine has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Size(NonNull<bindings::hstate>);

impl Size {
    pub(crate) fn of_order(order: u32) -> Option<Self> {
        let size = PAGE_SIZE
            .checked_shl(order)
            .filter(|size| size >> order == PAGE_SIZE)?;
        // SAFETY: The function takes any size.
        NonNull::new(unsafe { bindings::size_to_hstate(size) }).map(Self)
    }

    pub(crate) fn order(self) -> u32 {
        // SAFETY: It is in a static array, and its order does not change.
        unsafe { (*self.0.as_ptr()).order }
    }

    pub(crate) fn bytes(self) -> u64 {
        (PAGE_SIZE as u64) << self.order()
    }

    /// Counts pages of an online node as allocated, and how many of them are surplus; less of both
    /// if negative.
    pub(crate) fn count(self, node: u32, pages: isize, surplus: isize) {
        // SAFETY: It is in a static array; counts have been checked to be of an online node.
        unsafe { bindings::luo_hugetlb_count(self.0.as_ptr(), node as c_int, pages, surplus) };
    }

    /// Holds back so many more pages that are reserved; less if negative.
    pub(crate) fn hold(self, pages: isize) -> Result {
        // SAFETY: It is in a static array.
        to_result(unsafe { bindings::luo_hugetlb_hold(self.0.as_ptr(), pages) })
    }
}

#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
impl Size {
    /// How many pages there are.
    pub(crate) fn allocated(self) -> usize {
        // SAFETY: It is in a static array. The number can change at any time.
        unsafe { (&raw const (*self.0.as_ptr()).nr_huge_pages).read_volatile() }
    }

    /// Allows pages beyond what the pool has.
    pub(crate) fn overcommit(self, pages: usize) {
        // SAFETY: It is in a static array. At boot nobody else sets this.
        unsafe { (*self.0.as_ptr()).nr_overcommit_huge_pages = pages };
    }
}

/// How many nodes there can be.
const NODES: u32 = 1 << bindings::NODES_SHIFT;

/// How many small pages a node has, none if it is not online; for [`RESERVED`] all that there are.
pub(crate) fn node_pages(node: u32) -> u64 {
    if node == RESERVED {
        return (0..NODES).map(node_pages).fold(0, u64::saturating_add);
    }
    // SAFETY: The function takes any number.
    unsafe { bindings::luo_hugetlb_node_pages(node) as u64 }
}

/// In KHO's root, by which a kernel finds the counts before it has read anything else.
const NODE: &CStr = c"hugetlb-pools-v1";

/// The counts for the next kernel, which finds them at boot as long as there is this.
pub(crate) struct Announced(KhoFolio<Pools>);

impl Announced {
    pub(crate) fn new(mut pools: KhoFolio<Pools>) -> Result<Self> {
        let blob = core::ptr::from_mut(&mut *pools).cast();
        // SAFETY: The memory is preserved, and the name a string.
        to_result(unsafe {
            bindings::kho_add_subtree(NODE.as_char_ptr(), blob, size_of::<Pools>())
        })?;
        Ok(Self(pools))
    }

    pub(crate) fn pools(&mut self) -> &mut Pools {
        &mut self.0
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // SAFETY: It was added by this.
        unsafe { bindings::kho_remove_subtree(core::ptr::from_mut(&mut *self.0).cast()) };
    }
}

/// The counts that the previous kernel has announced, where they are, which may be anything. At
/// boot only: nobody has restored them then.
pub(crate) fn came() -> Option<(u64, &'static Pools)> {
    let (mut address, mut size) = (0, 0);
    // SAFETY: The name is a string; both are ours to write.
    let found =
        unsafe { bindings::kho_retrieve_subtree(NODE.as_char_ptr(), &mut address, &mut size) };
    if found != 0 || size != size_of::<Pools>() {
        return None;
    }
    // SAFETY: The function takes any address. This runs at boot.
    let pools = unsafe { bindings::luo_hugetlb_peek(address) };
    // SAFETY: There is memory, of a page, and nobody writes to it at boot. Any bytes are counts.
    let pools = unsafe { pools.cast::<Pools>().as_ref() };
    Some((address, pools?))
}

/// The counts that the FLB hands over.
pub(crate) fn restore_pools(address: u64) -> Result<KhoFolio<Pools, Restored>> {
    // SAFETY: The orchestrator has this address, which was left by the FLB.
    unsafe { KhoFolio::restore(address) }
}

/// A page of a file, which stays where it is as long as there is this.
pub(crate) struct Page(NonNull<bindings::folio>);

/// A page that goes to the next kernel as it is then.
pub(crate) type PreservedPage = KhoFolio<[u8; 0]>;

impl Page {
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: It is a folio, and huge pages are in the linear mapping.
        let bytes = unsafe { bindings::folio_address(self.0.as_ptr()) };
        // SAFETY: The address is one of the linear mapping.
        unsafe { bindings::virt_to_phys(bytes) }
    }

    pub(crate) fn node(&self) -> u32 {
        // SAFETY: It is a folio.
        unsafe { bindings::luo_hugetlb_node(self.0.as_ptr()) as u32 }
    }

    pub(crate) fn preserve(self) -> Result<PreservedPage> {
        // SAFETY: The reference is ours. It was pinned, so it is not in scratch memory. LUO
        // preserves a file once, so it is not preserved. Of its bytes none are accessed.
        let preserved = unsafe { KhoFolio::from_raw(self.0.as_ptr()) }?;
        // The reference is that of the result now.
        forget(self);
        Ok(preserved)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: The reference is ours.
        unsafe { bindings::folio_put(self.0.as_ptr()) };
    }
}

/// A page that has come from the previous kernel, and is nobody's else. Dropped, it is lost.
pub(crate) struct Arrived(NonNull<bindings::folio>);

impl Arrived {
    /// Takes a page over; [`EINVAL`] if what is there has another size.
    pub(crate) fn restore(address: u64, size: Size) -> Result<Self> {
        // SAFETY: The address was left by a file of the previous kernel, in its record.
        let folio = unsafe { PreservedPageRestored::restore(address) }?.into_raw();
        // SAFETY: It is a folio of ours.
        let found = unsafe { bindings::folio_size(folio) } as u64;
        match NonNull::new(folio) {
            Some(folio) if found == size.bytes() => Ok(Self(folio)),
            _ => Err(EINVAL),
        }
    }

    pub(crate) fn node(&self) -> u32 {
        // SAFETY: It is a folio of ours.
        unsafe { bindings::luo_hugetlb_node(self.0.as_ptr()) as u32 }
    }

    /// Gives it to the pool, in which it is counted.
    pub(crate) fn free(self, size: Size) {
        // SAFETY: It is ours alone, as KHO has restored it, and of this size.
        unsafe { bindings::luo_hugetlb_free_folio(size.0.as_ptr(), self.0.as_ptr()) };
    }
}

type PreservedPageRestored = KhoFolio<[u8; 0], Restored>;

/// What of a file is handed over beside its pages.
#[derive(Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) size: u64,
    pub(crate) position: u64,
    pub(crate) seals: u32,
    pub(crate) flags: u32,
    pub(crate) mode: u32,
}

/// Flags of an open file that can be set.
const FLAGS: u32 = bindings::O_APPEND | bindings::O_NONBLOCK;

/// The permissions in a mode.
const PERMISSIONS: u32 = 0o7777;

/// An open memfd in huge pages.
#[derive(Clone, Copy)]
pub(crate) struct HugeFile<'a>(&'a OpenFile);

impl<'a> HugeFile<'a> {
    pub(crate) fn new(file: &'a OpenFile) -> Option<Self> {
        // SAFETY: The file is open.
        unsafe { bindings::luo_hugetlb_is_memfd(file.as_ptr()) }.then_some(Self(file))
    }

    /// A new one, empty.
    pub(crate) fn create(size: Size) -> Result<ARef<OpenFile>> {
        let log = size.bytes().trailing_zeros();
        let flags =
            bindings::MFD_HUGETLB | bindings::MFD_ALLOW_SEALING | log << bindings::MFD_HUGE_SHIFT;
        // SAFETY: The name is a string.
        let file = from_err_ptr(unsafe { bindings::memfd_alloc_file(c"".as_char_ptr(), flags) })?;
        let file = NonNull::new(file.cast()).ok_or(ENOMEM)?;
        // SAFETY: It was opened with success; the reference is ours. `OpenFile` is transparent.
        Ok(unsafe { ARef::from_raw(file) })
    }

    fn inode(&self) -> *mut bindings::inode {
        // SAFETY: The file is open, and so has an inode, which stays the same.
        unsafe { (*self.0.as_ptr()).f_inode }
    }

    /// Identifies what several open files may be of.
    pub(crate) fn id(&self) -> usize {
        self.inode() as usize
    }

    pub(crate) fn size(&self) -> Result<Size> {
        // SAFETY: It is a file in huge pages.
        let size = unsafe { bindings::luo_hugetlb_hstate(self.0.as_ptr()) };
        NonNull::new(size).map(Size).ok_or(EINVAL)
    }

    /// Locks the inode: until then pages may come, but none go.
    pub(crate) fn lock(self) -> LockedFile<'a> {
        // SAFETY: The inode stays as long as the file is open.
        unsafe { bindings::down_write(&raw mut (*self.inode()).i_rwsem) };
        LockedFile(self)
    }

    /// Logs which file is not handed over, and why.
    pub(crate) fn complain(&self, what: &CStr) {
        // SAFETY: The file is open, and this is a string.
        unsafe { bindings::luo_hugetlb_complain(self.0.as_ptr(), what.as_char_ptr()) };
    }

    /// Sets them, of a new file.
    pub(crate) fn set_attributes(&self, attributes: &Attributes) -> Result {
        let file = self.0.as_ptr();
        let inode = self.inode();
        let limit = i64::MAX as u64;
        if attributes.size > limit || attributes.position > limit {
            return Err(EINVAL);
        }
        // SAFETY: The file is new, nobody else uses it.
        unsafe { (*file).f_pos = attributes.position as i64 };
        // SAFETY: As above.
        unsafe { (*file).f_flags |= attributes.flags & FLAGS };
        // SAFETY: As above, and so is the inode.
        unsafe { (*inode).i_mode &= !(PERMISSIONS as u16) };
        // SAFETY: As above.
        unsafe { (*inode).i_mode |= (attributes.mode & PERMISSIONS) as u16 };
        // SAFETY: As above.
        unsafe { (*inode).i_size = attributes.size as i64 };
        // SAFETY: The file is open. Any seals can be asked for.
        to_result(unsafe { bindings::memfd_add_seals(file, attributes.seals) })
    }

    /// Puts a page of its size into a new file; if that fails the page goes to the pool.
    pub(crate) fn add_page(&self, index: u64, page: Arrived) -> Result {
        let (file, folio) = (self.0.as_ptr(), page.0.as_ptr());
        // SAFETY: The page is ours alone, as KHO has restored it, and given away by this.
        to_result(unsafe { bindings::luo_hugetlb_add_folio(file, index as c_ulong, folio) })
    }

    /// Notes pages of a new file as reserved.
    pub(crate) fn add_region(&self, from: u64, to: u64) -> Result {
        // SAFETY: It is the inode of a file in huge pages.
        to_result(unsafe {
            bindings::luo_hugetlb_add_region(self.inode(), from as isize, to as isize)
        })
    }
}

/// A file of which the inode is locked.
pub(crate) struct LockedFile<'a>(HugeFile<'a>);

impl LockedFile<'_> {
    pub(crate) fn attributes(&self) -> Result<Attributes> {
        let file = self.0 .0.as_ptr();
        let inode = self.0.inode();
        // SAFETY: The file is open.
        let seals = unsafe { bindings::memfd_get_seals(file) };
        Ok(Attributes {
            seals: u32::try_from(seals).map_err(|_| Error::from_errno(seals))?,
            // SAFETY: The file is open. It can change at any time.
            position: unsafe { (&raw const (*file).f_pos).read_volatile() } as u64,
            // SAFETY: The file is open. They can change at any time.
            flags: unsafe { (&raw const (*file).f_flags).read_volatile() } & FLAGS,
            // SAFETY: The inode is locked.
            size: unsafe { (*inode).i_size } as u64,
            // SAFETY: The inode is locked.
            mode: u32::from(unsafe { (*inode).i_mode }) & PERMISSIONS,
        })
    }

    /// The first page from an index on, and its own.
    pub(crate) fn next_page(&self, from: u64) -> Result<Option<(u64, Page)>> {
        let mut index = from as c_ulong;
        // SAFETY: It is a file in huge pages, and its inode is locked.
        let folio = from_err_ptr(unsafe {
            bindings::luo_hugetlb_get_folio(self.0 .0.as_ptr(), &mut index)
        })?;
        Ok(NonNull::new(folio).map(|folio| (index as u64, Page(folio))))
    }

    /// The first part from an index on that is reserved.
    pub(crate) fn next_region(&self, index: u64) -> Option<(u64, u64)> {
        let (mut from, mut to) = (0, 0);
        // SAFETY: It is the inode of a file in huge pages. Both are ours to write.
        let found = unsafe {
            bindings::luo_hugetlb_next_region(self.0.inode(), index as isize, &mut from, &mut to)
        };
        found.then_some((from as u64, to as u64))
    }
}

impl Drop for LockedFile<'_> {
    fn drop(&mut self) {
        // SAFETY: It was locked by this.
        unsafe { bindings::up_write(&raw mut (*self.0.inode()).i_rwsem) };
    }
}

/// Takes pages that come off those that are to be allocated.
///
/// # Safety
///
/// At boot, before others run. `pages` is valid, and so are `MAX_NUMNODES` of `on_nodes`.
#[no_mangle]
unsafe extern "C" fn luo_hugetlb_take(order: c_uint, pages: *mut c_ulong, on_nodes: *mut c_uint) {
    // SAFETY: By the requirements of this function.
    let pages = unsafe { &mut *pages.cast() };
    // SAFETY: By the requirements of this function.
    let on_nodes = unsafe { core::slice::from_raw_parts_mut(on_nodes, NODES as usize) };
    boot::take(order, pages, on_nodes);
}

/// Counts the pages that come, when others are allocated.
#[no_mangle]
extern "C" fn luo_hugetlb_count_all() {
    boot::count_all();
}

/// Allocates a gigantic page at boot, unless those that come are enough. `mm/hugetlb.c` looks at the
/// numbers again after each.
///
/// # Safety
///
/// At boot, before others run, of a size of this machine.
#[no_mangle]
#[link_section = ".init.text"]
unsafe extern "C" fn arch_alloc_bootmem_huge_page(
    size: *mut bindings::hstate,
    node: c_int,
) -> *mut c_void {
    // SAFETY: By the requirements of this function.
    let hstate = unsafe { &mut *size };
    boot::take(
        hstate.order,
        // The same type, but for its name.
        &mut hstate.max_huge_pages,
        &mut hstate.max_huge_pages_node,
    );
    let wanted = match usize::try_from(node) {
        Ok(node) => hstate
            .max_huge_pages_node
            .get(node)
            .map_or(0, |&pages| pages as usize),
        Err(_) => hstate.max_huge_pages,
    };
    if wanted == 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: By the requirements of this function.
    unsafe { bindings::__alloc_bootmem_huge_page(size, node) }
}
