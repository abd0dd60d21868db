//! The file that tells other programs of the same user where a server is and how to get in.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::private_file;

/// What the file says, as JSON.
#[derive(Debug, Serialize)]
pub struct Whereabouts<'a> {
    /// The server's address; ends with a slash.
    pub url: &'a str,
    /// The access key; `null` when everyone may connect.
    pub key: Option<&'a str>,
    /// What the server proves with that it is the one of this file, before it is sent the key.
    pub proof: &'a str,
    /// The server's process.
    pub pid: u32,
    /// The server's version.
    pub version: &'a str,
}

/// The file of a server that runs. It goes when this does, unless another server has put its own in its place.
#[derive(Debug)]
pub struct RuntimeFile {
    path: PathBuf,
    content: Vec<u8>,
}

impl RuntimeFile {
    /// Writes the file, readable for this user only: whoever looks sees all of it or none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(path: &Path, whereabouts: &Whereabouts) -> io::Result<Self> {
        let content = serde_json::to_vec(whereabouts)?;
        private_file::replace(path, &content)?;
        Ok(Self { path: path.to_owned(), content })
    }
}

impl Drop for RuntimeFile {
    fn drop(&mut self) {
        let ours = fs::read(&self.path).is_ok_and(|content| content == self.content);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the runtime file cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::random::random_id;

    fn whereabouts(pid: u32) -> Whereabouts<'static> {
        Whereabouts { url: "http://127.0.0.1:1/", key: Some("secret-key"), proof: "p", pid, version: "1.2.3" }
    }

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("framehub-test-{}", random_id()))
    }

    #[test]
    fn it_is_for_its_user_only_and_goes_with_the_server() {
        let folder = folder();
        let path = folder.join("server.json");
        let file = RuntimeFile::write(&path, &whereabouts(7)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!((&json["url"], &json["key"]), (&"http://127.0.0.1:1/".into(), &"secret-key".into()));
        assert_eq!((&json["pid"], &json["version"]), (&7.into(), &"1.2.3".into()));
        assert_eq!(json["proof"], "p");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a draft was left");
        drop(file);
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn another_servers_file_stays() {
        let folder = folder();
        let path = folder.join("server.json");
        let first = RuntimeFile::write(&path, &whereabouts(1)).unwrap();
        let second = RuntimeFile::write(&path, &whereabouts(2)).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_no_draft() {
        let folder = folder();
        fs::create_dir_all(folder.join("server.json/full")).unwrap();
        assert!(RuntimeFile::write(&folder.join("server.json"), &whereabouts(1)).is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a draft was left");
        fs::remove_dir_all(&folder).unwrap();
    }
}
