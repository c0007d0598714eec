//! What happens around the runs: deployments, people's words, a memory that is lost, the clock.

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;

use super::promises::{Act, Broken};
use super::run::{Driver, SERVICE};
use super::steps::{Deployment, Fault, Loss, Step};
use super::world::PullState;
use crate::journal::{Rollback, ServiceState, Signature};
use crate::rollback::approval::{ApprovalError, Effect, approve, reject, release};

type Say = fn(&ServiceState, &str, Signature) -> Result<Effect, ApprovalError>;

impl Driver {
    pub(crate) fn take(&mut self, step: Step) -> Result<(), Broken> {
        match step {
            Step::Deploy(deployment) => self.deploy(deployment),
            Step::Outage(is_out) => self.world.set_outage(is_out),
            Step::Wait(minutes) => self.world.time += TimeDelta::minutes(minutes),
            Step::Jump(minutes) => {
                self.world.ahead += TimeDelta::minutes(minutes);
                self.count(if minutes < 0 {
                    "jumps back"
                } else {
                    "jumps ahead"
                });
            }
            Step::Run(fault) => self.run(fault)?,
            Step::Manual(fault) => self.manual(fault)?,
            Step::Approve => self.agree()?,
            Step::Reject => self.refuse()?,
            Step::Release(back) => self.release(back)?,
            Step::Merge => self.merge()?,
            Step::Close => self.close(),
            Step::Lose(loss) => self.lose(loss),
            Step::Enabled(enabled) => self.rules.enabled = enabled,
            Step::RequireApproval(required) => self.rules.require_approval = required,
            Step::PullRequests(wanted) => self.rules.by_pull_request = wanted,
            Step::Limits {
                cooldown,
                hour,
                day,
                back,
                attribution,
            } => {
                self.rules.require_attribution = attribution;
                self.rules.revisions_back = back;
                self.rules.cooldown = TimeDelta::minutes(cooldown);
                self.rules.per_hour = hour as usize;
                self.rules.per_day = day as usize;
            }
            Step::Blackout(blackout) => self.rules.blackout = blackout,
        }
        self.keep_generation();
        Ok(())
    }

    /// Lets everything come to its end: nothing goes wrong any more, and the clock has passed all that was written
    /// down.
    pub(crate) fn settle_down(&mut self) -> Result<(), Broken> {
        // What burns on would be rolled back again and again.
        self.world.set_outage(false);
        self.deploy(Deployment::Good);
        self.rules.enabled = true;
        self.rules.blackout = super::steps::Blackout::None;
        self.world.ahead = self.world.ahead.max(TimeDelta::zero()) + TimeDelta::days(30);
        for _ in 0..6 {
            self.run(Fault::None)?;
            self.world.time += TimeDelta::minutes(20);
        }
        let state = self.open()?.state().service(SERVICE);
        self.promises.nothing_is_lost(&state)
    }

    fn deploy(&mut self, deployment: Deployment) {
        let commits = &self.world.commits;
        let content = match deployment {
            Deployment::Good => Some(self.world.new_content(false)),
            Deployment::Bad => {
                self.count("bad deployments");
                Some(self.world.new_content(true))
            }
            Deployment::Again(back) => {
                let earlier = commits.iter().rev().nth(back + 1);
                earlier.map(|commit| commit.content)
            }
            Deployment::TakenBack => {
                let mut marks = commits.iter().rev().filter_map(|it| it.mark.as_ref());
                let taken = marks.next().and_then(|it| self.world.content_of(&it.from));
                if taken.is_some() {
                    self.count("brought back");
                }
                taken
            }
        };
        // A commit that leaves the watched paths alone is no change of them.
        if let Some(content) = content.filter(|it| *it != self.world.tip().content) {
            self.count("deployments");
            self.world.commit(content, None);
        }
    }

