//! What may go wrong with the API server and its objects: nothing is done twice, nothing is lost, and the sentence says
//! what to do.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::stub::{Reply, Request};

use super::{bad_release, lease, program};
use crate::scenarios::world::World;

fn writes(request: &Request, kind: &str) -> bool {
    request.method != "GET" && request.path().contains(kind)
}

#[test]
fn a_lease_that_another_takes_in_the_middle_stops_everything() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let namespace = world.objects().clone();
    // Once the intent is written, somebody else has the lock before anything is done.
    let thief = world.objects().behind(move |request| {
        let reply = namespace.pass_on(request).ok()?;
        let is_intent = writes(request, "/configmaps")
            && String::from_utf8_lossy(&request.body).contains("intended");
        if is_intent {
            let mut lease = namespace.leases().remove(0);
            lease["spec"]["holderIdentity"] = json!("the-thief");
            namespace.put("leases", &lease);
        }
        Some(reply)
    });
    world.objects().kubeconfig_for(world.folder(), &thief.url());
    let ran = program(&world).run().exits(1);
    assert!(ran.stderr.contains("was taken over by the-thief"), "{ran}");
    assert_eq!(world.server.push_attempts(), 0);
    drop(thief);
    // Whoever has it next goes on with what was begun.
    world.objects().frees_leases();
    world.objects().kubeconfig(world.folder());
    program(&world).run().exits(0);
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_config_map_that_another_writes_in_the_middle_stops_everything() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let namespace = world.objects().clone();
    let name = world.object_name();
    let editor = world.objects().behind(move |request| {
        let reply = namespace.pass_on(request).ok()?;
        if writes(request, "/configmaps")
            && String::from_utf8_lossy(&request.body).contains("intended")
        {
            let mut map = namespace.config_maps().remove(0);
            assert_eq!(map["metadata"]["name"], *name);
            map["data"]["holder"] = json!("another-run");
            namespace.put("configmaps", &map);
        }
        Some(reply)
    });
    world
        .objects()
        .kubeconfig_for(world.folder(), &editor.url());
    let ran = program(&world).run().exits(1);
    assert!(
        ran.stderr.contains("was taken over by another-run"),
        "{ran}"
    );
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn what_was_edited_by_hand_is_set_aside_and_rebuilt() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    for (round, text) in ["{", "not even that", "", "{\"schema\":3}"]
        .into_iter()
        .enumerate()
    {
        let mut map = world.object();
        map["data"]["state"] = json!(text);
        world.objects().put("configmaps", &map);
        let ran = program(&world)
            .env("ROLLBACK_ENABLED", "false")
            .run()
            .exits(0);
        assert!(
            ran.stderr
                .contains("is rebuilt from what is remembered elsewhere"),
            "{ran}"
        );
        let kept = world.objects().config_maps().into_iter();
        let kept: Vec<Value> = kept
            .filter(|map| {
                map["metadata"]["name"]
                    .as_str()
                    .is_some_and(|name| name.contains("-corrupt-"))
            })
            .collect();
        assert_eq!(kept.len(), (round + 1).min(3), "the newest three are kept");
        assert!(
            kept.iter().any(|map| map["data"]["state"] == *text),
            "{text:?} is kept"
        );
    }
    program(&world)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn whoever_looks_and_whoever_is_told_reads_which_config_map_was_damaged() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let mut map = world.object();
    map["data"]["state"] = json!("{");
    world.objects().put("configmaps", &map);
    let name = format!("ConfigMap {}", world.object_name());
    let status = program(&world).arguments(&["status"]).run().exits(0);
    let source = status.text("/source");
    assert!(
        source.contains(&format!("because {name} is damaged")),
        "{source}"
    );
    let doctor = program(&world)
        .arguments(&["doctor", "--output", "json"])
        .run();
    let findings = doctor.record["findings"].as_array().expect("findings");
    let of_it = findings
        .iter()
        .find(|it| it["subject"] == "state ConfigMap");
    let of_it = of_it.unwrap_or_else(|| panic!("{doctor}"));
    assert_eq!(of_it["tried"], format!("read {name}"));
    assert_eq!(of_it["state"], "warning");
    let ran = program(&world)
        .env("ROLLBACK_ENABLED", "false")
        .run()
        .exits(0);
    let news = ran.log().into_iter();
    let news: Vec<Value> = news
        .filter(|line| line["kind"] == "memory_rebuilt")
        .collect();
    let [news] = &news[..] else {
        panic!("people are told once: {ran}");
    };
    let detail = news["detail"].as_str().expect("a detail");
    assert!(
        detail.contains(&format!("{name} was damaged: ")),
        "{detail}"
    );
    for said in [&status, &doctor, &ran] {
        assert!(!said.stdout.contains("state file"), "{said}");
        assert!(!said.stderr.contains("state file"), "{said}");
    }
}

