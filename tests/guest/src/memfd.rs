// SPDX-License-Identifier: GPL-2.0
//! Memfds with data that both kernels can compute from a seed.

use crate::sys;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const CHUNK: usize = 64 * 1024;

/// A file to preserve: its token, and its content as size and seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    pub token: u64,
    pub size: u64,
    pub seed: u64,
}

impl Blob {
    /// A blob of `size` bytes; the token serves as the seed.
    pub const fn new(token: u64, size: u64) -> Self {
        Self {
            token,
            size,
            seed: token,
        }
    }

    /// A memfd with this content.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let file = sys::memfd_create(name)?;
        self.write(&file)?;
        Ok(file)
    }

    /// Writes the content over `file`.
    pub fn write(&self, file: &File) -> io::Result<()> {
        file.set_len(self.size)?;
        let mut random = Random::new(self.seed);
        let mut buffer = vec![0; CHUNK];
        let mut at = 0;
        while at < self.size {
            let part = &mut buffer[..CHUNK.min((self.size - at) as usize)];
            random.fill(part);
            file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// The content at once.
    pub fn content(&self) -> Vec<u8> {
        let mut content = vec![0; self.size as usize];
        Random::new(self.seed).fill(&mut content);
        content
    }

    /// The checksum that the content has to have.
    pub fn checksum(&self) -> u64 {
        let mut random = Random::new(self.seed);
        let mut buffer = vec![0; CHUNK];
        let mut sum = Checksum::default();
        let mut left = self.size;
        while left > 0 {
            let part = &mut buffer[..CHUNK.min(left as usize)];
            random.fill(part);
            sum.update(part);
            left -= part.len() as u64;
        }
        sum.value()
    }

    /// Size and checksum of `file` as it is.
    pub fn measure(file: &File) -> io::Result<(u64, u64)> {
        let size = file.metadata()?.len();
        let mut buffer = vec![0; CHUNK];
        let mut sum = Checksum::default();
        let mut at = 0;
        while at < size {
            let part = &mut buffer[..CHUNK.min((size - at) as usize)];
            file.read_exact_at(part, at)?;
            sum.update(part);
            at += part.len() as u64;
        }
        Ok((size, sum.value()))
    }
}

/// The checksum of what is in memory.
pub fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = Checksum::default();
    sum.update(bytes);
    sum.value()
}

/// splitmix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn fill(&mut self, buffer: &mut [u8]) {
        for word in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            word.copy_from_slice(&bytes[..word.len()]);
        }
    }
}

/// FNV-1a over 64-bit words (the last one padded with zeros), mixed at the end: every step is a
/// bijection of the state, so any single changed word changes the sum.
struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// All parts but the last must be multiples of 8 long.
    fn update(&mut self, part: &[u8]) {
        for word in part.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            self.0 = (self.0 ^ u64::from_le_bytes(bytes)).wrapping_mul(0x0000_0100_0000_01b3);
            self.0 ^= self.0 >> 29;
        }
    }

    fn value(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_measures_the_same() {
        for size in [1, 4096, CHUNK as u64, CHUNK as u64 + 13] {
            let blob = Blob::new(7, size);
            let file = blob.create("test").unwrap();
            assert_eq!(Blob::measure(&file).unwrap(), (size, blob.checksum()));
        }
    }

    #[test]
    fn in_parts_and_at_once() {
        let blob = Blob::new(5, 2 * CHUNK as u64 + 3);
        assert_eq!(checksum(&blob.content()), blob.checksum());
    }

    #[test]
    fn one_changed_byte_shows() {
        let blob = Blob::new(9, 10_000);
        let file = blob.create("test").unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 9_999).unwrap();
        file.write_all_at(&[byte[0] ^ 1], 9_999).unwrap();
        assert_ne!(Blob::measure(&file).unwrap().1, blob.checksum());
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(Blob::new(1, 64).checksum(), Blob::new(2, 64).checksum());
    }
}
