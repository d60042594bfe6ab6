//! The languages which the command line speaks, and how it chooses one.

use clap::ValueEnum;
use serde::Serialize;

/// A language of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// English
    En,
    /// 한국어
    Ko,
}

/// The same words in each language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) en: &'static str,
    pub(crate) ko: &'static str,
}

impl Text {
    /// The words in one language.
    pub(crate) fn in_language(&self, language: Language) -> &'static str {
        match language {
            Language::En => self.en,
            Language::Ko => self.ko,
        }
    }
}

/// A sentence which was put together while running, in each language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) en: String,
    pub(crate) ko: String,
}

impl Said {
    /// The sentence in one language.
    pub(crate) fn in_language(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Ko => &self.ko,
        }
    }
}

impl Language {
    /// The language of the environment: of `LC_ALL`, `LC_MESSAGES` and `LANG` the first which is
    /// not empty decides, as in other programs. English unless it names Korean.
    pub(crate) fn of_environment() -> Self {
        Self::of_locale(|name| std::env::var(name).ok())
    }

    fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty())
            .unwrap_or_default();
        let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("ko") {
            Language::Ko
        } else {
            Language::En
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(set: &[(&str, &str)]) -> Language {
        Language::of_locale(|name| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_first_variable_which_is_not_empty_decides() {
        assert_eq!(chosen(&[]), Language::En);
        assert_eq!(chosen(&[("LANG", "ko_KR.UTF-8")]), Language::Ko);
        assert_eq!(chosen(&[("LANG", "ko")]), Language::Ko);
        assert_eq!(chosen(&[("LANG", "kok_IN")]), Language::En);
        assert_eq!(chosen(&[("LC_ALL", ""), ("LANG", "ko_KR")]), Language::Ko);
        assert_eq!(chosen(&[("LC_ALL", "C"), ("LANG", "ko_KR")]), Language::En);
        assert_eq!(
            chosen(&[("LC_MESSAGES", "ko_KR"), ("LANG", "en_US")]),
            Language::Ko
        );
    }
}
