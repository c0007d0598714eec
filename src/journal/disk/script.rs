//! What a test does to the calls on the file system of its own thread: it sees them, and makes any of them fail.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use super::calls::DiskCall;

/// A call that was made, with what it was made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    Folder(PathBuf),
    Tried(PathBuf),
    Created(PathBuf),
    Wrote(PathBuf, Vec<u8>),
    Synced(PathBuf),
    Read(PathBuf),
    Renamed(PathBuf, PathBuf),
    SyncedFolder(PathBuf),
    Removed(PathBuf),
}

/// What befalls a call. None of them has any effect on the disk, but for the part of a short write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The disk is broken.
    Io,
    /// The disk is full.
    NoSpace,
    /// A signal came first.
    Interrupted,
    /// Only one byte is written. Calls that do not write are made as always.
    Short,
    /// Not even one byte is written, and that is not called an error. Calls that do not write are made as always.
    Nothing,
}

impl Fault {
    pub(super) const ALL: [Self; 5] = [
        Self::Io,
        Self::NoSpace,
        Self::Interrupted,
        Self::Short,
        Self::Nothing,
    ];

    /// Returns the error, where it is one. Numbers: Linux, `errno.h`.
    fn error(self) -> Option<io::Error> {
        match self {
            Self::Io => Some(io::Error::from_raw_os_error(5)),
            Self::NoSpace => Some(io::Error::from_raw_os_error(28)),
            Self::Interrupted => Some(io::Error::from_raw_os_error(4)),
            Self::Short | Self::Nothing => None,
        }
    }
}

/// Which calls are befallen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FaultPlan {
    pub(super) fault: Fault,
    /// The first one, counted from 0.
    pub(super) at: usize,
    /// Whether all after it are too.
    pub(super) for_ever: bool,
}

/// What a test saw.
#[derive(Debug, Default)]
pub(super) struct CallsSeen {
    /// The calls that were made and succeeded, in order.
    pub(super) made: Vec<Made>,
    /// How many calls there were, with those that failed.
    pub(super) calls: usize,
    /// How many of them were befallen.
    pub(super) befallen: usize,
}

#[derive(Default)]
struct Script {
    plan: Option<FaultPlan>,
    seen: CallsSeen,
}

thread_local! {
    static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
}

/// Does something while this thread's calls are seen, and befallen as planned.
pub(super) fn while_watched<T>(
    plan: Option<FaultPlan>,
    action: impl FnOnce() -> T,
) -> (T, CallsSeen) {
    let script = Script {
        plan,
        seen: CallsSeen::default(),
    };
    let outer = SCRIPT.replace(Some(script));
    assert!(outer.is_none(), "one script at a time");
    let done = action();
    let script = SCRIPT.take().expect("nobody else takes it");
    (done, script.seen)
}

/// Cuts what is about to be written, where that call is to be short.
pub(super) fn cut(bytes: &[u8]) -> &[u8] {
    match next_fault() {
        Some(Fault::Short) => bytes.get(..1).unwrap_or(bytes),
        Some(Fault::Nothing) => &[],
        Some(Fault::Io | Fault::NoSpace | Fault::Interrupted) | None => bytes,
    }
}

pub(super) fn watched<T>(
    call: DiskCall<'_>,
    make: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let fault = next_fault();
    SCRIPT.with_borrow_mut(|script| {
        if let Some(script) = script {
            script.seen.calls += 1;
            script.seen.befallen += usize::from(fault.is_some());
        }
    });
    if let Some(error) = fault.and_then(Fault::error) {
        return Err(error);
    }
    let made = make()?;
    SCRIPT.with_borrow_mut(|script| {
        if let Some(script) = script {
            script.seen.made.push(call.into());
        }
    });
    Ok(made)
}

/// Returns what befalls the next call.
fn next_fault() -> Option<Fault> {
    SCRIPT.with_borrow(|script| {
        let Script { plan, seen } = script.as_ref()?;
        let plan = plan.as_ref()?;
        let is_befallen = seen.calls == plan.at || (plan.for_ever && seen.calls > plan.at);
        is_befallen.then_some(plan.fault)
    })
}

impl From<DiskCall<'_>> for Made {
    fn from(call: DiskCall<'_>) -> Self {
        let owned = Path::to_path_buf;
        match call {
            DiskCall::MakeFolder(path) => Self::Folder(owned(path)),
            DiskCall::TryFolder(path) => Self::Tried(owned(path)),
            DiskCall::Create(path) => Self::Created(owned(path)),
            DiskCall::Write(path, bytes) => Self::Wrote(owned(path), bytes.to_vec()),
            DiskCall::Sync(path) => Self::Synced(owned(path)),
            DiskCall::Read(path) => Self::Read(owned(path)),
            DiskCall::Rename(from, to) => Self::Renamed(owned(from), owned(to)),
            DiskCall::SyncFolder(path) => Self::SyncedFolder(owned(path)),
            DiskCall::Remove(path) => Self::Removed(owned(path)),
        }
    }
}
