// SPDX-License-Identifier: GPL-2.0
//! What a command line asks for.

use std::fmt::Write;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Help,
    Create {
        session: &'a str,
    },
    Preserve {
        session: &'a str,
        token: u64,
        /// A path; `-` is standard input.
        file: &'a str,
    },
    List,
    Kexec {
        load: Option<Kernel<'a>>,
    },
    Retrieve {
        session: &'a str,
        token: u64,
        /// The program to run with the file, and its arguments, if there is one.
        program: &'a [&'a str],
    },
    Finish {
        session: &'a str,
    },
    Cancel {
        session: &'a str,
    },
    /// Keep the session on standard input open. `create` and `retrieve` start it.
    Keep,
}

/// A kernel to load.
#[derive(Debug, PartialEq, Eq)]
pub struct Kernel<'a> {
    pub kernel: &'a str,
    pub initrd: &'a str,
    /// The words of its command line; none for those of the running kernel.
    pub words: &'a [&'a str],
}

/// How each command is called, and what it does.
const USAGE: &[(&str, &str)] = &[
    ("create SESSION", "begin a session for the next kernel"),
    (
        "preserve SESSION TOKEN FILE",
        "add an open file, by a number of your choice; - is standard input",
    ),
    (
        "list",
        "show the sessions that processes have open: name, process, program",
    ),
    (
        "kexec [KERNEL INITRD [WORD...]]",
        "load a kernel, with these words or those of this one; boot what is loaded at once",
    ),
    (
        "retrieve SESSION TOKEN [PROGRAM...]",
        "get a file back as standard input of a program; without one show it",
    ),
    (
        "finish SESSION",
        "end a session in the next kernel; files that nobody has open are gone",
    ),
    (
        "cancel SESSION",
        "give up a session for the next kernel, and what was preserved",
    ),
];

/// What `luoctl help` prints.
pub fn help() -> String {
    let mut text = String::from(
        "luoctl: a live update by hand, through /dev/liveupdate\n\n\
         A session lasts as long as a process has it open: create and the first retrieve start\n\
         one that does nothing else, which finish and cancel end.\n\n",
    );
    for (usage, about) in USAGE {
        let _ = writeln!(text, "  luoctl {usage}\n      {about}");
    }
    text
}

/// What these arguments ask for, or one line that says what is wrong with them.
pub fn parse<'a>(args: &'a [&'a str]) -> Result<Command<'a>, String> {
    Ok(match *args {
        [] | ["help" | "--help" | "-h"] => Command::Help,
        ["create", session] => Command::Create { session },
        ["preserve", session, token, file] => Command::Preserve {
            session,
            token: number(token)?,
            file,
        },
        ["list"] => Command::List,
        ["kexec"] => Command::Kexec { load: None },
        ["kexec", kernel, initrd, ref words @ ..] => Command::Kexec {
            load: Some(Kernel {
                kernel,
                initrd,
                words,
            }),
        },
        ["retrieve", session, token, ref program @ ..] => Command::Retrieve {
            session,
            token: number(token)?,
            program,
        },
        ["finish", session] => Command::Finish { session },
        ["cancel", session] => Command::Cancel { session },
        ["keep", _] => Command::Keep,
        [name, ..] => return Err(misused(name)),
    })
}

fn misused(name: &str) -> String {
    let is_it = |usage: &str| usage.split(' ').next() == Some(name);
    match USAGE.iter().find(|(usage, _)| is_it(usage)) {
        Some((usage, _)) => format!("usage: luoctl {usage}"),
        None => format!("'{name}' is no command; luoctl help lists them"),
    }
}

/// Decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("'{text}' is no token; give a number, like 7 or 0x7"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command() {
        assert_eq!(parse(&[]), Ok(Command::Help));
        assert_eq!(
            parse(&["create", "vm"]),
            Ok(Command::Create { session: "vm" })
        );
        assert_eq!(
            parse(&["preserve", "vm", "0x1f", "-"]),
            Ok(Command::Preserve {
                session: "vm",
                token: 31,
                file: "-"
            })
        );
        assert_eq!(parse(&["list"]), Ok(Command::List));
        assert_eq!(
            parse(&["finish", "vm"]),
            Ok(Command::Finish { session: "vm" })
        );
        assert_eq!(
            parse(&["cancel", "vm"]),
            Ok(Command::Cancel { session: "vm" })
        );
        assert_eq!(parse(&["keep", "vm"]), Ok(Command::Keep));
    }

    #[test]
    fn kexec_with_and_without_a_kernel() {
        assert_eq!(parse(&["kexec"]), Ok(Command::Kexec { load: None }));
        let args = ["kexec", "/vmlinuz", "/initrd", "quiet", "kho=on"];
        let Ok(Command::Kexec { load: Some(load) }) = parse(&args) else {
            panic!("no kernel to load");
        };
        assert_eq!((load.kernel, load.initrd), ("/vmlinuz", "/initrd"));
        assert_eq!(load.words, ["quiet", "kho=on"]);
    }

    #[test]
    fn words_of_a_program_are_its_own() {
        let args = ["retrieve", "vm", "7", "sh", "-c", "list"];
        let Ok(Command::Retrieve { token, program, .. }) = parse(&args) else {
            panic!("nothing to retrieve");
        };
        assert_eq!((token, program), (7, &["sh", "-c", "list"][..]));
    }

    #[test]
    fn tokens() {
        assert_eq!(number("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(number("0xffffffffffffffff"), Ok(u64::MAX));
        for text in ["", "-1", "0x", "7x", "18446744073709551616"] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        for (args, line) in [
            (
                &["crate", "vm"][..],
                "'crate' is no command; luoctl help lists them",
            ),
            (&["create"], "usage: luoctl create SESSION"),
            (
                &["preserve", "vm", "7"],
                "usage: luoctl preserve SESSION TOKEN FILE",
            ),
            (&["list", "vm"], "usage: luoctl list"),
            (
                &["kexec", "/vmlinuz"],
                "usage: luoctl kexec [KERNEL INITRD [WORD...]]",
            ),
            (
                &["retrieve", "vm", "seven"],
                "'seven' is no token; give a number, like 7 or 0x7",
            ),
        ] {
            assert_eq!(parse(args), Err(line.to_string()));
        }
    }

    #[test]
    fn help_has_every_command() {
        for (usage, _) in USAGE {
            assert!(help().contains(usage));
        }
    }
}
