//! The folder of pictures: which there are, which may be opened, and which are open.

use std::{
    collections::HashMap,
    fs::File,
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
    sync::{Arc, Weak},
};

use ::image::ImageFormat;
use parking_lot::Mutex;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::source::{Picture, PictureError};

/// Most memory for all open pictures together, in bytes. Widgets that show the same file share it.
const MAX_OPEN: usize = 2 << 30;
/// How many names a message lists, and how long a name it repeats, in characters.
const LISTED: usize = 20;
const LONGEST_NAME: usize = 255;

/// A folder whose pictures may be shown.
pub struct Folder {
    path: PathBuf,
    open: Mutex<HashMap<PathBuf, Weak<Picture>>>,
}

/// Why a file of the folder cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("the folder of pictures {} cannot be read: {source}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("`{0}` is not in the folder of pictures: use the name of a file in it")]
    Outside(String),
    #[error("there is no picture `{name}`: {known}")]
    Missing { name: String, known: String },
    #[error("it {0}")]
    Picture(#[from] PictureError),
    #[error("open pictures take {0} bytes of memory already: close one first")]
    Full(usize),
}

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: Mutex::default() }
    }

    /// The names of the pictures in the folder itself, sorted.
    pub fn names(&self) -> Result<Vec<String>, FolderError> {
        let unreadable = |source| FolderError::Folder { path: self.path.clone(), source };
        let mut names: Vec<String> = std::fs::read_dir(&self.path)
            .map_err(unreadable)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| matches!(self.find(name), Ok(Some(_))))
            .collect();
        names.sort_unstable_by_key(|name| name.to_lowercase());
        Ok(names)
    }

    /// Looks whether a picture of that name may be shown: one that [`Folder::names`] lists.
    pub fn check(&self, name: &str) -> Result<(), FolderError> {
        self.known(name).map(drop)
    }

    /// Decodes a picture, or gives the one that is open already. May take seconds, and memory that is bounded as long as one thread
    /// does so at a time.
    pub fn load(&self, name: &str) -> Result<Arc<Picture>, FolderError> {
        let (folder, place) = self.known(name)?;
        let path = folder.join(&place);
        let taken = {
            let mut open = self.open.lock();
            open.retain(|_, picture| picture.strong_count() > 0);
            if let Some(picture) = open.get(&path).and_then(Weak::upgrade) {
                return Ok(picture);
            }
            open.values().filter_map(Weak::upgrade).map(|picture| picture.bytes()).sum::<usize>()
        };
        if taken > MAX_OPEN {
            return Err(FolderError::Full(taken));
        }
        let file = opened(&folder, &place).map_err(PictureError::Read)?;
        let picture = Arc::new(Picture::read(file)?);
        self.open.lock().insert(path, Arc::downgrade(&picture));
        Ok(picture)
    }

    /// As `find`, where there has to be one.
    fn known(&self, name: &str) -> Result<(PathBuf, PathBuf), FolderError> {
        self.find(name)?.ok_or_else(|| self.missing(name))
    }

    /// The folder, and where in it the picture of a name lies, both without links; `None` when there is none. Names that lead out of the
    /// folder, by `..`, a root or a link, or into a folder within, are refused.
    fn find(&self, name: &str) -> Result<Option<(PathBuf, PathBuf)>, FolderError> {
        let outside = || FolderError::Outside(name.chars().take(LONGEST_NAME).collect());
        let mut parts = Path::new(name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name) {
            return Err(outside());
        }
        if !is_pictures(name) {
            return Ok(None);
        }
        let folder = self
            .path
            .canonicalize()
            .map_err(|source| FolderError::Folder { path: self.path.clone(), source })?;
        let Ok(path) = folder.join(name).canonicalize() else { return Ok(None) };
        let Ok(place) = path.strip_prefix(&folder) else { return Err(outside()) };
        Ok(path.is_file().then(|| (folder.clone(), place.to_owned())))
    }

    fn missing(&self, name: &str) -> FolderError {
        let names = self.names().unwrap_or_default();
        let known = match names.len() {
            0 => "the folder has none".to_owned(),
            count if count <= LISTED => format!("the folder has {}", names.join(", ")),
            count => format!("the folder has {} and {} more", names[..LISTED].join(", "), count - LISTED),
        };
        FolderError::Missing { name: name.chars().take(LONGEST_NAME).collect(), known }
    }
}

/// Whether a file of that name is taken for a picture: by its extension, and if it is not hidden.
fn is_pictures(name: &str) -> bool {
    !name.starts_with('.') && ImageFormat::from_path(name).is_ok_and(|format| format.reading_enabled())
}

/// Opens a file at a place below a folder, step by step and following no link: whoever may write there can put one in the way at any time.
/// What is no regular file is not opened, and none that blocks is waited for.
fn opened(folder: &Path, place: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut at: OwnedFd =
        openat(CWD, folder, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY, Mode::empty())?;
    if let Some(within) = place.parent() {
        for step in within.components() {
            at = openat(&at, step.as_os_str(), flags | OFlags::DIRECTORY, Mode::empty())?;
        }
    }
    let name = place.file_name().unwrap_or_default();
    let file = File::from(openat(&at, name, flags | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_or_a_pipe_that_takes_the_place_of_a_picture_is_not_opened() {
        let folder = std::env::temp_dir().join(format!("framehub-swapped-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("real")).unwrap();
        std::fs::write(folder.join("secret"), "secret").unwrap();
        std::fs::write(folder.join("real/a.png"), "picture").unwrap();
        symlink(folder.join("secret"), folder.join("link.png")).unwrap();
        symlink(folder.join("real"), folder.join("linked")).unwrap();
        rustix::fs::mknodat(CWD, folder.join("pipe.png"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        for place in ["link.png", "linked/a.png", "pipe.png", "real", "../framehub-swapped", ""] {
            assert!(opened(&folder, Path::new(place)).is_err(), "{place} was opened");
        }
        assert!(opened(&folder, Path::new("real/a.png")).is_ok());
        assert_eq!(Folder::new(folder.clone()).names().unwrap(), ["link.png"], "what blocks is listed");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
