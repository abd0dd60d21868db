//! What the numbers of an event may be.

use super::{EventKind, Key, Modifier, Pointer, Size, Wheel};

/// A field of a message that holds a value it must not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: {message}")]
pub struct FieldError {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong with the value, and what the field takes.
    pub message: String,
}

/// Furthest position, in logical pixels either side of the origin: a captured pointer can be far outside its view.
const MAX_POSITION: f64 = 1e6;
/// Largest side of a view or a widget, in logical or physical pixels: ample for walls of screens, and what most codecs can hold.
pub const MAX_SIDE: u32 = 65_535;
/// Furthest time, in seconds either side of a clock's origin: three thousand years. Clocks may be wrong, but have an end.
const MAX_TIME: f64 = 1e11;
/// Pixel ratios seen in the wild lie between 0.25 (zoomed out) and 10.
const RATIOS: std::ops::RangeInclusive<f64> = 0.1..=20.0;
/// Most fingers on one screen.
const MAX_TOUCHES: usize = 32;
/// Longest name of a key, or of a touch, in bytes.
const MAX_NAME: usize = 64;
/// Longest text of one `char` event, in bytes. A browser that pastes more sends several.
const MAX_TEXT: usize = 4096;
/// Buttons are numbered 0 (none) to 5; mice with more number them up to here.
const MAX_BUTTON: u8 = 32;

impl EventKind {
    /// Checks all numbers and lengths.
    ///
    /// # Errors
    /// Names the first field that is out of its range.
    pub fn validate(&self) -> Result<(), FieldError> {
        match self {
            Self::Resize(size) => size.validate(),
            Self::PointerDown(pointer)
            | Self::PointerUp(pointer)
            | Self::PointerMove(pointer)
            | Self::PointerEnter(pointer)
            | Self::PointerLeave(pointer)
            | Self::DoubleClick(pointer) => pointer.validate(),
            Self::Wheel(wheel) => wheel.validate(),
            Self::KeyDown(key) | Self::KeyUp(key) => key.validate(),
            Self::Char(char) => {
                length("data", char.data.as_deref().unwrap_or_default(), MAX_TEXT)?;
                length("input_type", &char.input_type, MAX_NAME)
            }
            Self::Close | Self::Show | Self::Hide | Self::FocusIn | Self::FocusOut => Ok(()),
        }
    }
}

impl Size {
    fn validate(&self) -> Result<(), FieldError> {
        let sides = 0.0..=f64::from(MAX_SIDE);
        within("width", self.width, sides.clone())?;
        within("height", self.height, sides.clone())?;
        within("pwidth", f64::from(self.pwidth), sides.clone())?;
        within("pheight", f64::from(self.pheight), sides)?;
        within("ratio", self.ratio, RATIOS)
    }

    /// Whether there is no pixel to show: the view is hidden then.
    pub fn is_zero(&self) -> bool {
        self.width <= 0.0 || self.height <= 0.0 || self.pwidth == 0 || self.pheight == 0
    }
}

impl Pointer {
    fn validate(&self) -> Result<(), FieldError> {
        position(self.x, self.y)?;
        buttons(&self.buttons)?;
        modifiers(&self.modifiers)?;
        if self.touches.len() > MAX_TOUCHES {
            return Err(FieldError {
                field: "touches",
                message: format!("{} touches are too many: send at most {MAX_TOUCHES}", self.touches.len()),
            });
        }
        for (id, touch) in &self.touches {
            length("touches", id, MAX_NAME)?;
            position(touch.x, touch.y)?;
            within("pressure", touch.pressure, 0.0..=1.0)?;
        }
        Ok(())
    }
}

impl Wheel {
    fn validate(&self) -> Result<(), FieldError> {
        position(self.x, self.y)?;
        within("dx", self.dx, -MAX_POSITION..=MAX_POSITION)?;
        within("dy", self.dy, -MAX_POSITION..=MAX_POSITION)?;
        buttons(&self.buttons)?;
        modifiers(&self.modifiers)
    }
}

