//! Argo CD's behaviours A1 to A56 as the real program meets them. The stand-in's own tests have the same numbers, where
//! no recording of a real Argo CD shows the behaviour.
//!
//! | # | tests, or why it is never met |
//! |---|---|
//! | A1 | `a1_every_write_says_that_it_is_json_and_nothing_more` |
//! | A2 | `a2_plain_http_and_https_are_not_mistaken_for_each_other` |
//! | A3 | `a3_an_expired_token_is_named_and_nothing_is_done`, `a3_a_token_that_dies_before_the_rollback_leaves_it_to_the_next_run` |
//! | A4 | `a4_a_name_that_is_locked_out_is_told_so_and_asked_for_once`, `a_wrong_password_is_tried_once` |
//! | A5 | `a5_a_missing_application_and_one_of_another_project_are_named`, `a5_a_read_that_fails_once_does_nothing_and_the_next_run_goes_on` |
//! | A6 | `a6_a_wrong_root_path_is_named_and_the_right_one_works`; every scene checks that no field is dropped |
//! | A7 | `a7_auto_sync_that_is_switched_on_meanwhile_leaves_it_to_the_branch` |
//! | A8 | `a8_an_application_that_is_deleted_meanwhile_fails_and_leaves_the_branch`, `what_is_under_way_holds` |
//! | A9 | `a9_an_entry_that_is_cut_off_meanwhile_leaves_it_to_the_branch` |
//! | A10 | `a10_what_somebody_else_deployed_meanwhile_is_not_undone`, `a10_the_bad_revision_on_its_way_again_is_ended_first` |
//! | A11 | `a11_the_first_entry_has_the_id_0_and_is_asked_for_as_it_is` |
//! | A12 | `a_lost_answer_ends_in_one_operation`, `an_operation_that_was_asked_for_before_the_run_died_is_found` |
//! | A13 | `a13_a_controller_that_does_not_begin_is_named_after_a_minute` |
//! | A14 | `a14_an_operation_that_runs_is_followed_and_a_later_run_goes_on` |
//! | A15 | `a15_history_comes_before_the_end_and_is_not_taken_for_it` |
//! | A16 | `a16_success_counts_once_argocd_has_compared_what_runs` |
//! | A17 | `without_auto_sync_the_application_goes_first_and_the_branch_follows` |
//! | A18 | `a_rollback_that_argocd_cannot_do_fails_and_leaves_the_branch` |
//! | A19 | `a19_an_old_revision_that_cannot_be_rendered_fails_and_leaves_the_branch`, `a19_without_git_a_rollback_fails_and_leaves_the_branch` |
//! | A20 | `a20_a_sync_that_is_tried_again_is_waited_for`, `a_release_that_retries_is_ended_first` |
//! | A21 | `a21_a_bad_operation_that_ends_just_before_it_is_told_to_needs_no_ending` |
//! | A22 | `a22_a_dry_run_of_what_was_put_back_is_not_taken_for_its_deployment` |
//! | A23 | `a23_a_rollback_runs_no_hooks_and_what_was_added_is_told` |
//! | A24 | `a24_a_sync_that_waits_says_for_what_and_a_later_run_goes_on` |
//! | A25 | `a25_a_rollback_that_a_window_parks_is_named_after_a_minute` |
//! | A26 | `a26_a_window_that_lets_people_through_lets_the_program_through` |
//! | A27 | `a27_a_sync_that_a_window_refuses_is_asked_for_again_when_it_opens`, `a_sync_window_holds_and_says_so` |
//! | A28 | `a28_an_operation_that_does_not_end_is_named_and_told_once`, `a_release_that_retries_is_ended_first` |
//! | A29 | `a29_what_somebody_else_queued_is_waited_for_and_not_ended` |
//! | A30 | `a30_a_bad_operation_that_is_parked_cannot_be_ended_until_the_window_opens` |
//! | A31 | `a31_an_operation_that_the_controller_ends_fails_and_leaves_the_branch` |
//! | A32 | `a32_a_release_that_was_taken_back_by_hand_is_no_target`, `a32_the_same_revision_deployed_again_keeps_the_target_and_the_time` |
//! | A33 | `a33_a_sync_of_some_objects_is_not_taken_for_the_deployment` |
//! | A34 | `a34_an_empty_history_holds` |
//! | A35 | `a35_an_application_of_two_repositories_goes_back_as_a_whole`, `a35_a_source_that_is_gone_fails_the_rollback_and_leaves_the_branch` |
//! | A36 | `with_auto_sync_the_branch_is_reverted_and_then_synced` |
//! | A37 | `what_is_under_way_holds` |
//! | A38 | `a38_a_revert_that_auto_sync_failed_to_deploy_is_asked_for_once` |
//! | A39 | `a39_a_revert_is_deployed_although_the_bad_revision_failed` |
//! | A40 | `a_release_that_retries_is_ended_first` |
//! | A41 | `a41_a_branch_that_followed_a_rollback_is_not_still_to_be_deployed`, `without_auto_sync_the_application_goes_first_and_the_branch_follows` |
//! | A42 | `a42_self_heal_beside_the_program_is_no_deployment` |
//! | A43 | `a43_the_bad_revision_that_comes_back_is_told_and_nothing_is_done_twice`; the program itself never switches auto-sync on |
//! | A44 | `a44_an_operation_of_an_old_copy_that_undoes_the_rollback_is_told` |
//! | A45 | `a45_what_only_needs_pruning_does_not_keep_a_revert_from_being_done`, `a_sync_window_holds_and_says_so` |
//! | A46 | `an_application_that_stays_degraded_is_not_recovered` |
//! | A47 | `a47_without_git_an_old_comparison_is_not_taken_for_a_new_one` |
//! | A48 | `a48_a_comparison_that_fails_after_the_revert_is_told`, `a48_a_sync_that_argocd_refuses_without_git_is_told_after_the_revert` |
//! | A49 | `a49_auto_sync_can_be_switched_off_while_git_is_down` |
//! | A50 | cannot be seen, so what is written was read right before: `a50_the_specification_is_written_right_after_it_was_read` |
//! | A51 | `a51_on_an_old_server_the_whole_block_is_taken_out_and_kept` |
//! | A52 | never met: no PATCH is sent, as every scene checks |
//! | A53 | `a53_an_application_set_that_switches_auto_sync_on_again_stops_it`, `an_owner_that_switches_auto_sync_on_again_stops_it` |
//! | A54 | `a54_a_refresh_that_is_never_answered_is_given_up_and_the_sync_asked_for` |
//! | A55 | never met: no revision is named, as `a38_a_revert_that_auto_sync_failed_to_deploy_is_asked_for_once` checks |
//! | A56 | `a_lost_answer_ends_in_one_operation`, `a_request_that_never_arrived_is_sent_once_more_when_that_is_sure` |

