//! The access key of a server.

use std::{
    io,
    path::{Path, PathBuf},
};

use subtle::ConstantTimeEq;

use crate::{config::is_key, private_file, random::random_id};

/// Longest key file, in bytes.
const LONGEST_FILE: u64 = 1024;

/// Why there is no key in its file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is a file, and it holds no key, or somebody else may have written it.
    #[error("the key file {path} cannot be used: {error}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        error: io::Error,
    },
    /// There is none, and it cannot be made.
    #[error("the key file {path} cannot be made: {error}")]
    NotMade {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

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
    /// When the file can neither be read nor made. When it holds no key, or somebody else may change it.
    pub fn kept_in(path: &Path) -> Result<Self, KeyFileError> {
        let unfit = |error| KeyFileError::Unfit { path: path.to_owned(), error };
        if let Some(key) = Self::read(path).map_err(unfit)? {
            return Ok(key);
        }
        let fresh = Self::random();
        match private_file::create(path, fresh.0.as_bytes()) {
            Ok(true) => Ok(fresh),
            // Another server was quicker.
            Ok(false) => {
                Self::read(path).map_err(unfit)?.ok_or_else(|| unfit(io::ErrorKind::NotFound.into()))
            }
            Err(error) => Err(KeyFileError::NotMade { path: path.to_owned(), error }),
        }
    }

    /// The key in a file; `None` if there is no file.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        private_file::check_folder(path)?;
        let Some(text) = private_file::read(path, LONGEST_FILE, private_file::GROUP_AND_OTHERS)? else {
            return Ok(None);
        };
        let key = std::str::from_utf8(&text).unwrap_or_default().trim();
        if !is_key(key) {
            let message = "it holds no key (at least 16 characters out of A-Z a-z 0-9 - _ . ~): remove it, and a fresh one is made";
            return Err(private_file::unfit(message));
        }
        Ok(Some(Self(key.to_owned())))
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

    /// The key itself, for the address that is printed at the start.
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
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// A folder that is not there yet, and goes with this.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("framehub-test-{}", random_id())))
        }

        fn file(&self) -> PathBuf {
            self.0.join("key")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_kept_key_stays_the_same_and_is_for_its_user_only() {
        let place = Place::new();
        let made = AccessKey::kept_in(&place.file()).unwrap();
        assert!(AccessKey::kept_in(&place.file()).unwrap().matches(made.reveal()));
        assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1, "a draft was left");
    }

    #[test]
    fn a_file_that_holds_no_key_is_no_key_and_stays() {
        let place = Place::new();
        AccessKey::kept_in(&place.file()).unwrap();
        let long = "a".repeat(1025);
        for text in ["", "\n", "short", "eight ch", "pässword", "key\0key\0key", "key-with-\nlines", &long] {
            fs::write(place.file(), text).unwrap();
            let error = AccessKey::kept_in(&place.file()).expect_err(text).to_string();
            assert!(error.contains(place.file().to_str().unwrap()), "{error}");
            assert_eq!(fs::read_to_string(place.file()).unwrap(), text);
        }
        fs::write(place.file(), "key-of-the-operator\n").unwrap();
        assert!(AccessKey::kept_in(&place.file()).unwrap().matches("key-of-the-operator"));
    }

    #[test]
    fn a_key_that_others_could_have_written_is_not_taken() {
        let place = Place::new();
        AccessKey::kept_in(&place.file()).unwrap();
        set_mode(&place.file(), 0o666);
        let error = AccessKey::kept_in(&place.file()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        set_mode(&place.file(), 0o600);
        set_mode(&place.0, 0o777);
        assert!(AccessKey::kept_in(&place.file()).is_err(), "anybody could put another file there");
        fs::remove_file(place.file()).unwrap();
        assert!(AccessKey::kept_in(&place.file()).is_err(), "a key was made where anybody may replace it");
        set_mode(&place.0, 0o700);
        fs::write(place.0.join("other"), "key-of-somebody").unwrap();
        std::os::unix::fs::symlink(place.0.join("other"), place.file()).unwrap();
        assert!(AccessKey::kept_in(&place.file()).is_err(), "a symbolic link was followed");
    }

    #[test]
    fn a_key_that_cannot_be_kept_leaves_nothing_behind() {
        let place = Place::new();
        fs::write(&place.0, "no folder").unwrap();
        assert!(AccessKey::kept_in(&place.file()).is_err());
        fs::remove_file(&place.0).unwrap();
        let made = AccessKey::kept_in(&place.file()).unwrap();
        assert!(AccessKey::kept_in(&place.file()).unwrap().matches(made.reveal()));
    }

    #[test]
    fn a_key_is_not_printed_by_accident() {
        let key = AccessKey::new("very-secret".to_owned());
        assert!(!format!("{key:?}").contains("secret"));
        assert!(key.matches("very-secret") && !key.matches("very-secres") && !key.matches(""));
    }
}