impl Key {
    fn validate(&self) -> Result<(), FieldError> {
        if self.key.is_empty() {
            return Err(FieldError {
                field: "key",
                message: "is empty: send the browser's name of the key".to_owned(),
            });
        }
        length("key", &self.key, MAX_NAME)?;
        modifiers(&self.modifiers)
    }
}

/// Checks a time on a clock of the browser's, in seconds.
///
/// # Errors
/// When no clock shows it.
pub fn time(field: &'static str, value: f64) -> Result<(), FieldError> {
    within(field, value, -MAX_TIME..=MAX_TIME)
}

fn within(field: &'static str, value: f64, range: std::ops::RangeInclusive<f64>) -> Result<(), FieldError> {
    if range.contains(&value) {
        return Ok(());
    }
    let message = format!("{value} is out of range: send a number from {} to {}", range.start(), range.end());
    Err(FieldError { field, message })
}

fn position(x: f64, y: f64) -> Result<(), FieldError> {
    within("x", x, -MAX_POSITION..=MAX_POSITION)?;
    within("y", y, -MAX_POSITION..=MAX_POSITION)
}

fn buttons(buttons: &[u8]) -> Result<(), FieldError> {
    if buttons.len() <= usize::from(MAX_BUTTON)
        && buttons.iter().all(|button| (1..=MAX_BUTTON).contains(button))
    {
        return Ok(());
    }
    let message = format!("{buttons:?} is not a list of buttons from 1 to {MAX_BUTTON}");
    Err(FieldError { field: "buttons", message })
}

fn modifiers(modifiers: &[Modifier]) -> Result<(), FieldError> {
    if modifiers.len() <= 4 {
        return Ok(());
    }
    let message = format!("{} modifiers are too many: there are 4", modifiers.len());
    Err(FieldError { field: "modifiers", message })
}

fn length(field: &'static str, text: &str, max: usize) -> Result<(), FieldError> {
    if text.len() <= max {
        return Ok(());
    }
    Err(FieldError { field, message: format!("{} bytes are too long: send at most {max}", text.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: f64, ratio: f64) -> EventKind {
        EventKind::Resize(Size { width, height: 100.0, pwidth: 100, pheight: 100, ratio })
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_field_value_and_range() {
        for (event, message) in [
            (size(-1.0, 1.0), "field `width`: -1 is out of range: send a number from 0 to 65535"),
            (size(1e9, 1.0), "field `width`: 1000000000 is out of range: send a number from 0 to 65535"),
            (size(f64::NAN, 1.0), "field `width`: NaN is out of range: send a number from 0 to 65535"),
            (size(10.0, 0.0), "field `ratio`: 0 is out of range: send a number from 0.1 to 20"),
        ] {
            assert_eq!(event.validate().unwrap_err().to_string(), message);
        }
        let infinite = EventKind::PointerMove(Pointer { x: f64::INFINITY, ..Pointer::default() });
        assert_eq!(infinite.validate().unwrap_err().field, "x");
    }

    #[test]
    fn a_time_that_no_clock_shows_is_refused() {
        assert!(time("localtime", 1.7e9).is_ok() && time("localtime", -1.0).is_ok());
        for wrong in [1e300, -1e12, f64::NAN, f64::INFINITY] {
            assert_eq!(time("localtime", wrong).unwrap_err().field, "localtime");
        }
    }

    #[test]
    fn a_zero_size_is_valid_and_means_hidden() {
        let EventKind::Resize(zero) = size(0.0, 1.0) else { unreachable!() };
        assert!(zero.validate().is_ok() && zero.is_zero());
    }

    #[test]
    fn too_many_touches_and_too_long_keys_are_refused() {
        let touch = super::super::Touch { x: 0.0, y: 0.0, pressure: 0.5 };
        let touches = (0..=MAX_TOUCHES).map(|id| (id.to_string(), touch)).collect();
        let pointer = EventKind::PointerDown(Pointer { touches, ..Pointer::default() });
        assert_eq!(pointer.validate().unwrap_err().field, "touches");
        let key = EventKind::KeyDown(Key { key: "k".repeat(65), modifiers: vec![] });
        assert_eq!(key.validate().unwrap_err().field, "key");
    }
}
