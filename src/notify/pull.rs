//! What a pull request says to the people who merge or close it.

use chrono::{DateTime, Utc};

use crate::policy::trailer;

/// Writes title and body of a pull request from its commit's message, whose trailers stay last: a squash takes them
/// along.
pub fn pull_request(message: &str, until: DateTime<Utc>) -> (String, String) {
    let (title, rest) = message.split_once("\n\n").unwrap_or((message, ""));
    let (prose, trailers) = trailer::split(rest);
    let body = format!(
        "{prose}\n\n\
         **Merging this pull request is the approval, closing it the rejection.** It waits until {until}, or until somebody \
         changes the same paths; then it closes itself.\n\n\
         {trailers}\n",
        until = until.format("%Y-%m-%d %H:%M UTC"),
    );
    (title.to_owned(), body)
}

/// Says why a pull request is closed that nobody merged in time.
pub fn expired() -> String {
    "Nobody merged this in time (`APPROVAL_TIMEOUT`), so it is closed. If the service still burns after `COOLDOWN`, a new pull \
     request with new numbers follows."
        .to_owned()
}

/// Says why a pull request is closed that came too late.
pub fn overtaken(why: &str) -> String {
    format!(
        "This is closed because it was overtaken: {why}. If the service still burns, it is judged anew."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_ends_with_the_trailers_of_the_commit() {
        let message = "Roll back shop/checkout to aaaa\n\nbbbb is rolled back:\nit burns.\n\nThis commit puts it back.\n\n\
                       Error-Budget-Rollback: one\nRolls-Back: bbbb\nRestores: aaaa\n";
        let (title, body) = pull_request(message, DateTime::UNIX_EPOCH);
        assert_eq!(title, "Roll back shop/checkout to aaaa");
        insta::assert_snapshot!(body, @r"
        bbbb is rolled back:
        it burns.

        This commit puts it back.

        **Merging this pull request is the approval, closing it the rejection.** It waits until 1970-01-01 00:00 UTC, or until somebody changes the same paths; then it closes itself.

        Error-Budget-Rollback: one
        Rolls-Back: bbbb
        Restores: aaaa
        ");
    }
}
