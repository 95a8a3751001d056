// SPDX-License-Identifier: GPL-2.0

//! `mm/hugetlb.c`, the files in huge pages, and KHO. All that is unsafe here is in this file.

use crate::{
    abi::Pools,
    boot,
    memfd::Attributes, //
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
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        SetOnce, //
    }, //
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
        1 << (PAGE_SHIFT as u32 + self.order())
    }

    /// Counts pages as allocated, and how many of them are surplus; less of both if negative.
    pub(crate) fn count(self, node: u32, pages: isize, surplus: isize) {
        let node = self::node(node) as c_int;
        // SAFETY: It is in a static array; the node is one of this kernel.
        unsafe { bindings::luo_hugetlb_count(self.0.as_ptr(), node, pages, surplus) };
    }

    /// A page has come that was counted on a node, maybe another one.
    pub(crate) fn arrived(self, counted: u32, node: u32) {
        let [counted, node] = [counted, node].map(|node| self::node(node) as c_int);
        // SAFETY: It is in a static array; the nodes are some of this kernel.
        unsafe { bindings::luo_hugetlb_arrived(self.0.as_ptr(), counted, node) };
    }

    /// Holds back so many more pages that are reserved; less if negative.
    pub(crate) fn hold(self, pages: isize) -> Result {
        // SAFETY: It is in a static array.
        to_result(unsafe { bindings::luo_hugetlb_hold(self.0.as_ptr(), pages) })
    }
}

#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
impl Size {
    /// How many pages there are, how many are free, reserved, and surplus.
    pub(crate) fn pool(self) -> [usize; 4] {
        let size = self.0.as_ptr();
        // SAFETY: It is in a static array. No reference is made, as others may change a number.
        unsafe {
            [
                (&raw const (*size).nr_huge_pages).read_volatile(),
                (&raw const (*size).free_huge_pages).read_volatile(),
                (&raw const (*size).resv_huge_pages).read_volatile(),
                (&raw const (*size).surplus_huge_pages).read_volatile(),
            ]
        }
    }

    /// Allows pages beyond what the pool has, and returns how many were.
    pub(crate) fn overcommit(self, pages: usize) -> usize {
        // SAFETY: It is in a static array. No reference is made, as others may read the number.
        unsafe {
            let to = &raw mut (*self.0.as_ptr()).nr_overcommit_huge_pages;
            let before = to.read_volatile();
            to.write_volatile(pages);
            before
        }
    }
}

/// How many nodes there can be.
const NODES: usize = 1 << bindings::NODES_SHIFT;

/// The node on which pages are counted that were on this one: the same, if it has memory here.
pub(crate) fn node(node: u32) -> u32 {
    // SAFETY: The function takes any number.
    unsafe { bindings::luo_hugetlb_node(node) as u32 }
}

/// How many small pages the machine has.
pub(crate) fn memory() -> u64 {
    // SAFETY: The function only reads.
    unsafe { bindings::luo_hugetlb_memory() as u64 }
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

/// The counts that the previous kernel has announced, which may be anything, and where they are.
/// They are read once, at boot: nobody has restored them by then.
pub(crate) fn came() -> Option<&'static (u64, Pools)> {
    static CAME: SetOnce<Option<(u64, Pools)>> = SetOnce::new();

    if CAME.as_ref().is_none() {
        CAME.populate(read_counts());
    }
    CAME.as_ref()?.as_ref()
}

