//! The file of shares, and traits: JSON that outlives its process, and JSON that ends up in a page's style.

use std::sync::Arc;

use serde_json::Value;

use super::check_told;
use crate::{
    sharing::{Ledger, Visitor},
    sizing::widget_size,
    traits::Traits,
};

const NOW: u64 = 1_700_000_000;
/// As the flag `--max-pixels` has it by default.
const MAX_PIXELS: u64 = 3840 * 2160;

/// The content of the file.
pub(super) fn shares(input: &[u8]) {
    let Ok(ledger) = Ledger::of_text(input, NOW).map(Arc::new) else { return };
    let known = serde_json::from_slice::<Value>(input).unwrap_or_default();
    let widgets = known["widgets"].as_object().into_iter().flatten();
    for (widget, shared) in widgets {
        let owner = shared["owner"].as_str();
        let Some((awaited, shares)) = ledger.awaited(widget) else { continue };
        assert_eq!(awaited.as_deref(), owner, "another owner");
        let visitor = Visitor { user: Some("bob"), groups: &["lab".to_owned()], links: &[] };
        for share in shares.list(NOW * 1000) {
            let secret = ledger.links(NOW).secret(widget, &share);
            let opened = secret.and_then(|secret| ledger.links(NOW).check(&secret, widget, NOW));
            assert!(opened.is_none_or(|opened| opened.is_of(&share)), "another share is opened");
        }
        let granted = shares.granted(visitor, NOW * 1000);
        assert!(granted.is_none_or(|granted| granted.until.is_none_or(|until| until > NOW * 1000)));
        let stranger = ledger.shares(widget, Some("nobody's name\n"));
        assert!(stranger.list(NOW * 1000).is_empty(), "somebody else's shares were taken over");
    }
}

/// A patch of traits.
pub(super) fn traits(input: &[u8]) {
    let Ok(Value::Object(patch)) = serde_json::from_slice(input) else { return };
    let mut traits = Traits::default();
    if let Err(error) = traits.apply(&patch) {
        assert_eq!(traits, Traits::default(), "a patch that was refused changed something");
        check_told(&error.to_string());
        return;
    }
    for css in [&traits.css_width, &traits.css_height, &traits.cursor] {
        let small = css.to_lowercase();
        let forbidden = [";", "{", "}", "\\", "<", "\"", "'", "/*", "url(", "image(", "image-set("];
        assert!(!forbidden.iter().any(|part| small.contains(part)), "{css:?} is no plain value");
    }
    let (width, height) = traits.logical_size();
    assert!((1.0..=65_535.0).contains(&width) && (1.0..=65_535.0).contains(&height), "{width} × {height}");
    let size = widget_size((width, height), None, std::iter::empty(), MAX_PIXELS);
    let area = u64::from(size.pwidth) * u64::from(size.pheight);
    assert!(area > 0 && area <= MAX_PIXELS, "{size:?}");
}
