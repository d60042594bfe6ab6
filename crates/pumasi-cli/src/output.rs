//! Printing to standard output: how wide it is, whether it is a terminal, and text broken to fit.

use std::io::{self, IsTerminal, Write};

/// The width where nothing says how wide the reader's window is.
const DEFAULT_WIDTH: usize = 100;
/// Longer lines are hard to read, however wide the terminal is.
const MAX_WIDTH: usize = 140;
const MIN_WIDTH: usize = 30;

/// A blank at which no line is broken. It is printed as an ordinary one.
pub(crate) const FIRM_BLANK: char = '\u{a0}';

/// Standard output, and what is known of who reads it.
pub(crate) struct Output<W = io::Stdout> {
    writer: W,
    /// Columns which a line may take.
    pub(crate) width: usize,
    /// Whether lines and boxes may be drawn; otherwise it is plain text.
    pub(crate) terminal: bool,
}

impl Output {
    /// The output of this process. A terminal knows its width; otherwise `COLUMNS` says it.
    pub(crate) fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let size = if terminal {
            console::Term::stdout().size_checked()
        } else {
            None
        };
        let columns = || {
            std::env::var("COLUMNS")
                .ok()
                .and_then(|text| text.parse().ok())
        };
        let width = size
            .map(|(_, columns)| usize::from(columns))
            .or_else(columns);
        let width = width.unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH);
        Self {
            writer: io::stdout(),
            width,
            terminal,
        }
    }
}

impl Output<Vec<u8>> {
    /// An output that is kept, for lines of so many columns.
    pub(crate) fn to_memory(width: usize) -> Self {
        Self {
            writer: Vec::new(),
            width,
            terminal: true,
        }
    }

    /// What was printed.
    pub(crate) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.writer).into_owned()
    }
}

impl<W: Write> Output<W> {
    /// One line as it is, however long.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.writer, "{}", softened(text.trim_end()))
    }

    /// Text broken into lines between words; the first begins with `first`, the others with as many
    /// blanks.
    pub(crate) fn paragraph(&mut self, first: &str, text: &str) -> io::Result<()> {
        let indent = columns(first);
        let blanks = " ".repeat(indent);
        for (number, line) in wrapped(text, self.width.saturating_sub(indent))
            .iter()
            .enumerate()
        {
            let before = if number == 0 { first } else { &blanks };
            self.line(&format!("{before}{line}"))?;
        }
        Ok(())
    }

    /// Hands everything to the reader.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The text with ordinary blanks only.
pub(crate) fn softened(text: &str) -> String {
    text.replace(FIRM_BLANK, " ")
}

/// The columns which a text takes on a terminal, two for each Korean letter.
pub(crate) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// The text in lines of at most `width` columns; a word which is longer gets a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split([' ', '\n']).filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("there is always a last line");
        if line.is_empty() {
            line.push_str(word);
        } else if columns(line) + 1 + columns(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(
            wrapped("incomprehensible word", 7),
            ["incomprehensible", "word"]
        );
        assert_eq!(wrapped("takes 45\u{a0}ns", 8), ["takes", "45\u{a0}ns"]);
        assert_eq!(wrapped("", 7), [""]);
    }

    #[test]
    fn korean_letters_take_two_columns() {
        assert_eq!(columns("공유 리스트"), 11);
        assert_eq!(wrapped("공유 리스트", 10), ["공유", "리스트"]);
    }

    #[test]
    fn a_paragraph_hangs_under_its_first_word() {
        let mut output = Output {
            writer: Vec::new(),
            width: 30,
            terminal: false,
        };
        output
            .paragraph("10. ", "Four processes append ten numbers each.")
            .unwrap();
        let printed = String::from_utf8(output.writer).unwrap();
        assert_eq!(
            printed,
            "10. Four processes append ten\n    numbers each.\n"
        );
    }
}
