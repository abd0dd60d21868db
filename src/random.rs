//! What nobody guesses.

/// 128 random bits as text: an id that nobody guesses, of 32 digits out of `0-9 a-f`.
///
/// # Panics
/// As [`random_bytes`].
pub fn random_id() -> String {
    format!("{:032x}", u128::from_be_bytes(random_bytes()))
}

/// Returns true if a text may have been made by [`random_id`].
pub fn is_random_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// So many random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: nothing could be kept secret then.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_its_form_and_never_the_same() {
        let (id, other) = (random_id(), random_id());
        assert!(is_random_id(&id) && is_random_id(&other) && id != other, "{id} {other}");
        for other in
            ["", "0", &id[1..], &format!("{id}0"), &id.replace(|_| true, "A"), &id.replace(|_| true, "g")]
        {
            assert!(!is_random_id(other), "{other}");
        }
    }
}
