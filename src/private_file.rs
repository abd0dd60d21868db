//! Files for this user only, of which whoever looks sees all or nothing, and which are there after a crash of the machine.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, process::geteuid};

use crate::random::random_id;

/// Write permission of a file's group and of everybody else.
pub const GROUP_AND_OTHERS: u32 = 0o022;
/// Write permission of everybody who is neither the owner nor in the group.
pub const OTHERS: u32 = 0o002;
/// In a folder with this bit nobody renames or removes what is another user's, such as in `/tmp`.
const STICKY: u32 = 0o1000;

/// Puts a file there with that content, in place of the one before, if there is one.
///
/// # Errors
/// When it cannot be written. The one before stays then, or, if only the folder could not be brought to disk, nobody knows
/// which of the two is there after a crash.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = made_folder(path)?;
    drafted(path, content, |draft| fs::rename(draft, path))?;
    synced(folder)
}

/// Puts a file there with that content, unless there is one. Answers whether it did.
///
/// # Errors
/// When it cannot be written; there is none then.
pub fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    let folder = made_folder(path)?;
    let linked = drafted(path, content, |draft| {
        let linked = fs::hard_link(draft, path);
        // The draft's name, whatever came of it.
        fs::remove_file(draft)?;
        linked
    });
    match linked {
        Ok(()) => synced(folder).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// The content of a file; `None` if there is none.
///
/// # Errors
/// When it cannot be read, is longer than `longest` bytes or no file, or when somebody but this user and root may change it:
/// it is another user's, a symbolic link, or has a permission of `forbidden`. The message says what to do.
pub fn read(path: &Path, longest: u64, forbidden: u32) -> io::Result<Option<Vec<u8>>> {
    // A FIFO would hold the server up.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(_) if path.is_symlink() => return Err(unfit("it is a symbolic link: name the file itself")),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(unfit("it is no file: name another"));
    }
    check_owner(&found)?;
    if found.mode() & forbidden != 0 {
        return Err(unfit(format!("others may write it (mode {:o}): chmod 600", found.mode() & 0o7777)));
    }
    let mut content = Vec::new();
    file.take(longest + 1).read_to_end(&mut content)?;
    if content.len() as u64 > longest {
        return Err(unfit(format!("it is longer than {longest} bytes: name another")));
    }
    Ok(Some(content))
}

/// Checks that nobody but this user and root can put another file into a file's folder in its place.
///
/// # Errors
/// When somebody can; the message says what to do. None if there is no such folder.
pub fn check_folder(path: &Path) -> io::Result<()> {
    let folder = match fs::metadata(folder_of(path)) {
        Ok(folder) => folder,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mode = folder.mode() & 0o7777;
    check_owner(&folder).map_err(|error| unfit(format!("its folder: {error}")))?;
    if mode & GROUP_AND_OTHERS != 0 && mode & STICKY == 0 {
        return Err(unfit(format!("others may write its folder (mode {mode:o}): chmod go-w")));
    }
    Ok(())
}

/// An error of a file that is there and not to be trusted.
pub fn unfit(message: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message.into())
}

