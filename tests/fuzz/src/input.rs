// SPDX-License-Identifier: GPL-2.0

//! Taking an input apart. What is missing at its end is zero.

/// The rest of an input.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// The next bytes, as many as there are up to `len`.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let bytes = self.bytes(N);
        let mut array = [0; N];
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// One of `choices`.
    pub(crate) fn choice<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// The next number.
    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.array())
    }
}

/// The page sizes that there are: the one of x86, and all of arm64.
pub(crate) const PAGE_SIZES: [u64; 3] = [4 << 10, 16 << 10, 64 << 10];
