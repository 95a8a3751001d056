// SPDX-License-Identifier: GPL-2.0
//! A guest with one processor, its local APIC and a serial port.

use crate::memory::{self, CODE, DATA, PORT, PROGRAM, TABLES};
use crate::state::State;
use kvm_bindings::{
    kvm_cpuid_entry2, kvm_device_attr, kvm_enable_cap, kvm_msr_entry, kvm_segment,
    kvm_userspace_memory_region, kvm_xsave, CpuId, Msrs, KVMIO, KVM_CAP_SPLIT_IRQCHIP,
    KVM_MAX_CPUID_ENTRIES, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET,
};
use kvm_ioctls::{Cap, Kvm, VcpuExit, VcpuFd, VmFd};
use std::fs::File;
use std::io;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_sys_util::ioctl::ioctl_with_ref;
use vmm_sys_util::ioctl_iow_nr;

ioctl_iow_nr!(KVM_SET_DEVICE_ATTR, KVMIO, 0xe1, kvm_device_attr);

const MSR_TSC: u32 = 0x10;

/// Bits of registers: long mode with paging, and SSE.
const CR0: u64 = 0x8005_0033;
const CR4: u64 = 0x620;
const EFER: u64 = 0x500;
/// The second line of leaf 1: the local APIC's timer can wait for a value of the TSC.
const TSC_DEADLINE: u32 = 1 << 24;

/// A guest. It runs in `run()` alone.
pub struct Machine {
    kvm: Kvm,
    // Before the memory that it uses.
    vcpu: VcpuFd,
    _vm: VmFd,
    memory: GuestMemoryMmap,
    tsc_offset: u64,
}

/// What the TSC of this machine says.
pub fn tsc() -> u64 {
    // SAFETY: Each processor has a TSC.
    unsafe { std::arch::x86_64::_rdtsc() }
}

