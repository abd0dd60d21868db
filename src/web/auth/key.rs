//! The access key of a server.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use subtle::ConstantTimeEq;

use crate::hub::random_id;

/// The access key. It is compared in constant time and never printed by accident.
#[derive(Clone)]
pub struct AccessKey(String);

impl AccessKey {
    /// A key that the operator chose.
    pub fn new(key: String) -> Self {
        Self(key)
    }

    /// A fresh one of 128 random bits.
    pub fn random() -> Self {
        Self(random_id())
    }

    /// The key that is kept in a file, readable for this user only; made at random when there is none.
    ///
    /// # Errors
    /// When the file can neither be read nor made.
    pub fn kept_in(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let fresh = Self::random();
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                file.write_all(fresh.0.as_bytes())?;
                Ok(fresh)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut text = String::new();
                fs::File::open(path)?.take(1024).read_to_string(&mut text)?;
                let key = text.trim();
                if key.len() < 8 {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the file holds no key: remove it",
                    ));
                }
                Ok(Self(key.to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Where the key is kept unless told otherwise; `None` where the user has no home.
    pub fn default_file() -> Option<PathBuf> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
        Some(state.join("framehub/key"))
    }

    /// Whether `given` is the key, in time that does not depend on where they differ.
    pub fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// Whether any of `given` is the key.
    pub fn matches_any(&self, given: &[String]) -> bool {
        given.iter().fold(false, |found, given| self.matches(given) | found)
    }

    /// The key itself, for the cookie and the address that is printed at the start.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_kept_key_stays_the_same_and_is_for_its_user_only() {
        let folder = std::env::temp_dir().join(format!("framehub-test-{}", random_id()));
        let path = folder.join("key");
        let made = AccessKey::kept_in(&path).unwrap();
        assert!(AccessKey::kept_in(&path).unwrap().matches(made.reveal()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "").unwrap();
        assert!(AccessKey::kept_in(&path).is_err(), "an empty key was taken");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_key_is_not_printed_by_accident() {
        let key = AccessKey::new("very-secret".to_owned());
        assert!(!format!("{key:?}").contains("secret"));
        assert!(key.matches("very-secret") && !key.matches("very-secres") && !key.matches(""));
    }
}
