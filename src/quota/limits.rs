//! What one user may take: by the server's flags, and as administrators change it while the server runs.

use std::{collections::HashMap, fmt::Display, ops::RangeInclusive};

use serde::{Deserialize, Deserializer, Serialize};

use crate::protocol::Refusal;

/// How many of something a user may have at most.
const COUNT: RangeInclusive<usize> = 1..=1_000_000;
/// How many million pixels a second.
pub const MEGAPIXELS: RangeInclusive<f64> = 0.1..=1e6;
/// How many seconds of encoder threads a second.
pub const ENCODER_THREADS: RangeInclusive<f64> = 0.01..=1024.0;
/// How many bytes of memory.
pub const MEMORY: RangeInclusive<u64> = 1 << 20..=1 << 50;
/// How much of the encoder beside others.
pub const WEIGHT: RangeInclusive<f64> = 0.01..=100.0;

/// Bounds on what one user takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UserLimits {
    /// Most widgets.
    pub max_widgets: usize,
    /// Most views of the user's widgets, whoever watches.
    pub max_views: usize,
    /// Most kernels connected.
    pub max_kernels: usize,
    /// Most pixels a second that are sent to the views of the user's widgets; more than 0.
    pub pixels_per_second: f64,
    /// Most time of encoder threads a second, in seconds: as many threads on average; more than 0. `None` leaves it to the
    /// encoder's fair queue.
    pub encoder_threads: Option<f64>,
    /// How much the user gets of the encoder's threads while others want them, relative to the others' weights; more than 0.
    pub weight: f64,
    /// Most bytes that are held in memory for the user: frames, images on their way, messages that come.
    pub memory: u64,
}

/// What an administrator says of one of a user's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Said<T> {
    /// Nothing: it stays as it is.
    #[default]
    Nothing,
    /// It is to be as the server's flags have it.
    AsTheServer,
    To(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::AsTheServer, Self::To))
    }
}

impl<T: Copy> Said<T> {
    fn changes(self, own: &mut Option<T>) {
        match self {
            Self::Nothing => {}
            Self::AsTheServer => *own = None,
            Self::To(value) => *own = Some(value),
        }
    }
}

/// What an administrator changes of a user's limits: each one is left out, `null` for what the server's flags say, or a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsChange {
    max_widgets: Said<usize>,
    max_views: Said<usize>,
    max_kernels: Said<usize>,
    pixels_per_second: Said<f64>,
    encoder_threads: Said<f64>,
    weight: Said<f64>,
    memory: Said<u64>,
}

impl LimitsChange {
    /// Whether every number is in its range.
    ///
    /// # Errors
    /// When one is not: the refusal names the field and the range.
    pub fn check(&self) -> Result<(), Refusal> {
        let pixels = MEGAPIXELS.start() * 1e6..=MEGAPIXELS.end() * 1e6;
        within("max_widgets", self.max_widgets, &COUNT)?;
        within("max_views", self.max_views, &COUNT)?;
        within("max_kernels", self.max_kernels, &COUNT)?;
        within("pixels_per_second", self.pixels_per_second, &pixels)?;
        within("encoder_threads", self.encoder_threads, &ENCODER_THREADS)?;
        within("memory", self.memory, &MEMORY)?;
        within("weight", self.weight, &WEIGHT)
    }
}

fn within<T: PartialOrd + Display>(
    name: &str,
    said: Said<T>,
    range: &RangeInclusive<T>,
) -> Result<(), Refusal> {
    match said {
        Said::To(value) if !range.contains(&value) => {
            let (field, min, max) = (format!("limits.{name}"), range.start(), range.end());
            let message = format!(
                "field `{field}`: {value} is out of range: use a number from {min} to {max}, or null for what the server's flags say"
            );
            Err(Refusal::of_message("bad_field", message).field(field))
        }
        _ => Ok(()),
    }
}

/// What administrators have set for one user; the rest is as the server's flags have it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Set {
    max_widgets: Option<usize>,
    max_views: Option<usize>,
    max_kernels: Option<usize>,
    pixels_per_second: Option<f64>,
    encoder_threads: Option<f64>,
    weight: Option<f64>,
    memory: Option<u64>,
}

impl Set {
    fn over(self, flags: UserLimits) -> UserLimits {
        UserLimits {
            max_widgets: self.max_widgets.unwrap_or(flags.max_widgets),
            max_views: self.max_views.unwrap_or(flags.max_views),
            max_kernels: self.max_kernels.unwrap_or(flags.max_kernels),
            pixels_per_second: self.pixels_per_second.unwrap_or(flags.pixels_per_second),
            encoder_threads: self.encoder_threads.or(flags.encoder_threads),
            weight: self.weight.unwrap_or(flags.weight),
            memory: self.memory.unwrap_or(flags.memory),
        }
    }
}