    /// A person says a word about a rollback. Returns it as it was written down, where it was.
    fn say(&mut self, word: Say, id: &str) -> Result<Option<Rollback>, Broken> {
        let mut journal = self.open()?;
        let signature = Signature {
            by: "a person".to_owned(),
            at: self.world.clock(),
            reason: None,
        };
        let Ok(effect) = word(&journal.state().service(SERVICE), id, signature) else {
            self.count("words refused");
            return Ok(None);
        };
        if !effect.is_new {
            return Ok(None);
        }
        self.writes(&mut journal, &effect.rollback)?;
        Ok(Some(effect.rollback))
    }

    fn waiting(&self) -> Result<Option<Rollback>, Broken> {
        let state = self.open()?.state().service(SERVICE);
        // Also one that does not wait: it must be refused.
        let newest = || state.rollbacks.last();
        Ok(state.pending().or_else(newest).cloned())
    }

    fn agree(&mut self) -> Result<(), Broken> {
        let Some(waiting) = self.waiting()? else {
            return Ok(());
        };
        if self.say(approve, &waiting.id)?.is_some() {
            self.count("said yes");
            let (world, rules) = (&self.world, &self.rules);
            self.promises.agrees(&waiting.id, world, rules)?;
        }
        Ok(())
    }

    fn refuse(&mut self) -> Result<(), Broken> {
        let Some(waiting) = self.waiting()? else {
            return Ok(());
        };
        if self.say(reject, &waiting.id)?.is_some() {
            self.count("said no");
            let Act { id, from, .. } = self.act_of(&waiting)?;
            self.promises.rejects(&id, from);
        }
        Ok(())
    }

    fn release(&mut self, back: usize) -> Result<(), Broken> {
        let state = self.open()?.state().service(SERVICE);
        let Some(past) = state.rollbacks.iter().rev().nth(back) else {
            return Ok(());
        };
        if self.say(release, &past.id)?.is_some() {
            self.count("released");
            self.promises.releases(&past.id);
        }
        Ok(())
    }

    fn open_pull(&self) -> Option<usize> {
        let mut pulls = self.world.pulls.iter();
        pulls.rposition(|pull| pull.state == PullState::Open)
    }

    fn merge(&mut self) -> Result<(), Broken> {
        let Some(place) = self.open_pull() else {
            return Ok(());
        };
        let pull = &mut self.world.pulls[place];
        let (mark, from, to) = (pull.mark.clone(), pull.from, pull.to);
        if self.world.tip().content != from {
            return Ok(());
        }
        self.world.pulls[place].state = PullState::Merged(self.world.clock());
        let act = Act {
            id: mark.id.clone(),
            // Whoever merges it takes the word of a machine for their own.
            is_manual: true,
            from,
            to,
        };
        self.world.commit(to, Some(mark));
        self.count("merged");
        self.promises.lands(&act, &self.world)
    }

    fn close(&mut self) {
        if let Some(place) = self.open_pull() {
            self.count("closed");
            let pull = &mut self.world.pulls[place];
            pull.state = PullState::Closed;
            let (id, from) = (pull.mark.id.clone(), pull.from);
            self.promises.rejects(&id, from);
        }
    }

    fn lose(&mut self, loss: Loss) {
        let mut before = self.file.clone().into_os_string();
        before.push(".prev");
        let before = PathBuf::from(before);
        if !self.file.exists() {
            return;
        }
        match loss {
            Loss::All => {
                self.count("lost: all");
                remove(&self.file);
                remove(&before);
            }
            Loss::File => {
                self.count("lost: the file");
                remove(&self.file);
            }
            Loss::Damaged => {
                self.count("lost: damaged");
                damage(&self.file);
            }
            Loss::BothDamaged => {
                self.count("lost: both damaged");
                damage(&self.file);
                damage(&before);
            }
            Loss::Older(back) => {
                let Some(older) = self.generations.iter().rev().nth(back + 1) else {
                    return;
                };
                fs::write(&self.file, older).expect("a file");
                self.count("lost: an older one put back");
            }
        }
        self.promises.forgets();
    }
}

fn remove(file: &PathBuf) {
    if file.exists() {
        fs::remove_file(file).expect("a file");
    }
}

/// One bit in the middle falls over.
fn damage(file: &PathBuf) {
    if let Ok(mut bytes) = fs::read(file) {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).expect("a file");
    }
}
