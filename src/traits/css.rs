//! The CSS that traits may hold: a length, a cursor. Only what is known to be harmless passes, since pages put it into styles as it is.

/// Longest number in a length: no page has room for more.
const MAX_NUMBER: f64 = 65_535.0;
/// Longest value, in bytes.
const MAX_LENGTH: usize = 100;
/// The cursors that CSS knows by name. Pictures are not among them: a browser would fetch them from wherever they are.
const CURSORS: [&str; 36] = [
    "alias",
    "all-scroll",
    "auto",
    "cell",
    "col-resize",
    "context-menu",
    "copy",
    "crosshair",
    "default",
    "e-resize",
    "ew-resize",
    "grab",
    "grabbing",
    "help",
    "move",
    "n-resize",
    "ne-resize",
    "nesw-resize",
    "no-drop",
    "none",
    "not-allowed",
    "ns-resize",
    "nw-resize",
    "nwse-resize",
    "pointer",
    "progress",
    "row-resize",
    "s-resize",
    "se-resize",
    "sw-resize",
    "text",
    "vertical-text",
    "w-resize",
    "wait",
    "zoom-in",
    "zoom-out",
];
/// The words of lengths: keywords and functions.
const WORDS: [&str; 8] = ["auto", "calc", "clamp", "fit-content", "max", "max-content", "min", "min-content"];
/// The units of lengths, with those of a viewport or a container.
const UNITS: [&str; 41] = [
    "cap", "ch", "cm", "cqb", "cqh", "cqi", "cqmax", "cqmin", "cqw", "dvb", "dvh", "dvi", "dvmax", "dvmin",
    "dvw", "em", "ex", "ic", "in", "lh", "lvb", "lvh", "lvi", "lvw", "mm", "pc", "pt", "px", "q", "rem",
    "rlh", "svb", "svh", "svi", "svw", "vb", "vh", "vi", "vmax", "vmin", "vw",
];

/// Checks a cursor.
///
/// # Errors
/// When it is none of the names that CSS has.
pub fn cursor(value: &str) -> Result<(), String> {
    if CURSORS.contains(&value) {
        return Ok(());
    }
    Err(format!("is not a cursor: use one that CSS has a name for, such as {}", CURSORS.join(", ")))
}

/// Checks a length, such as `500px`, `80%` or `calc(100% - 2em)`.
///
/// # Errors
/// When it is longer than 100 bytes, has a number above 65,535, or something else than numbers, units, operators and functions of lengths.
pub fn length(value: &str) -> Result<(), String> {
    if value.len() > MAX_LENGTH {
        return Err(format!("is {} bytes long: use at most {MAX_LENGTH}", value.len()));
    }
    let mut rest = value;
    let mut is_empty = true;
    while let Some(first) = rest.chars().next() {
        is_empty &= first == ' ';
        let token = match first {
            '0'..='9' | '.' => number(rest)?,
            'a'..='z' | 'A'..='Z' => word(rest)?,
            // A comment would swallow what stands behind the value.
            '/' if rest.starts_with("/*") => return Err(no_length()),
            ' ' | '%' | '+' | '-' | '*' | '/' | '(' | ')' | ',' => &rest[..1],
            _ => return Err(no_length()),
        };
        rest = &rest[token.len()..];
    }
    if is_empty { Err(no_length()) } else { Ok(()) }
}

/// The pixels of a length in `px`, at least 1 and at most 65,535; `None` for any other.
pub fn pixels(value: &str) -> Option<f64> {
    let number: f64 = value.strip_suffix("px")?.trim().parse().ok()?;
    (number.is_finite() && number >= 1.0).then(|| number.min(MAX_NUMBER))
}

/// The number that a text begins with, and its unit.
fn number(text: &str) -> Result<&str, String> {
    let digits = |from: usize| from + text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        end = if exponent > end + 1 + sign { exponent } else { end };
    }
    match text[..end].parse::<f64>() {
        Ok(number) if number <= MAX_NUMBER => {}
        Ok(_) => return Err(format!("has a number above {MAX_NUMBER}: use a smaller one")),
        Err(_) => return Err(no_length()),
    }
    let unit = text[end..].bytes().take_while(u8::is_ascii_alphabetic).count();
    known(&text[end..end + unit], &UNITS, unit > 0)?;
    Ok(&text[..end + unit])
}

/// The keyword or the name of a function that a text begins with.
fn word(text: &str) -> Result<&str, String> {
    let length = text.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'-').count();
    known(&text[..length], &WORDS, true)?;
    Ok(&text[..length])
}

fn known(word: &str, words: &[&str], matters: bool) -> Result<(), String> {
    if matters && !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return Err(no_length());
    }
    Ok(())
}

fn no_length() -> String {
    "is not a CSS length such as \"500px\", \"80%\" or \"calc(100% - 2em)\"".to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_of_every_usual_form_are_taken() {
        for good in [
            "500px",
            "480.5px",
            ".5em",
            "100%",
            "40vh",
            "calc(100% - 2em)",
            "min(80vw, 600px)",
            "clamp(10px, 50%, 1e3px)",
            "65535px",
            "auto",
            "fit-content",
            "10EM",
            "1em",
            "0",
            "-5px",
        ] {
            assert_eq!(length(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn no_length_names_an_address_another_property_or_a_number_without_end() {
        for bad in [
            "",
            "   ",
            "1px; color: red",
            "url(https://example.org)",
            "URL(//example.org)",
            "image-set(x)",
            "attr(data-x)",
            "var(--x)",
            "}",
            "\\75rl(x)",
            "65536px",
            "1e300px",
            "calc(1px * 99999)",
            "1.2.3e",
            ".",
            "500 pixels",
            "５px",
        ] {
            assert!(length(bad).is_err(), "{bad:?} was taken");
        }
        assert!(length(&"1px ".repeat(26)).is_err());
    }

    #[test]
    fn no_cursor_is_a_picture_from_somewhere() {
        for good in ["default", "none", "crosshair", "nwse-resize", "grab"] {
            assert_eq!(cursor(good), Ok(()));
        }
        for bad in
            ["url(x.png), auto", "URL(https://evil.example/x.png),auto", "-webkit-image-set(x)", "Grab", ""]
        {
            assert!(cursor(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn pixels_are_read_from_one_on_and_never_more_than_a_page_has_room_for() {
        assert_eq!(
            ["480.5px", "1px", "0.5px", "100%", "NaNpx", "1e9px"].map(pixels),
            [Some(480.5), Some(1.0), None, None, None, Some(65_535.0)]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at_without_harm(text in "[0-9a-z.eE+%( )*/-]{0,30}|.{0,120}") {
            if length(&text).is_ok() {
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" %+-*/(),.".contains(&byte)));
            }
        }
    }
}