#[test]
fn what_was_deleted_is_read_back_and_its_limits_hold() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    program(&world)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    world.forgets();
    let ran = program(&world).run().exits(0);
    assert_eq!(world.rollback_commits(), 1, "{ran}");
    assert_eq!(world.remembered().len(), 1, "the branch still knew it");
}

#[test]
fn what_may_not_be_changed_is_told_before_anything_is_done() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let mut map = world.object();
    map["immutable"] = json!(true);
    world.objects().put("configmaps", &map);
    program(&world)
        .run()
        .exits(78)
        .complains_of(&["it is immutable", "delete the ConfigMap"]);
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn what_a_newer_version_wrote_is_refused() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let mut map = world.object();
    map["data"]["state"] = json!("{\"schema\":99,\"new\":true}");
    world.objects().put("configmaps", &map);
    program(&world)
        .run()
        .exits(78)
        .complains_of(&["has schema 99", "run the newer version"]);
}

#[test]
fn what_is_too_large_is_told_before_anything_is_done() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let mut service = world.kept(world.objects());
    // No rollback can be forgotten for this.
    let place = json!("x".repeat(1024 * 1024));
    service
        .notifications
        .places
        .insert("a ticket".to_owned(), place);
    let text = error_budget_monitor::journal::encode_service(&world.key(), &service, 7);
    let text = text.expect("JSON");
    let state = text.clone();
    let large = world.objects().behind({
        let namespace = world.objects().clone();
        move |request| {
            // etcd itself would not keep it.
            if request.method == "GET" && request.path().contains("/configmaps/") {
                let mut map = namespace.config_maps().remove(0);
                map["data"]["state"] = json!(state);
                return Some(Reply::json(200, map.to_string()));
            }
            None
        }
    });
    world.objects().kubeconfig_for(world.folder(), &large.url());
    let ran = program(&world).run();
    assert!(ran.stderr.contains("a ConfigMap holds 1 MiB"), "{ran}");
    assert!(ran.stderr.contains("STATE=file"), "{ran}");
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn a_conflict_without_end_ends_the_run() {
    for kind in ["/leases", "/configmaps"] {
        let Some((world, _)) = bad_release() else {
            return;
        };
        let conflict = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict",
                              "message": "the object has been modified", "code": 409});
        let stubborn = world.objects().behind(move |request| {
            writes(request, kind).then(|| Reply::json(409, conflict.to_string()))
        });
        world
            .objects()
            .kubeconfig_for(world.folder(), &stubborn.url());
        let ran = program(&world).run();
        assert!(matches!(ran.code, Some(1 | 75 | 78)), "{kind}: {ran}");
        assert_eq!(world.server.push_attempts(), 0, "{kind}: {ran}");
        let most = stubborn.requests().len();
        assert!(most < 60, "{kind}: {most} requests");
    }
}

