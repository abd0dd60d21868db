//! JSON from outside, read into types; what fails names its field.

use serde::Deserialize;

use super::Refusal;

/// What a flag is that is on unless it is said otherwise, for serde's `default`.
pub fn yes() -> bool {
    true
}

/// Reads JSON into a type.
///
/// # Errors
/// When it is not JSON, or a field is missing or of another type; the refusal names the field by its path.
pub fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Refusal> {
    // To know where in the message one is costs more than to read it, and is needed only where something is wrong.
    if let Ok(message) = serde_json::from_slice(text) {
        return Ok(message);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() {
            return Refusal::of_message("bad_json", format!("the message is not valid JSON: {error}"));
        }
        let reason = error.to_string();
        let field = match path.as_str() {
            "." => missing_field(&reason).unwrap_or("message").to_owned(),
            _ => path,
        };
        Refusal::of_message("bad_field", format!("field `{field}`: {reason}")).field(field)
    })
}

/// The field that an error of serde's says is missing or unknown; its path is that of the object around it.
fn missing_field(reason: &str) -> Option<&str> {
    let named = reason.strip_prefix("missing field `").or_else(|| reason.strip_prefix("unknown field `"))?;
    named.split('`').next()
}

/// The beginning of a text that someone else chose, for a message.
pub fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
