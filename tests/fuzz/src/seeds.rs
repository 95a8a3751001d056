// SPDX-License-Identifier: GPL-2.0

//! Inputs to start with: what is right, and one for each thing that can be wrong, whose names say
//! what they are; and the corpus, what fuzzing has found that reaches other code than these.

mod corpus;
mod flb_array;
mod handover;
mod hugetlb;
mod name;
#[cfg(test)]
mod tests;

/// A name, and an input.
type Seed = (&'static str, Vec<u8>);

/// What `seeds` writes of a target: all there is, each with the name of a file.
pub fn files(target: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let named = of(target)?.into_iter();
    let found = corpus::of(target)?.into_iter().enumerate();
    Some(
        named
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .chain(found.map(|(number, bytes)| (format!("corpus-{number:03}"), bytes)))
            .collect(),
    )
}

/// The seeds of a target.
fn of(target: &str) -> Option<Vec<Seed>> {
    match target {
        "flb_array" => Some(flb_array::seeds()),
        "handover" => Some(handover::seeds()),
        "hugetlb" => Some(hugetlb::seeds()),
        "name" => Some(name::seeds()),
        _ => None,
    }
}
