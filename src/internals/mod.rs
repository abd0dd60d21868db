//! Doors for the fuzzer: each target takes bytes as they come from outside, and panics when something does not hold that must.
//!
//! There is no promise about anything in here: it is behind the feature `internals`, and for `fuzz/` alone. The seeds in
//! `fuzz/seeds/` are run as a test of this module, so that an input that was found once stays a test.

mod access;
mod encoders;
mod http;
mod intake;
mod kernel;
mod pictures;
mod shared;
mod view;

/// What is fuzzed.
#[derive(Debug)]
pub struct Target {
    /// As the folder of its seeds is called.
    pub name: &'static str,
    /// Takes one input.
    pub run: fn(&[u8]),
    /// Most memory that the process holds meanwhile, in bytes.
    pub memory: usize,
}

const MIB: usize = 1 << 20;

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "access", run: access::run, memory: 64 * MIB },
    Target { name: "encoders", run: encoders::run, memory: 64 * MIB },
    Target { name: "http", run: http::run, memory: 256 * MIB },
    Target { name: "intake", run: intake::run, memory: 64 * MIB },
    Target { name: "kernel", run: kernel::run, memory: 64 * MIB },
    Target { name: "pictures", run: pictures::run, memory: 256 * MIB },
    Target { name: "shares", run: shared::shares, memory: 64 * MIB },
    Target { name: "traits", run: shared::traits, memory: 64 * MIB },
    Target { name: "view", run: view::run, memory: 64 * MIB },
];

/// The parts of an input between line breaks: so a seed can be written by hand.
fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == b'\n')
}

/// Longest message about what was wrong with an input, in bytes: it repeats no more of it than the start.
const LONGEST_REFUSAL: usize = 1024;

/// Checks what is told about a bad input.
fn check_told(message: &str) {
    assert!(!message.is_empty(), "nothing is told");
    assert!(message.len() <= LONGEST_REFUSAL, "{} bytes are told: {message}", message.len());
}

#[cfg(test)]
mod tests {
    use std::{fs, panic::catch_unwind, path::Path};

    use super::*;

    #[test]
    fn no_seed_breaks_its_target() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let mut broken = Vec::new();
        for target in TARGETS {
            let seeds = fs::read_dir(folder.join(target.name)).expect(target.name);
            let seeds: Vec<_> = seeds.map(|seed| seed.unwrap().path()).collect();
            assert!(!seeds.is_empty(), "{} has no seeds", target.name);
            for seed in seeds {
                let input = fs::read(&seed).unwrap();
                if catch_unwind(|| (target.run)(&input)).is_err() {
                    broken.push(seed);
                }
            }
        }
        assert!(broken.is_empty(), "{broken:#?}");
    }
}
