//! `status`, and what people read.

use chrono::TimeDelta;
use error_budget_monitor::journal::Phase;
use testkit::stub::ClosedPort;

use super::memory::past;
use super::program::Ran;
use super::world::World;

#[test]
fn shows_limits_holds_and_what_was_done() {
    let (world, v2) = World::with_a_bad_release();
    let earlier = past("earlier", TimeDelta::hours(30), Phase::Recovered);
    world.remembers(&[earlier]);
    let run = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    let id = run.text("/rollback/id");

    let json = world.nothing_changed_by(&world.program().arguments(&["status"]));
    let json = json.exits(0).complains_of_nothing().record;

    assert_eq!(json["verdict"], "burning");
    assert_eq!(json["in_flight"]["id"], *id);
    assert_eq!(json["in_flight"]["outcome"], "verifying");
    assert_eq!(json["limits"]["hour_used"], 1);
    assert_eq!(json["limits"]["day_max"], 3);
    assert_eq!(json["limits"]["open"], false);
    assert_eq!(json["holds"][1]["revision"], *v2);
    assert_eq!(json["rollbacks"][0]["to"], *world.v1);
    let limits = json["limits"]["detail"].as_str();
    assert!(limits.is_some_and(|detail| detail.contains("COOLDOWN")));

    world.recovered(TimeDelta::minutes(90));
    let text = world.program().arguments(&["status", "--output", "text"]);
    let text = world.nothing_changed_by(&text).exits(0);
    insta::assert_snapshot!(redacted(&world, &text), @r#"
    service        shop/bad-release  (status, #-#-# #:#:# UTC)
    verdict        burning
    budget         # % consumed of # % over # d, # bad of # events, coverage # %: ok, gone in # h
    burn rate      5m #  30m #  1h #  6h #
    availability   violated (# %, threshold # %, # of # slices, over it for # s)
    error_rate     violated (# %, threshold # %, # of # slices, over it for # s)
    latency_p95    ok (# s, threshold # s, # of # slices)
    latency_p99    ok (# s, threshold # s, # of # slices)
    limits         # of # in the last hour, # of # in the last # hours
    in flight      nothing
    pending        nothing
    on hold        bbbbbbbbbb (rollback earlier)
    on hold        <bad-release: release v2> (rollback <id>)
    rollback       #-#-# #:#:# UTC <id>: <bad-release: release v2> → <Set up the platform repository>, recovered
    rollback       #-#-# #:#:# UTC earlier: bbbbbbbbbb → aaaaaaaaaa, recovered
    memory         state
    "#);
}

#[test]
fn shows_what_is_remembered_while_prometheus_is_down() {
    let nobody = ClosedPort::reserve();
    let world = World::at(&nobody.url(), "healthy");
    world.remembers(&[past("earlier", TimeDelta::hours(30), Phase::Recovered)]);
    let program = world
        .program()
        .env("PROMETHEUS_TIMEOUT", "1s")
        .arguments(&["status"]);
    let ran = world.nothing_changed_by(&program).exits(69);
    let ran = ran.complains_of(&["Prometheus"]);
    assert_eq!(ran.record["verdict"], "unknown");
    assert_eq!(ran.record["budget"]["consumed"], serde_json::Value::Null);
    assert_eq!(ran.record["rollbacks"][0]["id"], "earlier");
}

#[test]
fn a_healthy_pass_in_words() {
    let world = World::of("healthy");
    let program = world.program().arguments(&["run", "--output", "text"]);
    let ran = world.nothing_changed_but_the_lock_by(&program).exits(0);
    insta::assert_snapshot!(redacted(&world, &ran), @r#"
    service        shop/healthy  (run, #-#-# #:#:# UTC)
    verdict        healthy
    decision       none (healthy): burn rate 1h #, 5m #; no SLO violated throughout the violation window
    budget         # % consumed of # % over # d, # bad of # events, coverage # %: ok, gone in # d
    burn rate      5m #  30m #  1h #  6h #
    availability   ok (# %, threshold # %, # of # slices)
    error_rate     ok (# %, threshold # %, # of # slices)
    latency_p95    ok (# s, threshold # s, # of # slices)
    latency_p99    ok (# s, threshold # s, # of # slices)

      pass         data          newest sample # s old, # % of the SLO window covered, clocks # s apart
      no           burning       as the decision says
      not reached  severity      # % of the budget consumed, and no SLO is violated throughout the violation window
      not reached  significance  nothing burns
      not reached  attribution   the repository was not asked
      not reached  target        nobody looked back: nothing burns, or too little is known to act
      not reached  not_a_loop    the repository was not read
      pass         limits        # of # in the last hour, # of # in the last # hours
      pass         approval      off
      pass         enabled       ROLLBACK_ENABLED is true
    "#);
}

#[test]
fn a_burn_that_stopped_minutes_ago_reads_as_one() {
    let world = World::of("recovered");
    // Many of these minutes were bad, and the newest are not.
    let program = world
        .program()
        .env("VIOLATION_FOR", "30m")
        .arguments(&["run", "--output", "text"]);
    let ran = world.nothing_changed_but_the_lock_by(&program).exits(0);
    let line = |name: &str| {
        let mut lines = ran.stdout.lines();
        lines
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
    };
    for slo in ["availability", "error_rate"] {
        assert!(
            line(slo).contains("kept in the newest slice, not in the whole window ("),
            "{ran}"
        );
    }
    // At the pace of the last minutes, not of the hour in which it burnt.
    assert!(line("budget").ends_with(" d"), "{ran}");
    assert!(!ran.stdout.contains("insufficient_traffic"), "{ran}");
}

#[test]
fn a_dry_run_that_would_roll_back_in_words() {
    let (world, _) = World::with_a_bad_release();
    let program = world
        .program()
        .arguments(&["--dry-run", "--output", "text"]);
    let ran = world.nothing_changed_by(&program).exits(0);
    insta::assert_snapshot!(redacted(&world, &ran), @r#"
    summary        bad-release would be put back to “Set up the platform repository” because # % of requests fail since #:# UTC, as “bad-release: release v2” was deployed
    service        shop/bad-release  (run, dry run, #-#-# #:#:# UTC)
    verdict        burning
    decision       rollback (trigger): every gate passed
    budget         # % consumed of # % over # d, # bad of # events, coverage # %: ok, gone in # h
    burn rate      5m #  30m #  1h #  6h #
    availability   violated (# %, threshold # %, # of # slices, over it for # s)
    error_rate     violated (# %, threshold # %, # of # slices, over it for # s)
    latency_p95    ok (# s, threshold # s, # of # slices)
    latency_p99    ok (# s, threshold # s, # of # slices)
    deployed       <bad-release: release v2> at #-#-# #:#:# UTC (git)
    suspect        <bad-release: release v2> is to blame; the burn began at #-#-# #:#:# UTC, # s after it
    bad events     # of # (# %) in the hour before it, # of # (# %) since
    fails most     status #: # of # bad in # min

      pass         data          newest sample # s old, # % of the SLO window covered, clocks # s apart
      pass         burning       burn rate 1h #, 5m #; burn rate 6h #, 30m #; availability violated; error rate violated
      pass         severity      # % of the budget consumed; an SLO is violated
      pass         significance  # bad of # events prove more than # % (p < #e-#)
      pass         attribution   <bad-release: release v2> was deployed # min ago, # s before the burn began; errors before # % of #, since # % of # (p < #e-#)
      pass         target        <bad-release: release v2> goes back to <Set up the platform repository>; <Set up the platform repository> was healthy in its last # h (errors # %)
      pass         not_a_loop    none of # remembered rollbacks went from <bad-release: release v2> to <Set up the platform repository>
      pass         limits        # of # in the last hour, # of # in the last # hours
      pass         approval      off
      pass         enabled       ROLLBACK_ENABLED is true

    goes back      <bad-release: release v2> (bad-release: release v2) by Team bad-release: apps/bad-release/deployment.yaml

    rollback       <id>: <bad-release: release v2> → <Set up the platform repository>, would_roll_back
      planned      gitops_revert  one commit on main of <git>/platform/gitops.git restores apps/bad-release

    diff --git a/apps/bad-release/deployment.yaml b/apps/bad-release/deployment.yaml
     a/apps/bad-release/deployment.yaml
    +++ b/apps/bad-release/deployment.yaml
    @@ -13,7 +13,7 @@ spec:
         spec:
           containers:
             - name: bad-release
    -          image: registry.example/bad-release:v2
    +          image: registry.example/bad-release:v1
               env:
                 - name: FAIL_RATIO
    -              value: "0.2"
    +              value: "0"
    "#);
}

#[test]
fn a_pass_that_cannot_know_in_words() {
    let nobody = ClosedPort::reserve();
    let world = World::at(&nobody.url(), "healthy");
    let program = world
        .program()
        .env("PROMETHEUS_TIMEOUT", "1s")
        .arguments(&["run", "--output", "text"]);
    let ran = program.run().exits(69);
    let text = redacted(&world, &ran).replace(&nobody.url(), "<prometheus>");
    insta::assert_snapshot!(text, @r#"
    service        shop/healthy  (run, #-#-# #:#:# UTC)
    verdict        unknown
    decision       hold (unknown_data): query Prometheus at <prometheus>: not reachable; check PROMETHEUS_URL and the network: no connection: Connection refused (os error #)
    next           repair what is unknown below; until then judge by other means
    budget         unknown consumed of # % over # d, unknown bad of unknown events, coverage unknown: unknown
    burn rate      5m unknown  30m unknown  1h unknown  6h unknown

    unknown        prometheus: query Prometheus at <prometheus>: not reachable; check PROMETHEUS_URL and the network: no connection: Connection refused (os error #)
    "#);
}

/// Replaces what differs from run to run: commits, addresses, ids of rollbacks, and every number.
fn redacted(world: &World, ran: &Ran) -> String {
    let mut text = ran.stdout.replace(&world.server.base_url(), "<git>");
    for commit in world.repo().log() {
        let name = format!("<{}>", commit.message.lines().next().unwrap_or_default());
        text = text.replace(&commit.id, &name);
        text = text.replace(&commit.id[..10], &name);
    }
    // A diff has numbers that belong to it; those of its header do not.
    let (numbers, diff) = text.split_once("\n---").unwrap_or((&text, ""));
    let lines = numbers.lines().map(|line| {
        let words: Vec<String> = line.split(' ').map(without_numbers).collect();
        words.join(" ")
    });
    let lines = lines.filter(|line| !line.starts_with("index "));
    let all: Vec<String> = lines.chain(diff.lines().map(str::to_owned)).collect();
    // Slices lie half a minute apart, so the beginning may seem to precede the deployment that caused it.
    all.join("\n").replace(" s before it\n", " s after it\n")
}

/// Replaces the numbers of a word, unless it is a name like `1h` or `p95`.
fn without_numbers(word: &str) -> String {
    if let Some(end) = word.strip_prefix("bad-release-2") {
        // A rollback's id ends in the first digits of a commit.
        let punctuation =
            end.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '-');
        return format!("<id>{punctuation}");
    }
    if word.contains(|letter: char| letter.is_ascii_lowercase()) && !word.contains("e-") {
        return word.to_owned();
    }
    let mut kept = String::new();
    for letter in word.chars() {
        match letter {
            '0'..='9' if kept.ends_with('#') => {}
            '0'..='9' => kept.push('#'),
            '.' if kept.ends_with('#') => {}
            letter => kept.push(letter),
        }
    }
    kept
}

#[test]
fn the_history_says_what_could_be_gone_back_to_and_what_was_rolled_back() {
    let (world, v2) = World::with_a_bad_release();
    let history = world.program().arguments(&["history"]);
    let ran = world.nothing_changed_by(&history).exits(0);
    let revision = |ran: &Ran, id: &str| {
        let revisions = ran.record["revisions"].as_array().expect("a list").clone();
        let mut found = revisions.into_iter();
        let found = found.find(|it| it["revision"] == id);
        found.unwrap_or_else(|| panic!("{id} is missing in {ran}"))
    };
    let bad = revision(&ran, &v2);
    assert_eq!(bad["title"], "bad-release: release v2");
    assert_eq!(bad["author"], "Team bad-release");
    assert_eq!(bad["is_at_tip"], true);
    let share = |it: &serde_json::Value| {
        let number = |name: &str| it[name].as_f64().expect("a number");
        number("bad_events") / number("total_events")
    };
    assert!(share(&bad) > 0.15, "{bad}");
    let good = revision(&ran, &world.v1);
    assert_eq!(good["passed_over"], serde_json::Value::Null);
    assert!(share(&good) < 0.001, "{good}");

    world.runs(&["run"]).exits(0).has_outcome("verifying");
    let ran = world.program().arguments(&["history"]).run().exits(0);
    assert_eq!(revision(&ran, &v2)["passed_over"], "was rolled back before");
    assert_eq!(ran.record["rollbacks"][0]["from"], *v2);
    let text = world
        .program()
        .arguments(&["history", "--output", "text"])
        .run();
    let said = &text.stdout;
    assert!(
        said.contains("bad-release: release v2 by Team bad-release, deployed "),
        "{said}"
    );
    assert!(
        said.contains("; passed over: it was rolled back before"),
        "{said}"
    );

    // Without Prometheus the revisions are shown all the same.
    let blind = world
        .program()
        .env("PROMETHEUS_URL", "http://127.0.0.1:1")
        .arguments(&["history"]);
    let ran = blind.run().exits(69);
    assert_eq!(revision(&ran, &v2)["bad_events"], serde_json::Value::Null);
}