impl Machine {
    /// A guest that is about to begin, in the memory of `file`, which is zero. Its TSC begins, too.
    pub fn new(file: &File) -> io::Result<Self> {
        let kvm = Kvm::new()?;
        let mut cpuid = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)?;
        for leaf in cpuid.as_mut_slice() {
            if leaf.function == 1 {
                leaf.ecx |= TSC_DEADLINE;
            }
        }
        let machine = Self::without_state(kvm, file, cpuid.as_slice(), tsc().wrapping_neg())?;
        memory::fill(&machine.memory)?;
        machine.begin(file.metadata()?.len())?;
        Ok(machine)
    }

    /// A guest that goes on, in its memory.
    pub fn restore(file: &File, state: &State) -> io::Result<Self> {
        let machine = Self::without_state(Kvm::new()?, file, &state.cpuid, state.tsc_offset)?;
        let vcpu = &machine.vcpu;
        vcpu.set_sregs(&state.sregs)?;
        vcpu.set_regs(&state.regs)?;
        machine.set_xsave(&state.xsave)?;
        vcpu.set_xcrs(&state.xcrs)?;
        vcpu.set_debug_regs(&state.debug_regs)?;
        vcpu.set_lapic(&state.lapic)?;
        // The timer's deadline is one, which the local APIC has to be there for.
        machine.set_msrs(&state.msrs)?;
        vcpu.set_mp_state(state.mp_state)?;
        vcpu.set_vcpu_events(&state.events)?;
        Ok(machine)
    }

    fn without_state(
        kvm: Kvm,
        file: &File,
        cpuid: &[kvm_cpuid_entry2],
        tsc_offset: u64,
    ) -> io::Result<Self> {
        let vm = kvm.create_vm()?;
        // Of the interrupt controllers only the local APIC is in the kernel.
        vm.enable_cap(&kvm_enable_cap {
            cap: KVM_CAP_SPLIT_IRQCHIP,
            ..Default::default()
        })?;
        let memory = memory::map(file)?;
        let start = memory.get_host_address(GuestAddress(0));
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: file.metadata()?.len(),
            userspace_addr: start.map_err(io::Error::other)? as u64,
        };
        // SAFETY: It is mapped, and stays so longer than the virtual machine.
        unsafe { vm.set_user_memory_region(region)? };
        let vcpu = vm.create_vcpu(0)?;
        vcpu.set_cpuid2(&CpuId::from_entries(cpuid).map_err(io::Error::other)?)?;
        set_tsc_offset(&vcpu, tsc_offset)?;
        if vm.check_extension_int(Cap::Xsave2) as usize > size_of::<kvm_xsave>() {
            return Err(io::Error::other(
                "this processor has more state than is saved",
            ));
        }
        Ok(Self {
            kvm,
            vcpu,
            _vm: vm,
            memory,
            tsc_offset,
        })
    }

    /// Sets the registers of a guest that begins.
    fn begin(&self, memory: u64) -> io::Result<()> {
        let mut sregs = self.vcpu.get_sregs()?;
        let code = kvm_segment {
            limit: u32::MAX,
            selector: CODE,
            type_: 11,
            present: 1,
            s: 1,
            l: 1,
            g: 1,
            ..Default::default()
        };
        let data = kvm_segment {
            selector: DATA,
            type_: 3,
            db: 1,
            l: 0,
            ..code
        };
        sregs.cs = code;
        for segment in [
            &mut sregs.ds,
            &mut sregs.es,
            &mut sregs.fs,
            &mut sregs.gs,
            &mut sregs.ss,
        ] {
            *segment = data;
        }
        (sregs.gdt.base, sregs.gdt.limit) = memory::gdt();
        sregs.cr0 = CR0;
        sregs.cr3 = TABLES;
        sregs.cr4 = CR4;
        sregs.efer = EFER;
        self.vcpu.set_sregs(&sregs)?;

        let mut regs = self.vcpu.get_regs()?;
        regs.rip = PROGRAM;
        regs.rflags = 2;
        regs.rdi = u64::from(self.vcpu.get_tsc_khz()?) * 1000;
        regs.rsi = memory;
        Ok(self.vcpu.set_regs(&regs)?)
    }

    /// Runs it until a signal comes. Each byte that it sends by its serial port goes to `sent`.
    pub fn run(&mut self, mut sent: impl FnMut(u8)) -> io::Result<()> {
        loop {
            match self.vcpu.run() {
                Ok(VcpuExit::IoOut(PORT, bytes)) => bytes.iter().for_each(|byte| sent(*byte)),
                Ok(other) => return Err(io::Error::other(format!("the guest ended: {other:?}"))),
                Err(error) if error.errno() == libc::EINTR => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What the guest is beside its memory.
    pub fn save(&mut self, line: String) -> io::Result<State> {
        let vcpu = &self.vcpu;
        Ok(State {
            cpuid: vcpu.get_cpuid2(KVM_MAX_CPUID_ENTRIES)?.as_slice().to_vec(),
            tsc_offset: self.tsc_offset,
            // A processor that is about to be woken says so before anything else is read.
            mp_state: vcpu.get_mp_state()?,
            sregs: vcpu.get_sregs()?,
            regs: vcpu.get_regs()?,
            xsave: vcpu.get_xsave()?,
            xcrs: vcpu.get_xcrs()?,
            debug_regs: vcpu.get_debug_regs()?,
            lapic: vcpu.get_lapic()?,
            msrs: self.get_msrs()?,
            events: vcpu.get_vcpu_events()?,
            line,
        })
    }

    /// All that this guest has; a list may name some that it has not. Not the TSC, which goes on.
    fn get_msrs(&self) -> io::Result<Vec<kvm_msr_entry>> {
        let mut entries: Vec<_> = self
            .kvm
            .get_msr_index_list()?
            .as_slice()
            .iter()
            .filter(|index| **index != MSR_TSC)
            .map(|index| kvm_msr_entry {
                index: *index,
                ..Default::default()
            })
            .collect();
        loop {
            let mut msrs = Msrs::from_entries(&entries).map_err(io::Error::other)?;
            match self.vcpu.get_msrs(&mut msrs)? {
                read if read == entries.len() => return Ok(msrs.as_slice().to_vec()),
                refused => drop(entries.remove(refused)),
            }
        }
    }

    fn set_msrs(&self, entries: &[kvm_msr_entry]) -> io::Result<()> {
        let msrs = Msrs::from_entries(entries).map_err(io::Error::other)?;
        match entries.get(self.vcpu.set_msrs(&msrs)?) {
            None => Ok(()),
            Some(refused) => Err(io::Error::other(format!(
                "MSR {:#x} is refused",
                refused.index
            ))),
        }
    }

    fn set_xsave(&self, xsave: &kvm_xsave) -> io::Result<()> {
        // SAFETY: It is as large as what the kernel reads, see without_state().
        unsafe { self.vcpu.set_xsave(xsave)? };
        Ok(())
    }

    /// How often the guest's TSC ticks in a millisecond.
    pub fn tsc_khz(&self) -> io::Result<u32> {
        Ok(self.vcpu.get_tsc_khz()?)
    }
}

fn set_tsc_offset(vcpu: &VcpuFd, offset: u64) -> io::Result<()> {
    let attribute = kvm_device_attr {
        group: KVM_VCPU_TSC_CTRL,
        attr: u64::from(KVM_VCPU_TSC_OFFSET),
        addr: &raw const offset as u64,
        flags: 0,
    };
    // SAFETY: It is an attribute of a processor, and a number of its size, which is read.
    match unsafe { ioctl_with_ref(vcpu, KVM_SET_DEVICE_ATTR(), &attribute) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
