// SPDX-License-Identifier: GPL-2.0

//! A list that only grows: it is read without a lock, and what is in it never moves.

#![forbid(unsafe_code)]

use kernel::{prelude::*, sync::SetOnce};

/// A list of pinned values. Dropping it drops them.
pub(crate) struct Chain<T>(SetOnce<Pin<KBox<Link<T>>>>);

/// A value on its way into a [`Chain`].
#[pin_data]
pub(crate) struct Link<T> {
    #[pin]
    value: T,
    next: Chain<T>,
}

impl<T> Link<T> {
    /// Allocates a value. May sleep.
    pub(crate) fn new(value: impl PinInit<T>) -> Result<Pin<KBox<Self>>> {
        let link = pin_init!(Self {
            value <- value,
            next: Chain::new(),
        });
        KBox::pin_init(link, GFP_KERNEL)
    }
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

    /// Appends a value. The caller sees to it that nobody else does meanwhile.
    pub(crate) fn push(&self, link: Pin<KBox<Link<T>>>) {
        let mut end = &self.0;
        while let Some(link) = end.as_ref() {
            end = &link.next.0;
        }
        end.populate(link);
    }
}