#[test]
fn a_busy_api_server_is_asked_again_and_nothing_else_is() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let refused = AtomicUsize::new(0);
    let seen: &'static Mutex<Vec<String>> = Box::leak(Box::default());
    let busy = world.objects().behind(move |request| {
        let line = format!("{} {}", request.method, request.path());
        let mut seen = seen.lock().expect("one at a time");
        let is_first = !seen.contains(&line);
        seen.push(line);
        // The words of the API server, which are no Status.
        is_first.then(|| {
            refused.fetch_add(1, Ordering::SeqCst);
            Reply::text(429, "Too many requests, please try again later.\n")
                .with_header("Retry-After", "1")
        })
    });
    world.objects().kubeconfig_for(world.folder(), &busy.url());
    program(&world)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_slow_api_server_is_waited_for_within_bounds() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let namespace = world.objects().clone();
    let slow = world.objects().behind(move |request| {
        let reply = namespace.pass_on(request).ok()?;
        Some(reply.dripping(Duration::from_micros(50)))
    });
    world.objects().kubeconfig_for(world.folder(), &slow.url());
    program(&world)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(world.rollback_commits(), 1);
    drop(slow);
    let (world, _) = bad_release().expect("it is there");
    let silent = world.objects().behind(|_| Some(Reply::silence()));
    world
        .objects()
        .kubeconfig_for(world.folder(), &silent.url());
    program(&world)
        .env("STATE_TIMEOUT", "1s")
        .run()
        .exits(69)
        .complains_of(&["take Lease", "no answer within 1 s", "STATE_TIMEOUT"]);
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn an_api_server_that_is_gone_is_told() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    world
        .objects()
        .kubeconfig_for(world.folder(), "https://127.0.0.1:1");
    program(&world)
        .env("STATE_TIMEOUT", "1s")
        .run()
        .exits(69)
        .complains_of(&["take Lease", "the next run tries again"]);
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn a_broken_kubeconfig_is_refused_and_never_taken_for_the_cluster() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let path = world.folder().join("kubeconfig");
    let whole = fs::read_to_string(&path).expect("our own file");
    let in_a_cluster = |program: crate::scenarios::program::Program| {
        program
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", "1")
    };
    for (content, told) in [
        ("{", "cannot be used"),
        ("", "cannot be used"),
        ("{\"current-context\": \"nowhere\"}", "KUBERNETES_CONTEXT"),
        (&whole.replace("https://", "http://10.0.0.1/?"), "https://"),
    ] {
        fs::write(&path, content).expect("our own file");
        in_a_cluster(program(&world))
            .run()
            .exits(78)
            .complains_of(&["reach the API server", told]);
    }
    fs::remove_file(&path).expect("our own file");
    in_a_cluster(program(&world))
        .run()
        .exits(78)
        .complains_of(&["KUBECONFIG names", "mend the file"]);
    fs::write(&path, whole).expect("our own file");
    program(&world)
        .env("KUBERNETES_CONTEXT", "another")
        .run()
        .exits(78)
        .complains_of(&["the context another of KUBECONFIG"]);
    program(&world)
        .without("KUBECONFIG")
        .run()
        .exits(78)
        .complains_of(&["this is no pod", "set KUBECONFIG"]);
}

#[test]
fn a_run_that_is_killed_in_the_middle_is_gone_on_with() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let namespace = world.objects().clone();
    let (told, hears) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    // The API server is cut off once the intent is written; the run is killed then.
    let cut = world.objects().behind(move |request| {
        let reply = namespace.pass_on(request).ok()?;
        if writes(request, "/configmaps")
            && String::from_utf8_lossy(&request.body).contains("intended")
        {
            told.lock().expect("one at a time").send(()).ok();
            return Some(Reply::silence());
        }
        Some(reply)
    });
    world.objects().kubeconfig_for(world.folder(), &cut.url());
    let running = program(&world).env("STATE_LEASE", "1s").start();
    hears
        .recv_timeout(Duration::from_secs(60))
        .expect("the intent is written");
    let id = running.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-KILL", &id])
        .status();
    assert!(killed.expect("kill is there").success());
    running.wait_for_status();
    drop(cut);
    assert_ne!(lease(&world)["spec"]["holderIdentity"], Value::Null);
    world.objects().kubeconfig(world.folder());
    program(&world).run().exits(0);
    assert_eq!(world.rollback_commits(), 1);
    assert!(held_by_nobody(&world));
}

fn held_by_nobody(world: &World) -> bool {
    lease(world)["spec"]["holderIdentity"] == Value::Null
}
