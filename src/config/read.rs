//! From a flag's text to its value, or what to write instead.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::quota::{ENCODER_THREADS, MEGAPIXELS, MEMORY, WEIGHT};

pub(super) fn base_url(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-_.~@".contains(c);
    if !text.starts_with('/')
        || !text.chars().all(allowed)
        || text.contains("//")
        || text.split('/').any(|part| part == ".." || part == ".")
    {
        return Err("write a path such as / or /services/framehub/".to_owned());
    }
    Ok(if text.ends_with('/') { text.to_owned() } else { format!("{text}/") })
}

pub(super) fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.contains(|c: char| !c.is_ascii_graphic() || "/?#@*;,'\"".contains(c)) {
        return Err("write scheme, host and, if it is not the usual one, port: https://hub.example.org:8443"
            .to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// A key that nobody guesses over the network, though each try may come from another address.
const SHORTEST_KEY: usize = 16;

/// Whether a text can be a key: in an address, a header and a cookie it needs no escaping.
pub fn is_key(text: &str) -> bool {
    text.len() >= SHORTEST_KEY && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c))
}

pub(super) fn key(text: &str) -> Result<String, String> {
    if !is_key(text) {
        return Err(format!(
            "write at least {SHORTEST_KEY} characters out of A-Z a-z 0-9 - _ . ~, such as `openssl rand -hex 16` gives"
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn scope(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic() || c == '!') {
        return Err(
            "write a scope's name without a filter, such as access:servers or custom:framehub:act".to_owned()
        );
    }
    Ok(text.to_owned())
}

pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_dir() {
        Ok(path)
    } else {
        Err("there is no such folder: write the path of one that holds pictures".to_owned())
    }
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number >= 1)
        .ok_or_else(|| "write a whole number, at least 1".to_owned())
}

pub(super) fn message_bytes(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|bytes| (4096..=1 << 30).contains(bytes))
        .ok_or_else(|| "write a number of bytes from 4096 to 1073741824".to_owned())
}

pub(super) fn memory(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        Some(b'T') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|bytes| MEMORY.contains(bytes))
        .ok_or_else(|| "write a number of bytes from 1M to 1024T, such as 536870912, 512M or 2G".to_owned())
}

pub(super) fn pixels(text: &str) -> Result<u64, String> {
    let side = |side: &str| side.parse::<u64>().ok().filter(|side| (1..=65_535).contains(side));
    text.split_once('x')
        .and_then(|(width, height)| Some(side(width)? * side(height)?))
        .ok_or_else(|| "write width x height in pixels, such as 3840x2160, each from 1 to 65535".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    duration(text, 0.01, 3600.0)
}

/// A week is as long as anybody waits.
const WEEK: f64 = 604_800.0;

pub(super) fn grace_seconds(text: &str) -> Result<Duration, String> {
    duration(text, 0.0, WEEK)
}

pub(super) fn cache_seconds(text: &str) -> Result<Duration, String> {
    duration(text, 0.1, 300.0)
}

pub(super) fn ticket_seconds(text: &str) -> Result<Duration, String> {
    duration(text, 1.0, 3600.0)
}

pub(super) fn long_seconds(text: &str) -> Result<Duration, String> {
    duration(text, 0.01, WEEK)
}

pub(super) fn megapixels(text: &str) -> Result<f64, String> {
    number(text, "million pixels a second", &MEGAPIXELS)
}

pub(super) fn encoder_threads(text: &str) -> Result<f64, String> {
    number(text, "threads", &ENCODER_THREADS)
}

pub(super) fn weight(text: &str) -> Result<(String, f64), String> {
    let (name, weight) = text
        .rsplit_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "write a user's name and a weight, such as ann=2".to_owned())?;
    Ok((name.to_owned(), number(weight, "parts", &WEIGHT)?))
}

fn number(text: &str, what: &str, range: &RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("write a number of {what} from {} to {}", range.start(), range.end()))
}

fn duration(text: &str, min: f64, max: f64) -> Result<Duration, String> {
    number(text, "seconds", &(min..=max)).map(Duration::from_secs_f64)
}