fn check_owner(found: &fs::Metadata) -> io::Result<()> {
    let us = geteuid().as_raw();
    if found.uid() == us || found.uid() == 0 {
        return Ok(());
    }
    Err(unfit(format!("it belongs to the user {}, and the server runs as {us}: chown it", found.uid())))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The folder of a file, which is made if there is none.
fn made_folder(path: &Path) -> io::Result<&Path> {
    let folder = folder_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    Ok(folder)
}

/// Writes a file beside `path` and has it put in its place. If that fails, none is left.
fn drafted(path: &Path, content: &[u8], put: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", random_id()));
    let draft = PathBuf::from(draft);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| put(&draft));
    if written.is_err() {
        // It may not have come to be.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Brings the names in a folder to disk.
fn synced(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems know no such thing: there, names are on disk at once.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsString,
        os::unix::fs::{PermissionsExt, chown, symlink},
    };

    use super::*;

    /// A folder for a test, and a file in it that is not there yet.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            let place = Self(std::env::temp_dir().join(format!("framehub-test-{}", random_id())));
            DirBuilder::new().mode(0o700).create(&place.0).unwrap();
            place
        }

        fn file(&self) -> PathBuf {
            self.0.join("file")
        }

        fn names(&self) -> Vec<OsString> {
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refusal(place: &Place) -> String {
        let read = check_folder(&place.file()).and_then(|()| read(&place.file(), 10, GROUP_AND_OTHERS));
        read.expect_err("it was read").to_string()
    }

    #[test]
    fn a_file_is_created_whole_for_its_user_and_only_once() {
        let place = Place::new();
        assert_eq!(read(&place.file(), 10, GROUP_AND_OTHERS).unwrap(), None);
        assert!(create(&place.file(), b"first").unwrap());
        assert!(!create(&place.file(), b"second").unwrap());
        assert_eq!(read(&place.file(), 5, GROUP_AND_OTHERS).unwrap().unwrap(), b"first");
        assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
        replace(&place.file(), b"third").unwrap();
        assert_eq!(read(&place.file(), 5, GROUP_AND_OTHERS).unwrap().unwrap(), b"third");
        assert_eq!(place.names(), ["file"], "a draft was left");
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_no_draft_and_the_one_before() {
        let place = Place::new();
        fs::create_dir_all(place.file().join("full")).unwrap();
        assert!(replace(&place.file(), b"content").is_err());
        assert!(!create(&place.file(), b"content").unwrap());
        assert!(create(&place.file().join("none").join("\0"), b"content").is_err());
        assert_eq!(place.names(), ["file"], "a draft was left");
    }

    #[test]
    fn a_file_that_others_may_change_is_not_read() {
        let place = Place::new();
        create(&place.file(), b"content").unwrap();
        for (mode, said) in [(0o666, "mode 666"), (0o620, "mode 620"), (0o602, "mode 602")] {
            set_mode(&place.file(), mode);
            assert!(refusal(&place).contains(said), "{}", refusal(&place));
        }
        assert!(read(&place.file(), 10, OTHERS).is_err());
        set_mode(&place.file(), 0o660);
        assert!(read(&place.file(), 10, OTHERS).unwrap().is_some(), "its own group may have it");
        set_mode(&place.file(), 0o600);
        for mode in [0o777, 0o770, 0o702] {
            set_mode(&place.0, mode);
            assert!(refusal(&place).contains("folder"), "{}", refusal(&place));
        }
        set_mode(&place.0, 0o1777);
        check_folder(&place.file()).unwrap();
    }

    #[test]
    fn a_link_a_folder_a_fifo_and_what_is_too_long_are_not_read() {
        let place = Place::new();
        let other = place.0.join("other");
        create(&other, b"content").unwrap();
        symlink(&other, place.file()).unwrap();
        assert!(refusal(&place).contains("symbolic link"), "{}", refusal(&place));
        fs::remove_file(place.file()).unwrap();
        fs::create_dir(place.file()).unwrap();
        assert!(refusal(&place).contains("no file"), "{}", refusal(&place));
        fs::remove_dir(place.file()).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, place.file(), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        assert!(refusal(&place).contains("no file"), "{}", refusal(&place));
        fs::remove_file(place.file()).unwrap();
        create(&place.file(), &[b'a'; 11]).unwrap();
        assert!(refusal(&place).contains("10 bytes"), "{}", refusal(&place));
    }

    #[test]
    fn another_users_file_is_not_read() {
        let place = Place::new();
        create(&place.file(), b"content").unwrap();
        // Only root can give a file away; for anybody else the owner is who runs the test.
        if chown(place.file(), Some(1234), None).is_ok() {
            assert!(refusal(&place).contains("1234"), "{}", refusal(&place));
            chown(place.file(), Some(0), None).unwrap();
            chown(&place.0, Some(1234), None).unwrap();
            assert!(refusal(&place).contains("folder"), "{}", refusal(&place));
        }
    }
}
