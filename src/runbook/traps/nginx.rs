//! Traps of a configuration of NGINX.

use super::kinds::Trap;

/// What is the same for every request of a client, or of a client to one path.
const OF_THE_CLIENT: [&str; 7] = [
    "$remote_addr",
    "$binary_remote_addr",
    "$request_uri",
    "$uri",
    "$http_user_agent",
    "${remote_addr}",
    "${request_uri}",
];

/// A directive with its arguments.
struct Directive {
    /// Its name and its arguments.
    words: Vec<String>,
    /// The path of the location that it stands in, where that is found by its beginning or as a whole.
    location: Option<String>,
}

/// Looks at a text that may be a configuration of NGINX.
pub(super) fn look(text: &str) -> Vec<(Trap, String)> {
    let has_one = ["mirror", "split_clients"]
        .iter()
        .any(|name| text.contains(name));
    if !has_one {
        return Vec::new();
    }
    let directives = directives(text);
    let locations: Vec<&[String]> = directives
        .iter()
        .map(|one| one.words.as_slice())
        .filter(|words| words.first().is_some_and(|name| name == "location"))
        .collect();
    let mut found = Vec::new();
    for Directive { words, location } in &directives {
        let (name, first) = (
            words.first().map_or("", String::as_str),
            words.get(1).map_or("", String::as_str),
        );
        match name {
            "mirror_timeout" => found.push((Trap::MirrorTimeout, words.join(" "))),
            "split_clients" if is_of_the_client(first) => {
                found.push((Trap::SplitClients, first.to_owned()));
            }
            "mirror" if first != "off" && location.is_some() => {
                let asked = first.split('?').next().unwrap_or_default();
                if serving(&locations, asked) == location.as_deref() {
                    let what = format!(
                        "mirror {first} in location {}",
                        location.as_deref().unwrap_or_default()
                    );
                    found.push((Trap::MirrorToItself, what));
                }
            }
            _ => {}
        }
    }
    found
}

fn is_of_the_client(key: &str) -> bool {
    OF_THE_CLIENT.iter().any(|part| key.contains(part)) && !key.contains("request_id")
}

/// Returns the path of a location, but not of one that is a regular expression or has a name.
fn path(words: &[String]) -> Option<&str> {
    match words {
        [_, path] if path.starts_with('/') => Some(path),
        [_, how, path] if matches!(how.as_str(), "=" | "^~") => Some(path),
        _ => None,
    }
}

/// Returns the location that serves a path: the one that is it, else the longest that it begins with.
fn serving<'a>(locations: &[&'a [String]], asked: &str) -> Option<&'a str> {
    let is_exact = |words: &[String]| words.get(1).is_some_and(|how| how == "=");
    let fitting = locations.iter().filter_map(|words| {
        let path = path(words)?;
        let fits = match is_exact(words) {
            true => asked == path,
            false => asked.starts_with(path),
        };
        fits.then_some((is_exact(words), path.len(), path))
    });
    fitting.max().map(|(_, _, path)| path)
}

/// Takes a configuration apart: comments out, quotation marks off, blocks followed.
fn directives(text: &str) -> Vec<Directive> {
    let mut found = Vec::new();
    let mut blocks: Vec<Option<String>> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut is_comment = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if is_comment {
            is_comment = letter != '\n';
            continue;
        }
        if let Some(open) = quote {
            match letter {
                '\\' => word.extend(letters.next()),
                _ if letter == open => quote = None,
                _ => word.push(letter),
            }
            continue;
        }
        // A variable in braces is a part of the word.
        if letter == '$' && letters.peek() == Some(&'{') {
            word.push(letter);
            for inside in letters.by_ref() {
                word.push(inside);
                if inside == '}' {
                    break;
                }
            }
            continue;
        }
        match letter {
            '"' | '\'' if word.is_empty() => quote = Some(letter),
            '#' if word.is_empty() => is_comment = true,
            '{' | '}' | ';' => {
                end(&mut word, &mut words);
                let location = blocks.iter().rev().flatten().next().cloned();
                let inside = match words.first().map(String::as_str) {
                    Some("location") => path(&words).map(str::to_owned),
                    _ => None,
                };
                if !words.is_empty() {
                    let words = std::mem::take(&mut words);
                    found.push(Directive { words, location });
                }
                match letter {
                    '{' => blocks.push(inside),
                    '}' => {
                        blocks.pop();
                    }
                    _ => {}
                }
            }
            _ if letter.is_whitespace() => end(&mut word, &mut words),
            _ => word.push(letter),
        }
    }
    found
}

fn end(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}
