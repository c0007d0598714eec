//! What a git server does for us.

use crate::clients::http::Purpose;

/// What a server does for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GitService {
    /// It sends history.
    UploadPack,
    /// It takes a push.
    ReceivePack,
}

impl GitService {
    /// Returns its name, which is also that of the program on the server.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    /// Returns what its request is for.
    pub(super) fn purpose(self) -> Purpose {
        match self {
            Self::UploadPack => Purpose::Ask,
            Self::ReceivePack => Purpose::Change,
        }
    }
}
