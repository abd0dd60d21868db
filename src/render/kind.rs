//! Kinds of widget: a name, the options it takes, and how to make its renderer.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::{Map, Value};

use super::RemoteFrameBuffer;
use crate::{Traits, WidgetHandle};

/// Why a widget of a kind cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum KindError {
    /// No kind of that name.
    #[error("no kind `{kind}`: {}", instead(known))]
    Unknown {
        /// The name that was asked for.
        kind: String,
        /// The names there are.
        known: String,
    },
    /// An option that the kind does not have, or a value that it does not take.
    #[error("option `{option}`: {message}")]
    Option {
        /// The option's name.
        option: String,
        /// What is wrong with it, and what to write instead.
        message: String,
    },
    /// The renderer itself could not be made.
    #[error("{0}")]
    Failed(String),
}

/// What to do instead of asking for a kind that is not there.
fn instead(known: &str) -> String {
    match known {
        "" => "this server offers none (--demos, --kinds); a notebook or a program makes widgets".to_owned(),
        known => format!("use one of {known}"),
    }
}

impl KindError {
    /// A [`KindError::Option`].
    pub fn option(option: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Option { option: option.into(), message: message.into() }
    }
}

/// One option of a kind: its name, type, default and meaning, for people and for checks.
#[derive(Debug, Clone, Serialize)]
pub struct OptionSpec {
    /// The option's name.
    pub name: &'static str,
    /// The value used when the option is not given; also says the type.
    pub default: Value,
    /// What it means, with unit and range.
    pub description: &'static str,
}

/// The options that a widget was made with: every option of its kind, given or default.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Options(Map<String, Value>);

