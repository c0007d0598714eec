//! Results as a terminal shows them: wrapped at words and in colour. What is written into a file or a pipe stays as it
//! is.

use std::io::{self, IsTerminal, Write};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSeparator, WordSplitter};

/// Narrowest terminal that lines are wrapped for (columns); below it hanging lines have no room.
const MIN_WIDTH: usize = 60;

/// Column at which the value of a line begins that has a name, as most have.
const NAMED_AT: usize = 15;

/// Rightmost column at which the value of a line may begin.
const MAX_INDENT: usize = 44;

const GOOD: Style = AnsiColor::Green.on_default();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const PLACE: Style = AnsiColor::Cyan.on_default();
const LABEL: Style = Style::new().bold();

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`; everywhere where `CLICOLOR_FORCE` is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// Writes the text of a result to standard output.
///
/// # Errors
/// What the operating system says: a full disk, or a reader that has gone.
pub fn show(text: &str, colour: Colour) -> io::Result<()> {
    let out = io::stdout();
    let text = dressed(text, colour, &out);
    // Standard output writes every line on its own; a record is a hundred lines, and one system call.
    let mut out = out.lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Returns a text as it is shown on a stream.
pub fn dressed(text: &str, colour: Colour, stream: &(impl RawStream + IsTerminal)) -> String {
    let choice = match colour {
        Colour::Auto => AutoStream::choice(stream),
        Colour::Always => ColorChoice::Always,
        Colour::Never => ColorChoice::Never,
    };
    let width = terminal_size::terminal_size()
        .filter(|_| IsTerminal::is_terminal(stream))
        .map(|(width, _)| usize::from(width.0));
    let text = match width {
        Some(width) => wrapped(text, width),
        None => text.to_owned(),
    };
    match choice {
        ColorChoice::Never => text,
        ColorChoice::Auto | ColorChoice::Always | ColorChoice::AlwaysAnsi => coloured(&text),
    }
}

/// Wraps the lines that are longer than the terminal is wide at words; the rest of a line stands below its value. What
/// is to be copied (a diff, a query) stays whole.
fn wrapped(text: &str, width: usize) -> String {
    if width < MIN_WIDTH {
        return text.to_owned();
    }
    let mut is_diff = false;
    let mut all = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        is_diff = (is_diff && !bare.is_empty()) || bare.starts_with("diff --git ");
        let indent = value_at(bare);
        if is_diff
            || indent == 0
            || indent > MAX_INDENT
            || textwrap::core::display_width(bare) <= width
        {
            all.push_str(line);
            continue;
        }
        let hanging = " ".repeat(indent);
        let options = Options::new(width)
            .subsequent_indent(&hanging)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        all.push_str(&textwrap::fill(bare, options));
        all.push('\n');
    }
    all
}

/// Returns the column at which the value of a line begins: behind its name, or after the last gap of two blanks or more
/// that ends early in the line, or 0 where there is none.
fn value_at(line: &str) -> usize {
    let mut behind_name = line.chars().skip(NAMED_AT - 2);
    if line.starts_with(|first: char| first.is_alphabetic())
        && (behind_name.next(), behind_name.next()) == (Some(' '), Some(' '))
        && behind_name.next().is_some_and(|next| next != ' ')
    {
        return NAMED_AT;
    }
    let mut at = 0;
    let mut gap = 0;
    for (column, letter) in line.chars().enumerate().take(MAX_INDENT) {
        match letter {
            ' ' => gap += 1,
            _ => {
                if gap >= 2 {
                    at = column;
                }
                gap = 0;
            }
        }
    }
    at
}

/// Puts colours on the words that tell how something stands, and on diffs.
fn coloured(text: &str) -> String {
    let mut is_diff = false;
    let mut all = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        is_diff = (is_diff && !bare.is_empty()) || bare.starts_with("diff --git ");
        let end = &line[bare.len()..];
        match is_diff {
            true => push(&mut all, of_diff(bare), bare),
            false => push_line(&mut all, bare),
        }
        all.push_str(end);
    }
    all
}

fn of_diff(line: &str) -> Style {
    match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] | [b'd', b'i', b'f', b'f', ..] => LABEL,
        [b'+', ..] => GOOD,
        [b'-', ..] => AnsiColor::Red.on_default(),
        [b'@', b'@', ..] => PLACE,
        _ => Style::new(),
    }
}

/// Colours the first word of a line where it says how something stands, and the first word of its value.
fn push_line(all: &mut String, line: &str) {
    let value_at = value_at(line);
    let value_at = line
        .char_indices()
        .nth(value_at)
        .map_or(line.len(), |(at, _)| at);
    let (head, value) = line.split_at(value_at);
    let lead = head.len() - head.trim_start_matches([' ', '>']).len();
    let (lead, rest) = head.split_at(lead);
    all.push_str(lead);
    match standing(rest) {
        Some((words, style)) => {
            push(all, style, words);
            all.push_str(&rest[words.len()..]);
            all.push_str(value);
        }
        None if lead.is_empty() && !rest.is_empty() => {
            push(all, LABEL, rest.trim_end());
            all.push_str(&rest[rest.trim_end().len()..]);
            match standing(value) {
                Some((words, style)) => {
                    push(all, style, words);
                    all.push_str(&value[words.len()..]);
                }
                None => all.push_str(value),
            }
        }
        None => {
            all.push_str(rest);
            match standing(value) {
                Some((words, style)) if rest.is_empty() => {
                    push(all, style, words);
                    all.push_str(&value[words.len()..]);
                }
                Some(_) | None => all.push_str(value),
            }
        }
    }
}

/// Returns the words at the beginning of a text that say how something stands.
fn standing(text: &str) -> Option<(&str, Style)> {
    const WORDS: [(&str, Style); 22] = [
        ("may deploy", GOOD),
        ("healthy", GOOD),
        ("recovered", GOOD),
        ("pass", GOOD),
        ("done", GOOD),
        ("ok", GOOD),
        ("at_risk", DOUBTFUL),
        ("unknown", DOUBTFUL),
        ("warning", DOUBTFUL),
        ("pending", DOUBTFUL),
        ("verifying", DOUBTFUL),
        ("not checked", DOUBTFUL),
        ("await_approval", DOUBTFUL),
        ("awaiting_approval", DOUBTFUL),
        ("hold", DOUBTFUL),
        ("blocked", BAD),
        ("burning", BAD),
        ("violated", BAD),
        ("problem", BAD),
        ("failed", BAD),
        ("fail", BAD),
        ("rollback (", BAD),
    ];
    let (words, style) = WORDS.iter().find(|(words, _)| {
        text.strip_prefix(words).is_some_and(|behind| {
            words.ends_with('(')
                || !behind.starts_with(|next: char| next.is_alphanumeric() || next == '_')
        })
    })?;
    let words = words.trim_end_matches([' ', '(']);
    Some((&text[..words.len()], *style))
}

fn push(all: &mut String, style: Style, text: &str) {
    if text.is_empty() {
        return;
    }
    let (on, off) = (style.render(), style.render_reset());
    let _ = std::fmt::Write::write_fmt(all, format_args!("{on}{text}{off}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = "\
service        shop/checkout  (run, 2026-11-29 23:00:46 UTC)
verdict        burning
burn rate      5m 200  30m 167  1h 83.5
decision       hold (not_attributable): the errors began 40 minutes before the deployment of c6dacec9f5, which is not to blame for them

  pass         burning       burn rate 1h 83.5, 5m 200.0
> fail         attribution   the errors began 40 minutes before the deployment of c6dacec9f5, so that it cannot be to blame

diff --git a/x b/x
--- a/x
+++ b/x
@@ -1 +1 @@
-a line that is long enough to be wrapped at eighty columns if it were not a part of a diff
+b
";

    #[test]
    fn lines_are_wrapped_at_words_below_their_value() {
        let eighty = wrapped(RESULT, 80);
        for line in eighty.lines().take_while(|line| !line.starts_with("diff")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let named = "\n               deployment of c6dacec9f5, which is not to blame for them\n";
        assert!(eighty.contains(named), "{eighty}");
        let gate = "\n                             of c6dacec9f5, so that it cannot be to blame\n";
        assert!(eighty.contains(gate), "{eighty}");
        // Nothing is lost, and a diff stays as it is.
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&eighty), words(RESULT));
        assert!(eighty.ends_with(&RESULT[RESULT.find("diff").expect("a diff")..]));
        assert_eq!(wrapped(RESULT, 400), RESULT);
        assert_eq!(wrapped(RESULT, 20), RESULT);
    }

    #[test]
    fn colours_are_put_on_and_nothing_else_changes() {
        let shown = coloured(RESULT);
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), RESULT);
        let is_styled = |style: Style, words: &str| {
            shown.contains(&format!(
                "{}{words}{}",
                style.render(),
                style.render_reset()
            ))
        };
        assert!(
            is_styled(LABEL, "burn rate") && is_styled(BAD, "burning"),
            "{shown}"
        );
        assert!(
            is_styled(DOUBTFUL, "hold") && is_styled(GOOD, "pass"),
            "{shown}"
        );
        assert!(is_styled(BAD, "fail") && is_styled(GOOD, "+b"), "{shown}");
        assert!(is_styled(PLACE, "@@ -1 +1 @@"), "{shown}");
        for untouched in ["", "\n", "x", "ü  y\n", "failure\n"] {
            let shown = coloured(untouched);
            assert_eq!(anstream::adapter::strip_str(&shown).to_string(), untouched);
        }
    }
}
