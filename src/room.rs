//! Large memory, asked for in a way that may fail: what takes more than there is ends with an error, not with the process.

/// Memory that is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes of memory are not to be had: lower {limit}, or give the server more memory")]
pub struct NoRoom {
    /// How much was asked for.
    pub bytes: usize,
    /// The limit that allowed it.
    pub limit: &'static str,
}

/// An empty list with room for so many, which `limit` allows.
///
/// # Errors
/// When there is not that much memory.
pub fn empty<T>(count: usize, limit: &'static str) -> Result<Vec<T>, NoRoom> {
    let mut list = Vec::new();
    let bytes = count.saturating_mul(size_of::<T>());
    list.try_reserve_exact(count).map_err(|_| NoRoom { bytes, limit })?;
    Ok(list)
}

/// So many copies of a value, which `limit` allows.
///
/// # Errors
/// As [`empty`].
pub fn filled<T: Clone>(count: usize, value: T, limit: &'static str) -> Result<Vec<T>, NoRoom> {
    let mut list = empty(count, limit)?;
    list.resize(count, value);
    Ok(list)
}

/// Looks whether so much memory is there, for a library that is about to ask for it and would end the process without.
///
/// # Errors
/// As [`empty`].
pub fn look_for(bytes: usize, limit: &'static str) -> Result<(), NoRoom> {
    empty::<u8>(bytes, limit).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_no_machine_has_is_an_error_that_names_the_limit() {
        let error = filled(usize::MAX / 8, 0_u32, "--max-pixels").unwrap_err();
        assert_eq!(error.bytes, usize::MAX / 8 * 4);
        assert!(error.to_string().contains("lower --max-pixels"), "{error}");
        assert!(look_for(usize::MAX, "--max-pixels").is_err());
    }

    #[test]
    fn a_list_has_what_was_asked_for_and_no_more() {
        assert_eq!(filled(3, 7_u8, "--max-pixels"), Ok(vec![7; 3]));
        assert_eq!(empty::<u16>(100, "--max-pixels").unwrap().capacity(), 100);
    }
}
