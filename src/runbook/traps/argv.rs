//! Traps of programs and their arguments.

use super::kinds::Trap;
use super::kubectl;

/// Programs that take a text apart.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "fish"];

/// What only a shell understands.
const OPERATORS: [&str; 10] = ["|", "|&", "&&", ";", "&", ">", ">>", "<", "<<", "<<<"];

/// Programs that read a text in a language of their own, which has such signs, too.
const WITH_LANGUAGE: [&str; 17] = [
    "awk", "gawk", "sed", "jq", "yq", "perl", "python", "python3", "ruby", "node", "grep", "egrep",
    "envsubst", "psql", "mysql", "mongosh", "promtool",
];

/// Programs that give images names.
const TAGGERS: [&str; 6] = ["docker", "podman", "nerdctl", "buildah", "crane", "regctl"];

/// What the name of an image to go back to is called.
const EARLIER: [&str; 8] = [
    "prev", "previous", "rollback", "backup", "last", "lastgood", "stable", "good",
];

/// Looks at a program and its arguments.
pub(super) fn look(argv: &[&str]) -> Vec<(Trap, String)> {
    let mut found = Vec::new();
    let mut add = |trap: Trap, what: &str| found.push((trap, short(what)));
    let text = shell_text(argv);
    if let Some(text) = &text {
        match text.contains("||") {
            true => add(Trap::UnknownBecomesValue, text),
            false => add(Trap::ShellText, text),
        }
    }
    let reads_signs = text.is_some() || is_any(argv, &WITH_LANGUAGE);
    let is_find = is_any(argv, &["find"]);
    for (at, word) in argv.iter().enumerate() {
        let ends_exec = is_find && *word == ";" && argv[..at].iter().any(|one| is_exec(one));
        match *word {
            "||" if text.is_none() => add(Trap::UnknownBecomesValue, &argv.join(" ")),
            word if OPERATORS.contains(&word) && !ends_exec && text.is_none() => {
                add(Trap::ShellOperator, word);
            }
            word if reads_signs || word.starts_with(['{', '[']) => {}
            word if word.contains(" || ") => add(Trap::UnknownBecomesValue, word),
            word if word.contains(" && ") || is_redirection(word) || is_expansion(word) => {
                add(Trap::ShellOperator, word);
            }
            _ => {}
        }
    }
    let at = |names: &[&str]| argv.iter().position(|word| names.contains(&program(word)));
    if let Some(at) = at(&["kubectl", "oc"]) {
        for trap in kubectl::look(&argv[at + 1..]) {
            add(trap, &argv.join(" "));
        }
    }
    if is_any(argv, &TAGGERS) && names_the_bad_image(argv) {
        add(Trap::LatestAsPrevious, &argv.join(" "));
    }
    found
}

fn is_exec(word: &str) -> bool {
    matches!(word, "-exec" | "-execdir" | "-ok" | "-okdir")
}

/// Tells whether a shell would send something elsewhere by the word, such as `2>/dev/null`.
fn is_redirection(word: &str) -> bool {
    let rest = word.strip_prefix(|c: char| c.is_ascii_digit() || c == '&');
    let target = rest.unwrap_or(word).strip_prefix('>');
    target.is_some_and(|target| {
        let first = target.chars().next();
        first.is_none_or(|c| c.is_alphabetic() || "/&>|.".contains(c))
    })
}

/// Tells whether a shell would put something else for the word or for its end: `$NAME`, `--a=$NAME`, `$(…)`.
fn is_expansion(word: &str) -> bool {
    let end = word.rsplit(['=', ':']).next().unwrap_or(word);
    let name = end.strip_prefix('$').map(|name| {
        let inner = name
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'));
        inner.unwrap_or(name)
    });
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_command = word.len() > 2 && word.starts_with('`') && word.ends_with('`');
    name.is_some_and(is_name) || word.contains("$(") || is_command
}

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Tells whether one of the programs is run, also by another one such as sudo.
fn is_any(argv: &[&str], programs: &[&str]) -> bool {
    argv.iter().any(|word| programs.contains(&program(word)))
}

/// Returns the text that a shell is given.
fn shell_text(argv: &[&str]) -> Option<String> {
    argv.iter().enumerate().find_map(|(at, word)| {
        let after = &argv[at + 1..];
        match program(word) {
            name if SHELLS.contains(&name) => text_of_shell(after).map(str::to_owned),
            "su" | "runuser" => {
                let flag = after
                    .iter()
                    .position(|word| matches!(*word, "-c" | "--command"))?;
                after.get(flag + 1).map(|text| (*text).to_owned())
            }
            "eval" if at == 0 => Some(after.join(" ")),
            // The shell of the other machine reads what is not its name.
            "ssh" if at == 0 || program(argv[0]) == "sudo" => {
                let text = after.join(" ");
                let signs = ["|", "&", ";", ">", "<", "$(", "`"];
                signs.iter().any(|sign| text.contains(sign)).then_some(text)
            }
            _ => None,
        }
    })
}

/// Returns the text behind the options of a shell, where one of them is `c`. Without it, its first word is a file.
fn text_of_shell<'a>(arguments: &[&'a str]) -> Option<&'a str> {
    let mut takes_text = false;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if !word.starts_with(['-', '+']) {
            return takes_text.then_some(*word);
        }
        let is_long = word.starts_with("--");
        takes_text |= word.starts_with('-') && !is_long && word.contains('c');
        // These are followed by the name of a setting, or of a file.
        if (!is_long && word.ends_with(['o', 'O'])) || matches!(*word, "--rcfile" | "--init-file") {
            words.next();
        }
    }
    None
}

/// Tells whether what `latest` is now gets the name that is gone back to.
fn names_the_bad_image(argv: &[&str]) -> bool {
    let Some(at) = argv.iter().position(|word| *word == "tag") else {
        return false;
    };
    let mut images = argv[at + 1..].iter().filter(|word| !word.starts_with('-'));
    let (Some(from), Some(to)) = (images.next(), images.next()) else {
        return false;
    };
    let tag = |image: &str| {
        let name = image.rsplit('/').next().unwrap_or_default();
        let (_, tag) = name.rsplit_once(':')?;
        Some(tag.to_owned())
    };
    let is_latest = tag(from).is_none_or(|tag| tag == "latest");
    let to = tag(to).unwrap_or_else(|| (*to).to_owned());
    let mut words = to.split(|c: char| !c.is_ascii_alphabetic());
    is_latest && words.any(|word| EARLIER.contains(&word.to_ascii_lowercase().as_str()))
}

/// Cuts what is too long for a sentence.
fn short(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(80)
        .collect();
    match text.chars().count() > 80 {
        true => format!("{line}…"),
        false => line,
    }
}
