//! Whether a person agrees to their own rollback: on a terminal they see the plan first and are asked.

use std::io::{self, IsTerminal, Write};

use crate::cli::RollbackArgs;
use crate::config::{Config, ManualConfig};
use crate::exit::Exit;
use crate::notify;
use crate::policy::{Plan, short};
use crate::record::{Record, RollbackOutcome};
use crate::stop::Signals;
use crate::terminal::{self, Colour};

use super::finished::Pass;

/// To what a person agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consent {
    /// To nothing: they were shown why nothing would be done.
    Nothing,
    /// To whatever is decided.
    Anything,
    /// To what they were shown.
    To {
        /// The revision that is rolled back.
        from: String,
        /// The revision that is restored.
        to: String,
    },
}

impl Consent {
    /// Says why a plan is not what the person agreed to; nothing where it is.
    pub(super) fn forbids(&self, plan: &Plan) -> Option<String> {
        let would = format!("{} would go back to {}", short(&plan.from), short(&plan.to));
        match self {
            Self::Anything => None,
            Self::To { from, to } if *from == plan.from && *to == plan.to => None,
            Self::To { .. } | Self::Nothing => Some(format!(
                "nothing was rolled back: meanwhile it is another plan, {would}; run it again to see it"
            )),
        }
    }
}

/// Returns to what the person agreed, without asking where that is said already or nothing would be changed. `shows`
/// returns what a dry run of the same command comes to.
///
/// # Errors
/// Ends the command where nobody can be asked, or the person does not say yes.
pub(super) async fn consent(
    arguments: &RollbackArgs,
    config: &Config,
    signals: &Signals,
    colour: Colour,
    shows: impl AsyncFnOnce(&Config) -> Pass,
) -> Result<Consent, Pass> {
    if config.run.dry_run || arguments.yes || is_implied(arguments, &config.manual) {
        return Ok(Consent::Anything);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Pass::refused(
            Exit::Usage,
            "a rollback by hand has to be agreed to, and there is no terminal to ask on: look at it with --dry-run, then \
             pass --yes (TARGET_COMMIT, TARGET_REVISION or ROLLBACK_REASON in the environment say yes too)"
                .to_owned(),
        ));
    }
    let mut shown = config.clone();
    shown.run.dry_run = true;
    let pass = shows(&shown).await;
    let record = pass.served.first().and_then(|served| served.ended.record());
    let Some((record, plan)) = record.and_then(|record| Some((record, planned(record)?))) else {
        return Ok(Consent::Nothing);
    };
    let question = format!(
        "{}\nRoll back {}/{} as shown? [y/N] ",
        terminal::dressed(&notify::record(record), colour, &io::stderr()),
        record.namespace,
        record.service
    );
    let says_yes = tokio::select! {
        answer = crate::blocking(move || ask(&question)) => answer,
        () = signals.told() => Ok(false),
    };
    match says_yes {
        Ok(true) => Ok(plan),
        Ok(false) => Err(Pass::refused(
            Exit::PersonNeeded,
            "nothing was rolled back: the answer was not yes".to_owned(),
        )),
        Err(error) => Err(Pass::refused(
            Exit::PersonNeeded,
            format!("nothing was rolled back: the terminal cannot be read: {error}; pass --yes"),
        )),
    }
}

/// Tells whether variables of a script say what is wanted: whoever sets them agreed. What an argument says, a person
/// typed.
fn is_implied(arguments: &RollbackArgs, manual: &ManualConfig) -> bool {
    let is_named = manual.target_commit.is_some() || manual.target_revision.is_some();
    (is_named && arguments.to.is_none()) || (manual.reason.is_some() && arguments.reason.is_none())
}

fn planned(record: &Record) -> Option<Consent> {
    let plan = record.rollback.as_ref()?;
    (plan.outcome == RollbackOutcome::WouldRollBack).then(|| Consent::To {
        from: plan.from.clone(),
        to: plan.to.clone(),
    })
}

/// Asks on the terminal, beside standard output, which holds the result. Only a clear yes is one.
fn ask(question: &str) -> io::Result<bool> {
    io::stderr().write_all(question.as_bytes())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}
