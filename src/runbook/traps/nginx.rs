//! Traps of a configuration of NGINX.

use super::kinds::Trap;

/// A directive with its arguments.
struct Directive {
    /// Its name and its arguments.
    words: Vec<String>,
    /// The place of the directive whose block it stands in.
    parent: Option<usize>,
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
    let mut found = Vec::new();
    for (place, Directive { words, .. }) in directives.iter().enumerate() {
        let (name, first) = (
            words.first().map_or("", String::as_str),
            words.get(1).map_or("", String::as_str),
        );
        match name {
            "mirror_timeout" => found.push((Trap::MirrorTimeout, words.join(" "))),
            "split_clients"
                if !["$request_id", "${request_id}"]
                    .iter()
                    .any(|id| first.contains(id)) =>
            {
                found.push((Trap::SplitClients, first.to_owned()));
            }
            "mirror" if first != "off" => match mirrored_to_itself(&directives, place, first) {
                Some(place) => {
                    found.push((Trap::MirrorToItself, format!("mirror {first} in {place}")));
                }
                None if is_waited_for(&directives, place, first) => {
                    found.push((Trap::MirrorWaits, format!("mirror {first}")));
                }
                None => {}
            },
            _ => {}
        }
    }
    found
}

/// Returns the block, such as `location /push`, whose requests are mirrored to where they are served anyway.
fn mirrored_to_itself(directives: &[Directive], mirror: usize, to: &str) -> Option<String> {
    let asked = to.split('?').next().unwrap_or_default();
    let locations = beside(directives, mirror);
    let (serving, served) = serving(&locations, asked)?;
    match above(directives, mirror, "location") {
        Some(location) => (location == serving).then(|| format!("location {served}")),
        // All locations of the server mirror, so one that serves the path only for the mirror must be told from them.
        None => {
            let is_internal = directives.iter().any(|one| {
                one.parent == Some(serving)
                    && one.words.first().is_some_and(|name| name == "internal")
            });
            let is_of_its_own = served == asked && locations.len() > 1;
            (!is_internal && !is_of_its_own).then(|| "a server".to_owned())
        }
    }
}

/// Tells whether the location that serves a mirror passes it on, and nothing there or above says how long that may take.
fn is_waited_for(directives: &[Directive], mirror: usize, to: &str) -> bool {
    let asked = to.split('?').next().unwrap_or_default();
    let Some((location, _)) = serving(&beside(directives, mirror), asked) else {
        return false;
    };
    let has = |block: Option<usize>, wanted: &str| {
        directives
            .iter()
            .any(|one| one.parent == block && one.words.first().is_some_and(|name| name == wanted))
    };
    if !has(Some(location), "proxy_pass") {
        return false;
    }
    let mut block = Some(location);
    loop {
        if has(block, "proxy_read_timeout") {
            return false;
        }
        match block {
            Some(place) => block = directives[place].parent,
            None => return true,
        }
    }
}

/// Returns the locations of the server that a directive stands in.
fn beside(directives: &[Directive], place: usize) -> Vec<(usize, &[String])> {
    let server = above(directives, place, "server");
    let locations = directives.iter().enumerate().filter(|(place, one)| {
        one.words.first().is_some_and(|name| name == "location")
            && above(directives, *place, "server") == server
    });
    locations
        .map(|(place, one)| (place, one.words.as_slice()))
        .collect()
}

/// Returns the nearest block with the name that a directive stands in.
fn above(directives: &[Directive], place: usize, name: &str) -> Option<usize> {
    let mut parent = directives[place].parent;
    while let Some(place) = parent {
        let directive = &directives[place];
        if directive.words.first().is_some_and(|first| first == name) {
            return Some(place);
        }
        parent = directive.parent;
    }
    None
}

/// Returns the path of a location, but not of one that is a regular expression or has a name.
fn path(words: &[String]) -> Option<&str> {
    match words {
        [_, path] if path.starts_with('/') => Some(path),
        [_, how, path] if matches!(how.as_str(), "=" | "^~") => Some(path),
        _ => None,
    }
}

/// Returns the location that serves a path, and its own: the one that is it, else the longest that it begins with.
fn serving<'a>(locations: &[(usize, &'a [String])], asked: &str) -> Option<(usize, &'a str)> {
    let is_exact = |words: &[String]| words.get(1).is_some_and(|how| how == "=");
    let fitting = locations.iter().filter_map(|(place, words)| {
        let path = path(words)?;
        let fits = match is_exact(words) {
            true => asked == path,
            false => asked.starts_with(path),
        };
        fits.then_some((is_exact(words), path.len(), *place, path))
    });
    fitting.max().map(|(_, _, place, path)| (place, path))
}

/// Takes a configuration apart: comments out, quotation marks off, blocks followed.
fn directives(text: &str) -> Vec<Directive> {
    let mut found = Vec::new();
    let mut blocks: Vec<Option<usize>> = Vec::new();
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
                let parent = blocks.last().copied().flatten();
                let inside = match words.is_empty() {
                    true => parent,
                    false => Some(found.len()),
                };
                if !words.is_empty() {
                    let words = std::mem::take(&mut words);
                    found.push(Directive { words, parent });
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