mod access;
mod auto_sync;
mod ended;
mod history;
mod queued;
mod refused;
mod repository;
mod several_sources;
mod table;
mod transport;
mod windows;

use std::time::Duration;

use testkit::argocd::{Fault, Phase};
use testkit::stub::Reply;

use super::super::program::Ran;
use super::*;

/// The program, which gives Argo CD a moment only: for what does not come about.
fn hurried(scene: &Scene) -> Program {
    scene.program().env("VERIFY_TIMEOUT", "1s")
}

/// A person's rollback of the application, which may switch auto-sync off.
fn switching(scene: &Scene) -> Program {
    scene
        .program()
        .arguments(&["rollback", "argocd"])
        .env("ARGOCD_MAY_DISABLE_AUTO_SYNC", "true")
        .env("VERIFY_TIMEOUT", "9s")
}

/// Gives the account the right to change the application too.
fn may_update(scene: &mut Scene) {
    let rights = ["get", "sync", "update"];
    let object = format!("payments/{APP}");
    scene.token = scene.argo.token_for(ACCOUNT, &rights, &object);
}

/// Changes the world when a request comes, before it is looked at.
fn before(
    scene: &Scene,
    method: &str,
    fragment: &str,
    change: impl FnOnce(&mut testkit::argocd::World) + Send + 'static,
) {
    let fault = Fault::Before(Box::new(change));
    scene.argo.fault(method, fragment, fault);
}

