// SPDX-License-Identifier: GPL-2.0

//! A list in the order of arrival, from which anything can be taken by its place.
//!
//! Looking up a place takes as many steps as the number of places has digits in binary; so does
//! taking one out, on average, as the gaps that are left are closed when they are most of the list.

#![forbid(unsafe_code)]

use kernel::prelude::*;

/// Where a value is in an [`Arrivals`]. Grows with each arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

/// A list in the order of arrival.
///
/// # Invariants
///
/// The places in `values` grow, and are below `next`. `gaps` of them have no value, the last one
/// has.
pub(crate) struct Arrivals<T> {
    values: KVVec<(Place, Option<T>)>,
    next: u64,
    gaps: usize,
}

impl<T> Arrivals<T> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self {
            values: KVVec::new(),
            next: 0,
            gaps: 0,
        }
    }

    /// Appends a value; [`ENOMEM`] if there is no memory. May sleep.
    #[inline(never)]
    pub(crate) fn push(&mut self, value: T) -> Result<Place> {
        // INVARIANT: The place is above all others.
        let place = Place(self.next);
        self.values.push((place, Some(value)), GFP_KERNEL)?;
        self.next = self.next.wrapping_add(1);
        Ok(place)
    }

    /// The values, in order.
    #[inline]
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.values.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// The values, in order.
    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.values
            .iter_mut()
            .filter_map(|(_, value)| value.as_mut())
    }

    /// How many values there are, and gaps between them.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    fn slot(&mut self, place: Place) -> Option<&mut Option<T>> {
        let index = self
            .values
            .binary_search_by_key(&place, |(place, _)| *place);
        self.values.get_mut(index.ok()?).map(|(_, value)| value)
    }

    /// The value at a place.
    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.slot(place)?.as_mut()
    }

    /// Takes out the value at a place.
    #[inline(never)]
    pub(crate) fn remove(&mut self, place: Place) -> Option<T> {
        let value = self.slot(place)?.take()?;
        self.gaps = self.gaps.saturating_add(1);
        // INVARIANT: The last one has a value.
        while let Some((_, None)) = self.values.last() {
            self.values.pop();
            self.gaps = self.gaps.saturating_sub(1);
        }
        if self.gaps > self.values.len() / 2 {
            self.retain(|_| true);
        }
        Some(value)
    }

    /// Keeps only the values of which `keeps` says so.
    #[inline(never)]
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&mut T) -> bool) {
        self.values
            .retain(|(_, value)| value.as_mut().is_some_and(&mut keeps));
        // INVARIANT: There is no gap any more.
        self.gaps = 0;
    }
}
