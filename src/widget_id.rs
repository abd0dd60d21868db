//! The ids of widgets: random, and those of a user's say whose they are to who knows both. A kernel that comes back with its ids
//! after the server was restarted gets its own and nobody else's, and does not learn which others exist.

use sha2::{Digest, Sha256};

use crate::random::random_id;

/// An id that nobody has had, for a widget of that user, if there are users.
pub fn fresh(owner: Option<&str>) -> String {
    let mut id = random_id();
    if let Some(owner) = owner {
        id.truncate(16);
        id += &signed(&id, owner);
    }
    id
}

/// Whether an id was made for this user.
pub fn is_of(id: &str, owner: &str) -> bool {
    id.split_at_checked(16).is_some_and(|(random, rest)| rest == signed(random, owner))
}

/// The second half of a user's id.
fn signed(random: &str, owner: &str) -> String {
    let digest = Sha256::new().chain_update(random).chain_update("\n").chain_update(owner).finalize();
    let (half, _) = digest.split_first_chunk::<8>().expect("a digest is longer");
    format!("{:016x}", u64::from_be_bytes(*half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::is_random_id;

    #[test]
    fn a_users_id_is_of_no_other_user() {
        let (id, other) = (fresh(Some("ann")), fresh(Some("ann")));
        assert_ne!(id, other);
        assert!(is_random_id(&id), "{id}");
        assert!(is_of(&id, "ann") && is_random_id(&fresh(None)));
        for (id, owner) in [(id.as_str(), "bob"), (&random_id(), "ann"), ("ann", "ann"), ("", "ann")] {
            assert!(!is_of(id, owner), "{id} {owner}");
        }
    }
}
