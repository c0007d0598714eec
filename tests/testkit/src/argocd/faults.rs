//! What goes wrong on the way.

use std::fmt;

use super::world::World;
use crate::stub::Reply;

/// What is done to a request.
pub enum Fault {
    /// Changes the world before the request is looked at: the way to lose a race.
    Before(Box<dyn FnOnce(&mut World) + Send>),
    /// Does something else and closes the connection before the effect.
    Lost(Box<dyn FnOnce() + Send>),
    /// Does nothing and answers this; [`Reply::hangup`] closes the connection before the effect.
    Instead(Reply),
    /// Does what is asked and answers this; [`Reply::hangup`] closes the connection after the effect.
    After(Reply),
}

/// A fault that waits for its request.
pub(super) struct PlannedFault {
    pub(super) method: String,
    pub(super) fragment: String,
    /// How many requests pass first.
    pub(super) after: usize,
    pub(super) fault: Fault,
}

impl Fault {
    /// Answers a status with a plain body, as a proxy in front does, and does nothing.
    pub fn status(status: u16) -> Self {
        Self::Instead(Reply::text(status, "upstream connect error"))
    }

    /// Answers with so many bytes of JSON, and does nothing.
    pub fn huge(bytes: usize) -> Self {
        let mut body = b"{\"metadata\":{\"name\":\"".to_vec();
        body.resize(bytes.max(body.len() + 3) - 3, b'x');
        body.extend(b"\"}}");
        Self::Instead(Reply::json(200, body))
    }

    /// Sends the client elsewhere, and does nothing.
    pub fn redirect(location: &str) -> Self {
        Self::Instead(Reply::redirect(307, location))
    }

    /// Answers with a login page, and does nothing.
    pub fn login_page() -> Self {
        Self::Instead(Reply::html(200, "<!doctype html><title>Log in</title>"))
    }
}

impl fmt::Debug for PlannedFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} …{}…", self.method, self.fragment)
    }
}

impl World {
    pub(super) fn take_fault(&mut self, method: &str, path: &str) -> Option<Fault> {
        let matches = |planned: &PlannedFault| {
            (planned.method.is_empty() || planned.method == method)
                && path.contains(&planned.fragment)
        };
        let index = self.faults.iter().position(matches)?;
        let planned = &mut self.faults[index];
        if planned.after > 0 {
            planned.after -= 1;
            return None;
        }
        Some(self.faults.remove(index).fault)
    }
}
