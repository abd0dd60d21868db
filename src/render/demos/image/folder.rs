//! The folder of pictures: which there are, which may be opened, and which are open.

use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ::image::ImageFormat;

use super::source::{Picture, PictureError};

/// Most memory for all open pictures together, in bytes. Widgets that show the same file share it.
const MAX_OPEN: usize = 2 << 30;
/// How many names a message lists.
const LISTED: usize = 20;

/// A folder whose pictures may be shown.
pub struct Folder {
    path: PathBuf,
    open: Mutex<HashMap<PathBuf, Weak<Picture>>>,
    /// Held while a picture is decoded: one after another bounds the memory that takes.
    decoding: Mutex<()>,
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
        Self { path, open: Mutex::default(), decoding: Mutex::default() }
    }

    /// The names of the pictures in the folder itself, sorted.
    pub fn names(&self) -> Result<Vec<String>, FolderError> {
        let unreadable = |source| FolderError::Folder { path: self.path.clone(), source };
        let mut names: Vec<String> = std::fs::read_dir(&self.path)
            .map_err(unreadable)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| ImageFormat::from_path(name).is_ok_and(|format| format.reading_enabled()))
            .filter(|name| self.path(name).is_ok())
            .collect();
        names.sort_unstable_by_key(|name| name.to_lowercase());
        Ok(names)
    }

    /// Where a picture is. Names that lead out of the folder, by `..`, a root or a link, are refused.
    pub fn path(&self, name: &str) -> Result<PathBuf, FolderError> {
        let outside = || FolderError::Outside(name.to_owned());
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(outside());
        }
        let folder = self
            .path
            .canonicalize()
            .map_err(|source| FolderError::Folder { path: self.path.clone(), source })?;
        let Ok(path) = folder.join(name).canonicalize() else { return Err(self.missing(name)) };
        if !path.starts_with(&folder) {
            return Err(outside());
        }
        if path.is_file() { Ok(path) } else { Err(self.missing(name)) }
    }

    /// Decodes a picture, or gives the one that is open already. May take seconds.
    pub fn load(&self, name: &str) -> Result<Arc<Picture>, FolderError> {
        let path = self.path(name)?;
        let _one_at_a_time = self.decoding.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|_, picture| picture.strong_count() > 0);
            if let Some(picture) = open.get(&path).and_then(Weak::upgrade) {
                return Ok(picture);
            }
            open.values().filter_map(Weak::upgrade).map(|picture| picture.bytes()).sum::<usize>()
        };
        if taken > MAX_OPEN {
            return Err(FolderError::Full(taken));
        }
        let picture = Arc::new(Picture::open(&path)?);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(path, Arc::downgrade(&picture));
        Ok(picture)
    }

    fn missing(&self, name: &str) -> FolderError {
        let names = self.names().unwrap_or_default();
        let known = match names.len() {
            0 => "the folder has none".to_owned(),
            count if count <= LISTED => format!("the folder has {}", names.join(", ")),
            count => format!("the folder has {} and {} more", names[..LISTED].join(", "), count - LISTED),
        };
        FolderError::Missing { name: name.to_owned(), known }
    }
}
