//! The traits of a widget: what its author or its users set, seen at once in every view.

mod css;

use serde::Serialize;
use serde_json::{Map, Value};

/// The traits of a widget. Names, defaults and ranges are those of `jupyter_rfb`, which does not have the last two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traits {
    /// Preferred width, a CSS length. Default `500px`.
    pub css_width: String,
    /// Preferred height, a CSS length. Default `300px`.
    pub css_height: String,
    /// Whether a view can be resized by its corner. Default true.
    pub resizable: bool,
    /// JPEG quality while the widget changes, 1..=100; 100 means always lossless. Default 80.
    pub quality: u8,
    /// How many frames may be in flight to one view, at least 1. Default 2.
    pub max_buffered_frames: u32,
    /// The mouse cursor, a CSS keyword. Default `default`.
    pub cursor: String,
    /// What the title bar and screen readers say. Default empty.
    pub title: String,
    /// Whether views have a title bar. Default false.
    pub has_titlebar: bool,
    /// Whether the title bar has a button that minimises the view. Default false.
    pub is_minimizable: bool,
    /// Whether the title bar has a button that closes the view. Default false.
    pub is_closable: bool,
    /// Whether views on slow links are sent less quality and fewer pixels while the picture moves. Default true.
    pub adaptive: bool,
    /// Whether views show where the pointers of the others are. Default false.
    pub show_pointers: bool,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            css_width: "500px".to_owned(),
            css_height: "300px".to_owned(),
            resizable: true,
            quality: 80,
            max_buffered_frames: 2,
            cursor: "default".to_owned(),
            title: String::new(),
            has_titlebar: false,
            is_minimizable: false,
            is_closable: false,
            adaptive: true,
            show_pointers: false,
        }
    }
}

/// A trait that was not set, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("trait `{name}`: {message}")]
pub struct TraitError {
    /// The trait's name, as it was given.
    pub name: String,
    /// What is wrong with the value, and what the trait takes.
    pub message: String,
}

/// Most frames that may be in flight to one view: beyond it there is only lag to gain.
pub const MAX_BUFFERED_FRAMES: u32 = 100;
/// Longest title, in bytes: it is shown on one line.
const MAX_TITLE: usize = 1000;
/// How much of a value a message repeats, in characters.
const SHOWN: usize = 60;

impl Traits {
    /// Sets the traits named in `patch`: all of them, or on the first error none.
    ///
    /// # Errors
    /// When a trait does not exist, or does not take the value.
    pub fn apply(&mut self, patch: &Map<String, Value>) -> Result<(), TraitError> {
        let mut next = self.clone();
        for (name, value) in patch {
            next.set(name, value)
                .map_err(|message| TraitError { name: name.chars().take(SHOWN).collect(), message })?;
        }
        *self = next;
        Ok(())
    }

    /// The size that the traits ask for, in logical pixels: lengths in `px`, else the defaults (500 × 300), as in the seed.
    pub fn logical_size(&self) -> (f64, f64) {
        (css::pixels(&self.css_width).unwrap_or(500.0), css::pixels(&self.css_height).unwrap_or(300.0))
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        match name {
            "css_width" => self.css_width = checked(value, css::length)?,
            "css_height" => self.css_height = checked(value, css::length)?,
            "resizable" => self.resizable = boolean(value)?,
            "quality" => self.quality = u8::try_from(integer(value, 1, 100)?).unwrap_or(100),
            "max_buffered_frames" => self.max_buffered_frames = integer(value, 1, MAX_BUFFERED_FRAMES)?,
            "cursor" => self.cursor = checked(value, css::cursor)?,
            "title" => self.title = text(value, MAX_TITLE)?,
            "has_titlebar" => self.has_titlebar = boolean(value)?,
            "is_minimizable" => self.is_minimizable = boolean(value)?,
            "is_closable" => self.is_closable = boolean(value)?,
            "adaptive" => self.adaptive = boolean(value)?,
            "show_pointers" => self.show_pointers = boolean(value)?,
            _ => {
                return Err("there is no such trait: use css_width, css_height, resizable, quality, \
                    max_buffered_frames, cursor, title, has_titlebar, is_minimizable, is_closable, adaptive or \
                    show_pointers"
                    .to_owned());
            }
        }
        Ok(())
    }
}

fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{} is not true or false", shown(value)))
}

fn integer(value: &Value, min: u32, max: u32) -> Result<u32, String> {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("{} is not a whole number from {min} to {max}", shown(value)))
}

fn text(value: &Value, max: usize) -> Result<String, String> {
    let text = value.as_str().ok_or_else(|| format!("{} is not a string", shown(value)))?;
    if text.len() > max {
        return Err(format!("{} bytes are too long: use at most {max}", text.len()));
    }
    Ok(text.to_owned())
}

/// A CSS value that a check lets through.
fn checked(value: &Value, check: fn(&str) -> Result<(), String>) -> Result<String, String> {
    let css = value.as_str().ok_or_else(|| format!("{} is not a string", shown(value)))?;
    check(css).map_err(|why| format!("{} {why}", shown(value)))?;
    Ok(css.to_owned())
}

/// The beginning of a value, for a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(patch: Value) -> Result<Traits, TraitError> {
        let mut traits = Traits::default();
        traits.apply(patch.as_object().unwrap()).map(|()| traits)
    }

    #[test]
    fn bad_values_are_refused_with_trait_value_and_range() {
        for (patch, message) in [
            (json!({"quality": 0}), "trait `quality`: 0 is not a whole number from 1 to 100"),
            (json!({"quality": 101}), "trait `quality`: 101 is not a whole number from 1 to 100"),
            (json!({"quality": "high"}), "trait `quality`: \"high\" is not a whole number from 1 to 100"),
            (
                json!({"max_buffered_frames": 0}),
                "trait `max_buffered_frames`: 0 is not a whole number from 1 to 100",
            ),
            (json!({"resizable": 1}), "trait `resizable`: 1 is not true or false"),
            (json!({"title": null}), "trait `title`: null is not a string"),
        ] {
            assert_eq!(patched(patch).unwrap_err().to_string(), message);
        }
        assert!(
            patched(json!({"colour": "red"}))
                .unwrap_err()
                .to_string()
                .starts_with("trait `colour`: there is no such")
        );
    }

    #[test]
    fn a_patch_with_one_bad_trait_changes_nothing() {
        let mut traits = Traits::default();
        let patch = json!({"cursor": "grab", "quality": 0});
        assert!(traits.apply(patch.as_object().unwrap()).is_err());
        assert_eq!(traits, Traits::default());
    }

    #[test]
    fn css_values_cannot_smuggle_other_properties_or_addresses() {
        for bad in [
            "1px; color: red",
            "url(https://example.org)",
            "URL(//example.org/x.png),auto",
            "}",
            "1./*5px",
            "",
        ] {
            for name in ["css_width", "css_height", "cursor"] {
                assert!(patched(json!({ name: bad })).is_err(), "{name}: {bad:?} was accepted");
            }
        }
        assert!(patched(json!({"css_width": "70000px"})).unwrap_err().to_string().contains("above 65535"));
    }

    #[test]
    fn a_refusal_repeats_no_more_than_the_beginning_of_a_value() {
        for patch in [
            json!({"cursor": "x".repeat(9000)}),
            json!({"quality": "x".repeat(9000)}),
            json!({"y".repeat(9000): 1}),
        ] {
            let message = patched(patch).unwrap_err().to_string();
            assert!(message.len() < 1000, "{} bytes", message.len());
        }
    }

    #[test]
    fn the_logical_size_is_read_from_pixels_and_else_the_default() {
        let size = |patch| patched(patch).unwrap().logical_size();
        assert_eq!(size(json!({"css_width": "640px", "css_height": "480.5px"})), (640.0, 480.5));
        assert_eq!(size(json!({"css_width": "100%"})), (500.0, 300.0));
    }
}
