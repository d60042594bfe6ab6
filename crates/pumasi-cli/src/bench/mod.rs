//! `pumasi bench`: how a measurement, which Python's `pumasi.measure` makes, is started and shown.
//!
//! [`report`] is what Python sends, [`words`] says it in sentences, [`text`] prints it in a terminal,
//! [`page`] as a page for browsers whose plots are in [`plots`]. Nothing here measures or concludes.

pub(crate) mod page;
pub(crate) mod plots;
pub(crate) mod report;
pub(crate) mod text;
pub(crate) mod words;

use crate::language::Language;
use crate::output::Output;
use report::Report;

/// The report of a measurement as text or as a page: what Python's `Report` is printed by.
///
/// `json` is what `pumasi.measure` made, `form` is `text` or `html`, `language` is `en` or `ko`.
///
/// # Errors
///
/// A sentence, when one of these is not understood.
pub fn render(json: &str, form: &str, language: &str) -> Result<String, String> {
    let report: Report =
        serde_json::from_str(json).map_err(|error| format!("not a report: {error}"))?;
    let language = match language {
        "en" => Language::En,
        "ko" => Language::Ko,
        other => return Err(format!("{other:?} is not a language: en or ko")),
    };
    match form {
        "html" => Ok(page::page(&report, language)),
        "text" => {
            let mut out = Output::to_memory(100);
            text::print(&mut out, &report, language).map_err(|error| error.to_string())?;
            Ok(out.into_text())
        }
        other => Err(format!("{other:?} is not a form: text or html")),
    }
}