/// What cannot be read is no counts.
fn read_counts() -> Option<(u64, Pools)> {
    let (mut address, mut size) = (0, 0);
    // SAFETY: The name is a string; both are ours to write.
    let found =
        unsafe { bindings::kho_retrieve_subtree(NODE.as_char_ptr(), &mut address, &mut size) };
    if found != 0 {
        return None;
    }
    let mut pools = Pools::zeroed();
    let to = core::ptr::from_mut(&mut pools).cast();
    // SAFETY: The function reads from any address, so many bytes, to ours. Any bytes are counts.
    let read = unsafe { bindings::luo_hugetlb_peek(to, address, size_of::<Pools>()) };
    let is_whole = read && size == size_of::<Pools>();
    Some((address, if is_whole { pools } else { Pools::zeroed() }))
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
        unsafe { bindings::luo_hugetlb_folio_node(self.0.as_ptr()) as u32 }
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
///
/// # Invariants
///
/// The folio was restored by KHO for this alone, and is of the size.
pub(crate) struct Arrived {
    folio: NonNull<bindings::folio>,
    size: Size,
}

impl Arrived {
    /// Takes a page over from an address that a file of the previous kernel has left in its record;
    /// [`EINVAL`] if there is none, or one of another size.
    pub(crate) fn restore(address: u64, size: Size) -> Result<Self> {
        // SAFETY: The address was left by a file. If that is damaged it may be another's, whose
        // pages KHO tells from others as little as it does for files of C.
        let folio = unsafe { KhoFolio::<[u8; 0], Restored>::restore(address) };
        let folio = folio.map_err(|_| EINVAL)?.into_raw();
        // SAFETY: It is a folio of ours.
        let found = unsafe { bindings::folio_size(folio) } as u64;
        match NonNull::new(folio) {
            // INVARIANT: KHO restores a folio once, and this is its size.
            Some(folio) if found == size.bytes() => Ok(Self { folio, size }),
            _ => Err(EINVAL),
        }
    }

    pub(crate) fn node(&self) -> u32 {
        // SAFETY: By the type invariants it is a folio of ours.
        unsafe { bindings::luo_hugetlb_folio_node(self.folio.as_ptr()) as u32 }
    }

    /// Gives it to the pool, in which it is counted.
    pub(crate) fn free(self) {
        let size = self.size.0.as_ptr();
        // SAFETY: By the type invariants it is ours alone, as KHO has restored it, of this size.
        unsafe { bindings::luo_hugetlb_free_folio(size, self.folio.as_ptr()) };
    }
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
}

/// A file that nobody else uses yet.
///
/// # Invariants
///
/// It is a memfd in huge pages of this size, and new.
pub(crate) struct NewFile {
    file: ARef<OpenFile>,
    size: Size,
}

impl NewFile {
    /// One without pages.
    pub(crate) fn new(size: Size, attributes: &Attributes) -> Result<Self> {
        let log = size.bytes().trailing_zeros();
        let flags =
            bindings::MFD_HUGETLB | bindings::MFD_ALLOW_SEALING | log << bindings::MFD_HUGE_SHIFT;
        // SAFETY: The name is a string.
        let file = from_err_ptr(unsafe { bindings::memfd_alloc_file(c"".as_char_ptr(), flags) })?;
        let file = NonNull::new(file.cast()).ok_or(ENOMEM)?;
        // SAFETY: It was opened with success; the reference is ours. `OpenFile` is transparent.
        let file = unsafe { ARef::from_raw(file) };
        // INVARIANT: It was just made.
        let new = Self { file, size };
        new.set_attributes(attributes)?;
        Ok(new)
    }

    fn set_attributes(&self, attributes: &Attributes) -> Result {
        let file = self.file.as_ptr();
        let limit = i64::MAX as u64;
        if attributes.size > limit || attributes.position > limit {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants nobody else uses the file.
        unsafe { (*file).f_pos = attributes.position as i64 };
        // SAFETY: As above.
        unsafe { (*file).f_flags |= attributes.flags & FLAGS };
        let inode = self.inode();
        // SAFETY: As above, and so is the inode.
        unsafe { (*inode).i_mode &= !(PERMISSIONS as u16) };
        // SAFETY: As above.
        unsafe { (*inode).i_mode |= (attributes.mode & PERMISSIONS) as u16 };
        // SAFETY: As above.
        unsafe { (*inode).i_size = attributes.size as i64 };
        // SAFETY: The file is open. Any seals can be asked for.
        to_result(unsafe { bindings::memfd_add_seals(file, attributes.seals) })
    }

    fn inode(&self) -> *mut bindings::inode {
        HugeFile(&self.file).inode()
    }

    /// Puts a page into it; if that fails the page goes to the pool.
    pub(crate) fn add_page(&self, index: u64, page: Arrived) -> Result {
        if page.size != self.size {
            return Err(EINVAL);
        }
        let (file, folio) = (self.file.as_ptr(), page.folio.as_ptr());
        // SAFETY: The file is new. The page is ours alone, as KHO has restored it, of this size,
        // and given away by this.
        to_result(unsafe { bindings::luo_hugetlb_add_folio(file, index as c_ulong, folio) })
    }

    /// Notes pages as reserved.
    pub(crate) fn add_region(&self, from: u64, to: u64) -> Result {
        // SAFETY: The file is a new one in huge pages.
        to_result(unsafe {
            bindings::luo_hugetlb_add_region(self.inode(), from as isize, to as isize)
        })
    }

    pub(crate) fn into_file(self) -> ARef<OpenFile> {
        self.file
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
            order: self.0.size()?.order(),
        })
    }

    /// Sets them, whatever they are now.
    pub(crate) fn set_seals(&self, seals: u32) {
        // SAFETY: It is a file in huge pages, and its inode is locked.
        unsafe { bindings::luo_hugetlb_set_seals(self.0 .0.as_ptr(), seals) };
    }

    /// Sets the size, behind which no page comes from then on if the file must not grow. Returns
    /// how many small pages there are.
    pub(crate) fn set_size(&self, size: u64) -> usize {
        // SAFETY: It is the inode of a file in huge pages, and locked.
        unsafe { bindings::luo_hugetlb_set_size(self.0.inode(), size as i64) }
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
    let on_nodes = unsafe { core::slice::from_raw_parts_mut(on_nodes, NODES) };
    boot::take(order, pages, on_nodes);
}

/// Counts the pages that come, when others are allocated.
#[no_mangle]
extern "C" fn luo_hugetlb_count_all() {
    boot::count_all();
}

/// Allocates a gigantic page at boot, unless those that come are enough. `mm/hugetlb.c` looks at
/// the numbers again after each.
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