/// Who may take how much.
pub(super) struct Rules {
    flags: UserLimits,
    /// Of users who have another weight by the flags.
    weights: HashMap<String, f64>,
    /// By user; only of those for whom something is set.
    set: HashMap<String, Set>,
}

impl Rules {
    pub fn new(flags: UserLimits, weights: HashMap<String, f64>) -> Self {
        Self { flags, weights, set: HashMap::new() }
    }

    /// What the server's flags say of a user.
    pub fn by_flags(&self, user: &str) -> UserLimits {
        let weight = self.weights.get(user).copied().unwrap_or(self.flags.weight);
        UserLimits { weight, ..self.flags }
    }

    /// What holds for a user.
    pub fn of(&self, user: &str) -> UserLimits {
        self.set.get(user).copied().unwrap_or_default().over(self.by_flags(user))
    }

    pub fn change(&mut self, user: &str, change: LimitsChange) {
        let mut set = self.set.remove(user).unwrap_or_default();
        change.max_widgets.changes(&mut set.max_widgets);
        change.max_views.changes(&mut set.max_views);
        change.max_kernels.changes(&mut set.max_kernels);
        change.pixels_per_second.changes(&mut set.pixels_per_second);
        change.encoder_threads.changes(&mut set.encoder_threads);
        change.weight.changes(&mut set.weight);
        change.memory.changes(&mut set.memory);
        if set != Set::default() {
            self.set.insert(user.to_owned(), set);
        }
    }

    /// The users for whom something is set.
    pub fn changed(&self) -> Vec<String> {
        self.set.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json;

    const FLAGS: UserLimits = UserLimits {
        max_widgets: 2,
        max_views: 3,
        max_kernels: 1,
        pixels_per_second: 1e6,
        encoder_threads: None,
        weight: 1.0,
        memory: 8 << 20,
    };

    fn change(text: &str) -> LimitsChange {
        json::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_left_out_stays_and_null_is_what_the_flags_say() {
        let mut rules = Rules::new(FLAGS, HashMap::from([("ann".to_owned(), 2.0)]));
        rules.change("ann", change(r#"{"max_widgets": 9, "encoder_threads": 0.5}"#));
        let expected = UserLimits { max_widgets: 9, encoder_threads: Some(0.5), weight: 2.0, ..FLAGS };
        assert_eq!((rules.of("ann"), rules.of("bob")), (expected, FLAGS));
        rules.change("ann", change(r#"{"weight": 3, "max_widgets": null, "memory": 2097152}"#));
        let expected = UserLimits { encoder_threads: Some(0.5), weight: 3.0, memory: 2 << 20, ..FLAGS };
        assert_eq!(rules.of("ann"), expected);
        assert_eq!(rules.changed(), ["ann"]);
        rules.change("ann", change(r#"{"weight": null, "encoder_threads": null, "memory": null}"#));
        assert_eq!((rules.of("ann"), rules.changed().len()), (UserLimits { weight: 2.0, ..FLAGS }, 0));
        assert_eq!(rules.of("ann"), rules.by_flags("ann"));
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_field_with_the_range() {
        for (text, field, range) in [
            (r#"{"max_widgets": 0}"#, "max_widgets", "from 1 to 1000000"),
            (r#"{"max_views": 1000001}"#, "max_views", "from 1 to 1000000"),
            (r#"{"max_kernels": 0}"#, "max_kernels", "from 1 to 1000000"),
            (r#"{"pixels_per_second": 99999}"#, "pixels_per_second", "from 100000 to 1000000000000"),
            (r#"{"encoder_threads": 0}"#, "encoder_threads", "from 0.01 to 1024"),
            (r#"{"weight": 101}"#, "weight", "from 0.01 to 100"),
            (r#"{"memory": 1048575}"#, "memory", "from 1048576 to 1125899906842624"),
        ] {
            let refusal = change(text).check().unwrap_err();
            assert_eq!(refusal.field, Some(format!("limits.{field}")), "{text}");
            assert!(refusal.message.contains(range), "{}", refusal.message);
        }
        assert_eq!(change(r#"{"max_widgets": 1, "weight": 100, "max_views": null}"#).check(), Ok(()));
        for text in [r#"{"max_widgets": -1}"#, r#"{"max_widgets": 1.5}"#, r#"{"weight": "2"}"#, r#"{"x": 1}"#]
        {
            assert!(json::read::<LimitsChange>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