/// Returns what was to change something, as `POST rollback`; a login is not among it.
fn writes(scene: &Scene) -> Vec<String> {
    let asked = scene.argo.requests();
    asked
        .iter()
        .filter(|it| it.method != "GET" && !it.path.ends_with("/session"))
        .map(|it| {
            let deed = it.path.rsplit('/').next().unwrap_or_default();
            format!("{} {deed}", it.method)
        })
        .collect()
}

/// Counts the logins.
fn logins(scene: &Scene) -> usize {
    let asked = scene.argo.requests();
    let logins = asked.iter().filter(|it| it.path.ends_with("/session"));
    logins.count()
}

/// Counts the operations that this program asked for.
fn ours(scene: &Scene) -> usize {
    let operations = scene.operations();
    operations.iter().filter(|(_, by)| by == ACCOUNT).count()
}

/// Checks what holds at the end of every scene: one operation and one commit of ours at most, and requests as Argo CD
/// wants them.
#[track_caller]
fn is_well_behaved(scene: &Scene, ran: &Ran) {
    assert!(ours(scene) <= 1, "{:?}\n{ran}", scene.operations());
    assert!(scene.world.rollback_commits() <= 1, "{ran}");
    for asked in scene.argo.requests() {
        assert_ne!(asked.method, "PATCH", "{asked:?}");
        if asked.method != "GET" {
            let kind = asked.content_type.as_deref();
            assert_eq!(kind, Some("application/json"), "{asked:?}");
        }
        let project = ("project".to_owned(), "payments".to_owned());
        let has_project =
            asked.query.contains(&project) || asked.body.contains(r#""project":"payments""#);
        let is_of_the_app = asked.path.contains("/applications/shop-web");
        assert!(has_project || !is_of_the_app, "{asked:?}");
    }
    let unknown = scene.argo.look(|known| known.dropped_fields().to_vec());
    assert_eq!(unknown, Vec::<String>::new());
    ran_keeps_the_token(scene, ran);
}

#[track_caller]
fn ran_keeps_the_token(scene: &Scene, ran: &Ran) {
    for said in [&ran.stdout, &ran.stderr] {
        assert!(!said.contains(&scene.token), "the token is told");
    }
}

/// Checks that the rollback was begun and its next step is still to come: the next run goes on with it.
#[track_caller]
fn waits(ran: &Ran, step: &str, words: &str) {
    let last = steps(ran).pop().unwrap_or_default();
    assert_eq!(last, format!("{step} pending"), "{ran}");
    let said = ran.record["rollback"]["steps"]
        .as_array()
        .and_then(|steps| steps.last()?["detail"].as_str())
        .unwrap_or_default();
    assert!(said.contains(words), "{words:?} is missing in {said:?}");
}

/// Runs the program again, which must finish the rollback.
#[track_caller]
fn is_finished_later(scene: &Scene) -> Ran {
    let ran = scene.program().run().exits(0).decides("resume", "resumed");
    let done = steps(&ran);
    assert!(done.contains(&"gitops_revert done".to_owned()), "{ran}");
    assert_eq!(scene.live(), "v1", "{ran}");
    assert_eq!(scene.world.rollback_commits(), 1, "{ran}");
    is_well_behaved(scene, &ran);
    ran
}

/// Lets two minutes pass since the operation was asked for.
fn two_minutes_later(scene: &Scene) {
    let ago = TimeDelta::minutes(2);
    let mut rollback = scene.world.remembered().remove(0);
    let operation = rollback.argocd.as_mut().expect("an operation");
    operation.asked_at = operation.asked_at.map(|at| at - ago);
    scene.world.remembers(&[rollback]);
    scene.argo.change(|known| {
        if let Some(state) = &mut known.app_mut(APP).status.operation_state {
            state.started_at -= ago;
        }
    });
}

/// Returns the manifest of the service.
fn manifest(scene: &Scene) -> String {
    testkit::git::MonoRepo::manifest_path(&scene.world.service())
}
