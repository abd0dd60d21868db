//! Scrapes for whoever asks: one at a time, and each for all who ask within a second.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use tokio::{sync::Mutex, time::Instant};

use super::Format;

/// How old the text may be that somebody gets: much less than the interval of any scraper.
const AGE: Duration = Duration::from_secs(1);

/// The latest scrape in each format. Whoever makes one has the lock until it is there; the others wait for it.
#[derive(Default)]
pub struct Scrapes(Mutex<HashMap<Format, (Instant, Bytes)>>);

impl Scrapes {
    /// A scrape that is a second old at most, made by `make` if there is none; `None` if none can be made.
    pub async fn latest<M>(&self, format: Format, make: impl FnOnce() -> M) -> Option<Bytes>
    where
        M: Future<Output = Option<String>>,
    {
        let mut latest = self.0.lock().await;
        if let Some((made, text)) = latest.get(&format)
            && made.elapsed() < AGE
        {
            return Some(text.clone());
        }
        let text = Bytes::from(make().await?);
        latest.insert(format, (Instant::now(), text.clone()));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    #[actix_web::test]
    async fn however_many_ask_one_scrape_a_second_is_made() {
        tokio::time::pause();
        let (scrapes, made, running) = (Scrapes::default(), Cell::new(0), Cell::new(false));
        let scrape = || async {
            assert!(!running.replace(true), "two at a time");
            tokio::time::sleep(Duration::from_millis(100)).await;
            running.set(false);
            made.set(made.get() + 1);
            Some(made.get().to_string())
        };
        let texts = join_all((0..50).map(|_| scrapes.latest(Format::Text, scrape))).await;
        assert!(texts.iter().all(|text| text.as_deref() == Some(b"1")), "{texts:?}");
        assert_eq!(scrapes.latest(Format::OpenMetrics, scrape).await.unwrap(), "2");
        tokio::time::sleep(AGE).await;
        assert_eq!(scrapes.latest(Format::Text, scrape).await.unwrap(), "3");
    }
}
