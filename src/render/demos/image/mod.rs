//! Teaches data that is larger than any screen: it is loaded aside, and a frame takes only what is on screen.
//!
//! A picture is decoded on a thread that all viewers share ([`loader`]), which asks for a draw when it is done; until then frames say what is
//! loading. Of the pages that a user turns in a hurry only the last is loaded.
//! [`source`] keeps pictures in levels of half the size each, so that a frame of the whole costs no more than a frame of a
//! corner. Without a folder of pictures, a map of 12,000 × 9,000 pixels is computed where it is looked at ([`sample`]).
//!
//! Drag, wheel, pinch, arrow keys, + and - look around; a double click or `f` fits the picture, a double click on a fitted one
//! or `1` shows it pixel by pixel; Page Down and Page Up, or `n` and `p`, go through the folder.

mod folder;
mod loader;
mod render;
mod sample;
mod source;

use std::{path::PathBuf, sync::Arc};

use serde_json::{Map, json};

#[cfg(any(test, feature = "internals"))]
pub use self::source::{Bounds, Picture, Source as Look};
use self::{
    folder::{Folder, FolderError},
    loader::{Desk, Loader},
    render::{BACKGROUND, render},
    sample::Sample,
    source::Source,
};
use super::{
    NO_SIZE,
    canvas::{Canvas, Color, LINE_HEIGHT, text_width},
    pan_zoom::PanZoom,
};
use crate::{
    event::{Event, EventKind, Size},
    frame::Frame,
    handle::WidgetHandle,
    render::{Kind, KindError, Options, RemoteFrameBuffer, RenderError},
};

/// Physical pixels per pixel of the picture at the most.
const LARGEST_PIXEL: f64 = 64.0;
/// How much of the picture stays in view when it is dragged aside, in logical pixels.
const MARGIN: f64 = 32.0;
const INK: Color = [208, 213, 221];
const SAMPLE_NAME: &str = "a computed map";

struct Viewer {
    handle: WidgetHandle,
    size: Size,
    /// What loads the pictures there are; `None` when there is only the sample.
    loader: Option<Arc<Loader>>,
    /// Where loaded pictures come.
    desk: Arc<Desk>,
    /// How many pictures further in the folder the user wants to be.
    pages: isize,
    content: Content,
    view: PanZoom,
    /// Whether the view shows the whole picture, as large as it fits, and is to do so after a resize.
    is_fitted: bool,
}

/// What there is to show.
enum Content {
    Loading { name: String },
    Open { name: String, source: Arc<dyn Source> },
    Failed { name: String, message: String },
}

impl Content {
    fn name(&self) -> &str {
        match self {
            Self::Loading { name } | Self::Open { name, .. } | Self::Failed { name, .. } => name,
        }
    }
}

pub(super) fn kind(images: Option<PathBuf>) -> Kind {
    let loader = images.map(|images| Arc::new(Loader::new(Folder::new(images))));
    let sample: Arc<dyn Source> = Arc::new(Sample::default());
    Kind::new("image", move |handle, options| Viewer::new(handle, options, loader.clone(), Arc::clone(&sample)))
        .described("Picture viewer", "Images of any size. Drag to pan, scroll or double-click to zoom; 1 actual pixels, F fit, N and P next and previous.")
        .option("file", "", "a file in the server's folder of pictures (--images); empty: the first one")
        .with_traits(|traits| {
            traits.css_width = "800px".into();
            traits.css_height = "600px".into();
            traits.cursor = "grab".into();
            traits.has_titlebar = true;
            traits.is_minimizable = true;
        })
}

impl Viewer {
    fn new(
        handle: WidgetHandle,
        options: &Options,
        loader: Option<Arc<Loader>>,
        sample: Arc<dyn Source>,
    ) -> Result<Self, KindError> {
        let file = options.text("file")?;
        let in_file = |error: FolderError| KindError::option("file", error.to_string());
        let first = match loader.as_ref().map(|loader| loader.folder()) {
            None if file.is_empty() => None,
            None => {
                return Err(KindError::option(
                    "file",
                    "there is no folder of pictures: start the server with --images DIR",
                ));
            }
            Some(folder) if file.is_empty() => folder.names().map_err(in_file)?.into_iter().next(),
            Some(folder) => {
                folder.check(file).map_err(in_file)?;
                Some(file.to_owned())
            }
        };
        let content = Content::Open { name: SAMPLE_NAME.to_owned(), source: sample };
        let view = PanZoom::centered((0.0, 0.0), 1.0, (1.0, 1.0), &NO_SIZE);
        let desk = Desk::new(handle.clone());
        let mut viewer =
            Self { handle, size: NO_SIZE, loader, desk, pages: 0, content, view, is_fitted: true };
        match first {
            Some(name) => viewer.load(name),
            None => viewer.fit(),
        }
        Ok(viewer)
    }

    /// Has a picture of the folder loaded.
    fn load(&mut self, name: String) {
        let Some(loader) = &self.loader else { return };
        loader.load(&self.desk, name.clone());
        self.content = Content::Loading { name };
        self.handle.request_draw();
    }

    /// Takes over what has been loaded.
    fn take_loaded(&mut self) -> Result<(), RenderError> {
        let Some(loaded) = self.desk.take() else { return Ok(()) };
        let name = self.content.name().to_owned();
        match loaded {
            Err(message) => self.content = Content::Failed { name, message },
            Ok(source) => {
                let (width, height) = source.size();
                self.handle.print(format!("{name}: {width} × {height} pixels"));
                let title = json!(format!("Picture viewer: {name}"));
                self.content = Content::Open { name, source };
                self.fit();
                self.handle.set_traits(&Map::from_iter([("title".to_owned(), title)]))?;
            }
        }
        Ok(())
    }

