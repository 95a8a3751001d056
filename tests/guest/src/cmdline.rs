// SPDX-License-Identifier: GPL-2.0
//! The kernel command line: what to run, and the one for the next kernel.

use std::io;

/// `key` or `key=value` words, in order.
#[derive(Clone, Debug, Default)]
pub struct Cmdline {
    words: Vec<String>,
}

impl Cmdline {
    /// The command line of the running kernel.
    pub fn running() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string("/proc/cmdline")?))
    }

    /// Splits `text` into words.
    pub fn parse(text: &str) -> Self {
        Self {
            words: text.split_whitespace().map(str::to_string).collect(),
        }
    }

    /// The value of `key`; of several the last counts, as for the kernel.
    pub fn get(&self, key: &str) -> Option<&str> {
        let value_of = |word: &'_ String| -> Option<usize> {
            let (name, _) = word.split_once('=')?;
            (name == key).then_some(name.len() + 1)
        };
        self.words
            .iter()
            .rev()
            .find_map(|word| value_of(word).map(|at| &word[at..]))
    }

    /// The keys of all words.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter_map(|word| word.split('=').next())
    }

    /// Replaces or adds `key=value`.
    pub fn set(&mut self, key: &str, value: &str) {
        self.remove(key);
        self.words.push(format!("{key}={value}"));
    }

    /// Removes `key`, with or without a value.
    pub fn remove(&mut self, key: &str) {
        self.words
            .retain(|word| word.split('=').next() != Some(key));
    }

    /// The command line as one string.
    pub fn text(&self) -> String {
        self.words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_value_counts() {
        let line = Cmdline::parse("quiet a=1 b=2=3 a=4\n");
        assert_eq!(line.get("a"), Some("4"));
        assert_eq!(line.get("b"), Some("2=3"));
        assert_eq!(line.get("quiet"), None);
    }

    #[test]
    fn set_replaces_all() {
        let mut line = Cmdline::parse("a=1 x a=2");
        line.set("a", "3");
        assert_eq!(line.text(), "x a=3");
        line.remove("x");
        assert_eq!(line.text(), "a=3");
    }
}