impl Options {
    /// An integer in a range.
    ///
    /// # Errors
    /// When the value is no whole number in the range.
    pub fn integer(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, KindError> {
        self.value(name)?.as_u64().filter(|n| range.contains(n)).ok_or_else(|| {
            let value = &self.0[name];
            KindError::option(
                name,
                format!("{value} is not a whole number from {} to {}", range.start(), range.end()),
            )
        })
    }

    /// A number in a range.
    ///
    /// # Errors
    /// When the value is no number in the range.
    pub fn number(&self, name: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, KindError> {
        self.value(name)?.as_f64().filter(|n| range.contains(n)).ok_or_else(|| {
            let value = &self.0[name];
            KindError::option(
                name,
                format!("{value} is not a number from {} to {}", range.start(), range.end()),
            )
        })
    }

    /// A text.
    ///
    /// # Errors
    /// When the value is no string.
    pub fn text(&self, name: &str) -> Result<&str, KindError> {
        let value = self.value(name)?;
        value.as_str().ok_or_else(|| KindError::option(name, format!("{value} is not a string")))
    }

    fn value(&self, name: &str) -> Result<&Value, KindError> {
        self.0.get(name).ok_or_else(|| KindError::option(name, "the kind does not declare this option"))
    }
}

type Factory = dyn Fn(WidgetHandle, &Options) -> Result<Box<dyn RemoteFrameBuffer>, KindError> + Send + Sync;

/// A kind of widget.
#[derive(Clone)]
pub struct Kind {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    options: Vec<OptionSpec>,
    traits: Traits,
    factory: Arc<Factory>,
}

impl Kind {
    /// A kind whose renderers `make` makes. `make` gets the widget's handle, with which the renderer can ask for draws, and
    /// the options; it runs on a thread that may block.
    pub fn new<R: RemoteFrameBuffer>(
        name: &'static str,
        make: impl Fn(WidgetHandle, &Options) -> Result<R, KindError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            title: name,
            description: "",
            options: Vec::new(),
            traits: Traits::default(),
            factory: Arc::new(move |handle, options| {
                make(handle, options).map(|renderer| Box::new(renderer) as Box<dyn RemoteFrameBuffer>)
            }),
        }
    }

    /// Sets what people read: a title, which widgets of this kind start with, and a sentence.
    #[must_use]
    pub fn described(mut self, title: &'static str, description: &'static str) -> Self {
        self.title = title;
        title.clone_into(&mut self.traits.title);
        self.description = description;
        self
    }

    /// Declares an option with its default, which also says its type.
    #[must_use]
    pub fn option(
        mut self,
        name: &'static str,
        default: impl Into<Value>,
        description: &'static str,
    ) -> Self {
        self.options.push(OptionSpec { name, default: default.into(), description });
        self
    }

    /// Sets the traits that widgets of this kind start with.
    #[must_use]
    pub fn with_traits(mut self, set: impl FnOnce(&mut Traits)) -> Self {
        set(&mut self.traits);
        self
    }

    /// The name by which `POST /api/widgets` asks for the kind.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The title for people.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// The sentence for people.
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// The options that the kind takes.
    pub fn options(&self) -> &[OptionSpec] {
        &self.options
    }

    /// The traits that widgets of this kind start with.
    pub fn traits(&self) -> &Traits {
        &self.traits
    }

    /// Fills the given options up with defaults.
    ///
    /// # Errors
    /// When an option is given that the kind does not have.
    pub fn complete(&self, given: Map<String, Value>) -> Result<Options, KindError> {
        let mut all: Map<String, Value> =
            self.options.iter().map(|option| (option.name.to_owned(), option.default.clone())).collect();
        for (name, value) in given {
            if !all.contains_key(&name) {
                let known: Vec<_> = self.options.iter().map(|option| option.name).collect();
                let message = if known.is_empty() {
                    format!("kind `{}` takes no options", self.name)
                } else {
                    format!("kind `{}` takes {}", self.name, known.join(", "))
                };
                return Err(KindError::option(name, message));
            }
            all.insert(name, value);
        }
        Ok(Options(all))
    }

    /// Makes a renderer.
    ///
    /// # Errors
    /// When an option's value is bad, or the renderer cannot start.
    pub fn make(
        &self,
        handle: WidgetHandle,
        options: &Options,
    ) -> Result<Box<dyn RemoteFrameBuffer>, KindError> {
        (self.factory)(handle, options)
    }
}

/// The kinds that a server offers, by name.
#[derive(Clone, Default)]
pub struct Kinds(BTreeMap<&'static str, Kind>);

impl Kinds {
    /// Adds a kind; one of the same name is replaced.
    pub fn register(&mut self, kind: Kind) {
        self.0.insert(kind.name, kind);
    }

    /// Leaves only the kinds of these names.
    ///
    /// # Errors
    /// When there is none of one of the names.
    pub fn retain(&mut self, names: &[String]) -> Result<(), KindError> {
        names.iter().try_for_each(|name| self.get(name).map(drop))?;
        self.0.retain(|kind, _| names.iter().any(|name| name == kind));
        Ok(())
    }

    /// The kind of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, kind: &str) -> Result<&Kind, KindError> {
        self.0.get(kind).ok_or_else(|| KindError::Unknown {
            kind: kind.to_owned(),
            known: self.0.keys().copied().collect::<Vec<_>>().join(", "),
        })
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl RemoteFrameBuffer for Nothing {}

    fn kind() -> Kind {
        Kind::new("test", |_, _| Ok(Nothing)).option("width", 640, "in pixels").option("file", "", "a name")
    }

    #[test]
    fn options_that_are_not_given_have_their_defaults() {
        let options = kind().complete(Map::new()).unwrap();
        assert_eq!(options.integer("width", 1..=1000).unwrap(), 640);
        assert_eq!(options.text("file").unwrap(), "");
    }

    #[test]
    fn an_option_that_the_kind_does_not_have_is_refused_with_those_it_has() {
        let given = serde_json::json!({"heigth": 3}).as_object().unwrap().clone();
        let message = kind().complete(given).unwrap_err().to_string();
        assert_eq!(message, "option `heigth`: kind `test` takes width, file");
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_value_and_range() {
        for value in [serde_json::json!(0), serde_json::json!(1.5), serde_json::json!("640")] {
            let given = serde_json::json!({"width": value}).as_object().unwrap().clone();
            let options = kind().complete(given).unwrap();
            let message = options.integer("width", 1..=1000).unwrap_err().to_string();
            assert_eq!(message, format!("option `width`: {value} is not a whole number from 1 to 1000"));
        }
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_kinds_there_are() {
        let mut kinds = Kinds::default();
        kinds.register(kind());
        let Err(error) = kinds.get("tset") else { panic!("found a kind that is not there") };
        assert_eq!(error.to_string(), "no kind `tset`: use one of test");
        let Err(error) = Kinds::default().get("test").map(drop) else {
            panic!("found a kind where there is none")
        };
        assert!(error.to_string().contains("a notebook or a program makes widgets"), "{error}");
    }

    #[test]
    fn kinds_that_are_not_allowed_are_not_there() {
        let mut kinds = Kinds::default();
        kinds.register(kind());
        kinds.register(Kind::new("other", |_, _| Ok(Nothing)));
        assert!(kinds.retain(&["tset".to_owned()]).is_err());
        kinds.retain(&["test".to_owned()]).unwrap();
        assert_eq!(kinds.iter().map(Kind::name).collect::<Vec<_>>(), ["test"]);
    }
}
