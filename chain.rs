// SPDX-License-Identifier: GPL-2.0

//! A list that only grows: it is read without a lock, and what is in it never moves.

#![forbid(unsafe_code)]

use kernel::{prelude::*, sync::SetOnce};

/// A list of pinned values. Dropping it drops them.
pub(crate) struct Chain<T>(SetOnce<Pin<KBox<Link<T>>>>);

#[pin_data]
struct Link<T> {
    #[pin]
    value: T,
    next: Chain<T>,
}

impl<T> Chain<T> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self(SetOnce::new())
    }

    /// The values, in the order in which they were appended.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let links = core::iter::successors(self.0.as_ref(), |link| link.next.0.as_ref());
        links.map(|link| &link.value)
    }

    /// Appends a value; [`ENOMEM`] if there is no memory, [`EBUSY`] if somebody else is appending.
    /// The caller sees to it that nobody is. May sleep.
    pub(crate) fn push(&self, value: impl PinInit<T>) -> Result {
        let link = pin_init!(Link {
            value <- value,
            next: Chain::new(),
        });
        let link = KBox::pin_init(link, GFP_KERNEL)?;
        let mut end = &self.0;
        while let Some(link) = end.as_ref() {
            end = &link.next.0;
        }
        match end.populate(link) {
            true => Ok(()),
            false => Err(EBUSY),
        }
    }
}