    /// Goes on in the folder, round and round, by as many pictures as the user wants: once for all keys since the last frame, since it
    /// reads the folder.
    fn turn_pages(&mut self) -> Result<(), RenderError> {
        let by = std::mem::take(&mut self.pages);
        let Some(folder) = self.loader.as_ref().filter(|_| by != 0).map(|loader| loader.folder()) else {
            return Ok(());
        };
        let names = folder.names()?;
        if names.is_empty() {
            return Ok(());
        }
        let here = names.iter().position(|name| name == self.content.name()).unwrap_or(0);
        let next = (here as isize).saturating_add(by).rem_euclid(names.len() as isize) as usize;
        if names[next] != self.content.name() {
            self.load(names[next].clone());
        }
        Ok(())
    }

    /// The width and height of the picture; `None` while there is none.
    fn extent(&self) -> Option<(f64, f64)> {
        match &self.content {
            Content::Open { source, .. } => Some((source.size().0 as f64, source.size().1 as f64)),
            _ => None,
        }
    }

    fn fit(&mut self) {
        let Some((width, height)) = self.extent() else { return };
        let scale = (width / self.size.width.max(1.0)).max(height / self.size.height.max(1.0));
        let one_to_one = self.size.ratio;
        let limits = (scale.min(one_to_one / LARGEST_PIXEL), one_to_one.max(2.0 * scale));
        self.view = PanZoom::centered((width / 2.0, height / 2.0), scale, limits, &self.size);
        self.is_fitted = true;
    }

    /// Shows the picture pixel by pixel: what is at (`x`, `y`) stays there.
    fn show_pixels(&mut self, x: f64, y: f64) {
        self.view.zoom_at(x, y, self.view.scale / self.size.ratio);
        self.view.scale = self.size.ratio;
        self.is_fitted = false;
    }

    fn resize(&mut self, size: Size) {
        if self.is_fitted {
            self.size = size;
            return self.fit();
        }
        let pixels_are_pixels = self.view.scale == self.size.ratio;
        self.view.resize(&self.size, &size);
        self.size = size;
        if pixels_are_pixels {
            self.show_pixels(size.width / 2.0, size.height / 2.0);
        }
    }

    /// Keeps some of the picture in view.
    fn hold(&mut self) {
        let Some((width, height)) = self.extent() else { return };
        let keep = |origin: &mut f64, picture: f64, view: f64| {
            let margin = MARGIN.min(view / 2.0).min(picture / self.view.scale / 2.0) * self.view.scale;
            *origin = origin.clamp(margin - view * self.view.scale, picture - margin);
        };
        keep(&mut self.view.origin.0, width, self.size.width);
        keep(&mut self.view.origin.1, height, self.size.height);
    }

    /// Lines of text in place of a picture.
    fn message_frame(&self, text: &str) -> Result<Frame, RenderError> {
        let scale = self.size.ratio;
        let mut canvas = Canvas::new(&self.size, BACKGROUND)?;
        let columns = ((self.size.width - 40.0) / text_width("m", 1.0)).max(8.0) as usize;
        for (number, line) in wrapped(text, columns).iter().enumerate() {
            let y = 20.0 + number as f64 * (LINE_HEIGHT + 4.0);
            canvas.text(20.0 * scale, y * scale, line, scale, INK);
        }
        Ok(canvas.into_frame()?)
    }
}

/// Breaks text into lines of at most `columns` characters, between words where it can.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let word: Vec<char> = word.chars().collect();
        for (part, piece) in word.chunks(columns).enumerate() {
            let line = lines.last_mut().expect("there is always a line");
            let length = line.chars().count();
            if length == 0 {
                line.extend(piece);
            } else if part == 0 && length + 1 + piece.len() <= columns {
                line.push(' ');
                line.extend(piece);
            } else {
                lines.push(piece.iter().collect());
            }
        }
    }
    lines
}

impl RemoteFrameBuffer for Viewer {
    fn handle_event(&mut self, event: &Event) -> Result<(), RenderError> {
        match &event.kind {
            EventKind::Resize(size) => self.resize(*size),
            EventKind::DoubleClick(pointer) if self.is_fitted => self.show_pixels(pointer.x, pointer.y),
            EventKind::DoubleClick(_) => self.fit(),
            EventKind::KeyDown(key) if key.key == "f" => self.fit(),
            EventKind::KeyDown(key) if key.key == "1" => {
                self.show_pixels(self.size.width / 2.0, self.size.height / 2.0);
            }
            EventKind::KeyDown(key) if ["n", "PageDown"].contains(&key.key.as_str()) => {
                self.pages = self.pages.saturating_add(1);
            }
            EventKind::KeyDown(key) if ["p", "PageUp"].contains(&key.key.as_str()) => {
                self.pages = self.pages.saturating_sub(1);
            }
            kind => {
                let scale = self.view.scale;
                if !self.view.handle(kind, event.view, &self.size) {
                    return Ok(());
                }
                self.is_fitted = false;
                if self.view.scale == scale {
                    self.hold();
                }
            }
        }
        self.handle.request_draw();
        Ok(())
    }

    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        self.turn_pages()?;
        self.take_loaded()?;
        match &self.content {
            Content::Loading { name } => self.message_frame(&format!("loading {name} ...")).map(Some),
            Content::Failed { name, message } => self.message_frame(&format!("{name}: {message}")).map(Some),
            Content::Open { source, .. } => {
                let (width, height) = (self.size.pwidth.max(1), self.size.pheight.max(1));
                let step = self.view.scale / self.size.ratio;
                let pixels = render(&**source, self.view.origin, step, (width as usize, height as usize))?;
                Ok(Some(Frame::rgb8(width, height, pixels)?))
            }
        }
    }
}

#[cfg(test)]
mod tests;
