// SPDX-License-Identifier: GPL-2.0

//! How much of the machine's memory is free.

use crate::sys;
use std::{fs, io};

/// What is free, in bytes. The lists of each CPU are counted too, on which many MiB may lie, and
/// which the kernel's own number of free pages leaves out.
pub fn free() -> io::Result<u64> {
    let pages = pages(&fs::read_to_string("/proc/zoneinfo")?)
        .ok_or_else(|| io::Error::other("/proc/zoneinfo has no free pages"))?;
    Ok(pages * sys::page_size()?)
}

/// A line of what the kernel tells of its memory, in bytes.
pub fn info(line: &str) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let number = text.lines().find_map(|found| {
        let mut words = found.strip_prefix(line)?.split_whitespace();
        words.next()?.parse::<u64>().ok()
    });
    let number = number.ok_or_else(|| io::Error::other("no such line in /proc/meminfo"))?;
    Ok(number << 10)
}

/// The free pages of all zones, if there are any.
fn pages(zoneinfo: &str) -> Option<u64> {
    let numbers = zoneinfo.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        match words.next()? {
            "nr_free_pages" | "count:" => words.next()?.parse::<u64>().ok(),
            _ => None,
        }
    });
    let sum = numbers.sum();
    (sum > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_pages_are_those_of_the_zones_and_of_the_cpus() {
        let zoneinfo = "\
Node 0, zone      DMA
  pages free     3840
        managed  3840
      nr_free_pages 3840
      nr_free_pages_blocks 3584
  pagesets
    cpu: 0
              count:    0
              high:     14
Node 0, zone    DMA32
  pages free     100
      nr_free_pages 100
  pagesets
    cpu: 0
              count:    20
              high:     14
    cpu: 1
              count:    3
";
        assert_eq!(pages(zoneinfo), Some(3840 + 100 + 20 + 3));
    }

    #[test]
    fn a_file_without_them_is_no_answer() {
        assert_eq!(pages("Node 0, zone DMA\n  pages free     3840\n"), None);
    }
}
