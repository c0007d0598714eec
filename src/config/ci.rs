//! What a CI system tells its steps. These are no settings of ours: the system sets them, nobody else has to, and
//! outside of CI there are none. So they are not part of the contract's table.

use std::{env, path::PathBuf};

/// Where the gate leaves its result for the steps that follow; nothing outside of CI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiConfig {
    /// `GITHUB_OUTPUT`: the file that takes the outputs of a step.
    pub github_output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`: the file that takes what the page of a run shows.
    pub github_step_summary: Option<PathBuf>,
    /// `GITHUB_ACTIONS`: whether lines that begin with `::` become annotations.
    pub takes_annotations: bool,
}

impl CiConfig {
    /// Reads the process environment. An empty value counts as not set.
    pub fn from_env() -> Self {
        let path = |name| {
            let path = env::var_os(name).filter(|path| !path.is_empty());
            path.map(PathBuf::from)
        };
        Self {
            github_output: path("GITHUB_OUTPUT"),
            github_step_summary: path("GITHUB_STEP_SUMMARY"),
            takes_annotations: env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
        }
    }
}
