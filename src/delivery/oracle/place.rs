//! A place where the widget is shown: a browser, and what its View keeps.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{browser::Browser, steps::ViewSize};
use crate::{
    credits::Credits,
    event::{Size, ViewId},
    pacing::Pacing,
    protocol::view::FrameMessage,
};

const DEADLINE: Duration = Duration::from_secs(10);

/// A message that was sent to a browser.
pub(super) struct Message {
    /// The connection that it came over.
    pub(super) connection: ViewId,
    /// The number of the frame.
    pub(super) number: u64,
    pub(super) bytes: FrameMessage,
}

/// What a browser tells.
pub(super) enum Word {
    Confirm(u64),
    Refresh,
}

/// A place where the widget is shown: its browser, and what its View keeps.
pub(super) struct Place {
    /// Names the connection; `None` while there is none.
    pub(super) id: Option<ViewId>,
    pub(super) base64: bool,
    pub(super) size: Option<Size>,
    pub(super) hidden: bool,
    pub(super) pacing: Pacing,
    pub(super) credits: Arc<Credits>,
    /// Messages on their way there.
    pub(super) messages: VecDeque<Message>,
    /// Words on their way back.
    pub(super) words: VecDeque<Word>,
    pub(super) browser: Browser,
}

impl Place {
    pub(super) fn new(size: Option<Size>, base64: bool) -> Self {
        Self {
            id: None,
            base64,
            size,
            hidden: false,
            pacing: Pacing::new(0, DEADLINE),
            credits: Arc::new(Credits::new(0)),
            messages: VecDeque::new(),
            words: VecDeque::new(),
            browser: Browser::new(),
        }
    }

    /// Another connection is made.
    pub(super) fn connect(&mut self, id: ViewId, capacity: u32, credits: Arc<Credits>) {
        self.id = Some(id);
        self.pacing = Pacing::new(capacity, DEADLINE);
        self.credits = credits;
        self.browser.refreshing = false;
    }

    pub(super) fn is_visible(&self) -> bool {
        self.size.is_some() && !self.hidden
    }

    pub(super) fn say(&mut self, word: Word) {
        if self.id.is_some() {
            self.words.push_back(word);
        }
    }

    pub(super) fn refresh(&mut self) {
        if !self.browser.refreshing {
            self.say(Word::Refresh);
        }
        self.browser.refreshing = true;
    }
}

/// As a browser tells it.
pub(super) fn sized(ViewSize { width, height, ratio }: ViewSize) -> Size {
    let one = Size { width, height, pwidth: 1, pheight: 1, ratio: 0.0 };
    one.at_ratio(ratio)
}
