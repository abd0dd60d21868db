//! The fuzzer of all targets: `FRAMEHUB_FUZZ` names the one that is run.

#![no_main]

use std::{alloc::System, process, sync::OnceLock};

use cap::Cap;
use framehub::internals::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

/// Ends the process when an input makes it hold more than its target allows: libFuzzer can count only with a sanitizer.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

static CHOSEN: OnceLock<&Target> = OnceLock::new();

fuzz_target!(
    init: choose(),
    |input: &[u8]| (CHOSEN.get().expect("a target is chosen first").run)(input)
);

fn choose() {
    let name = std::env::var("FRAMEHUB_FUZZ").unwrap_or_default();
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("FRAMEHUB_FUZZ is `{name}`: set it to one of {}", names.join(", "));
        process::exit(2);
    };
    ALLOCATOR.set_limit(target.memory).expect("less is held at the start");
    CHOSEN.set(target).expect("nothing was chosen before");
}
