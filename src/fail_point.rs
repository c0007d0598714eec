//! Boundaries at which a run can be made to die, so that tests see what the next run makes of it.
//!
//! They exist only with the feature `fail-points`; without it nothing of this is compiled. With it, and only where
//! `FAIL_POINT_TRACE` names a file, each boundary that is reached appends its name as a line to that file, and where
//! `FAIL_POINT_KILL` is a number, the process kills itself with SIGKILL at the boundary of that number, the first
//! being 1. This is the one place outside `config` that reads the environment: these are no settings of the program.

/// Passes a boundary.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub(crate) fn reached(_: &'static str) {}

#[cfg(feature = "fail-points")]
pub(crate) use armed::reached;

#[cfg(feature = "fail-points")]
mod armed {
    use std::env;
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::sync::{Mutex, OnceLock};

    use rustix::process::{Signal, getpid, kill_process};

    /// Names the file to which the boundaries are written.
    const TRACE: &str = "FAIL_POINT_TRACE";

    /// Says at which boundary the process dies.
    const KILL: &str = "FAIL_POINT_KILL";

    struct Trace {
        file: File,
        reached: u64,
        dies_at: Option<u64>,
    }

    /// Passes a boundary: writes its name down, and dies here where that was asked for.
    pub(crate) fn reached(name: &'static str) {
        static ARMED: OnceLock<Option<Mutex<Trace>>> = OnceLock::new();
        let Some(trace) = ARMED.get_or_init(|| Trace::from_env().map(Mutex::new)) else {
            return;
        };
        let mut trace = trace.lock().expect("nobody panics while counting");
        trace.reached += 1;
        // One write, so that a line is whole or not there.
        let line = format!("{name}\n");
        trace
            .file
            .write_all(line.as_bytes())
            .expect("the trace can be written");
        if trace.dies_at == Some(trace.reached) {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
            unreachable!("nothing survives SIGKILL");
        }
    }

    impl Trace {
        fn from_env() -> Option<Self> {
            let path = env::var_os(TRACE)?;
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .expect("the trace can be opened");
            let dies_at = env::var(KILL)
                .ok()
                .map(|number| number.parse().expect("the boundary is a number"));
            Some(Self {
                file,
                reached: 0,
                dies_at,
            })
        }
    }
}
