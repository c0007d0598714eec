//! Variables of the environment that are none of ours and look like one: whoever misspells a switch must not find out
//! by what the program does.

use strsim::osa_distance;

use super::variables::VARIABLES;

/// What our names begin with, where hardly anybody else's do. Source: the contract's table of variables.
const OURS: [&str; 9] = [
    "ATTRIBUTION_",
    "AUTO_ROLLBACK_",
    "ARGOCD_",
    "BLACKOUT_",
    "BUDGET_",
    "ERROR_BUDGET_",
    "GITOPS_",
    "ROLLBACK_",
    "VERIFY_",
];

/// What begins like ours and belongs to others: the `argocd` program, and what Argo CD sets for its plugins. Source:
/// its documentation of environment variables.
const OTHERS: [&str; 6] = [
    "ARGOCD_APP_",
    "ARGOCD_AUTH_TOKEN",
    "ARGOCD_CONFIG_DIR",
    "ARGOCD_ENV_",
    "ARGOCD_OPTS",
    "ARGOCD_SYNC_",
];

/// What decides whether, where and how often something is rolled back.
const SWITCHES: [&str; 24] = [
    "APPROVAL_TIMEOUT",
    "ARGOCD_MAY_DISABLE_AUTO_SYNC",
    "AUTO_ROLLBACK_CRITICAL",
    "AUTO_ROLLBACK_EMERGENCY",
    "BLACKOUT_WINDOWS",
    "COOLDOWN",
    "DRY_RUN",
    "EMERGENCY_OVERRIDES_BLACKOUT",
    "ERROR_BUDGET",
    "GITOPS_BRANCH",
    "GITOPS_MODE",
    "GITOPS_PATH",
    "GITOPS_REPO",
    "MAX_REVISIONS_BACK",
    "MAX_ROLLBACKS_PER_DAY",
    "MAX_ROLLBACKS_PER_HOUR",
    "MAX_ROLLBACKS_PER_HOUR_FLEET",
    "MIN_EVENTS",
    "REQUIRE_ACTIVE_BURN",
    "REQUIRE_APPROVAL",
    "REQUIRE_ATTRIBUTION",
    "REQUIRE_SEEN_LIVE",
    "ROLLBACK_ENABLED",
    "TRAILER_KEY",
];

/// How many letters may differ at most in a name of ours.
const MOST_TOLERATED: usize = 3;

/// A variable that looks like one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelt {
    /// Its name; the value is nobody's business.
    pub name: String,
    /// The nearest of ours.
    pub nearest: &'static str,
    /// Whether it is near a switch that is not set itself: then nothing is begun.
    pub stops: bool,
}

impl std::fmt::Display for Misspelt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, nearest, .. } = self;
        write!(
            f,
            "{name} is no variable of this program and does nothing; the nearest is {nearest}: correct the name, or unset it"
        )
    }
}

/// Finds the names that look like one of ours, in their order. `names` are all names of the environment.
pub(super) fn misspelt(names: &[String]) -> Vec<Misspelt> {
    let found = names.iter().filter_map(|name| {
        if is_known(name) || is_of_others(name) || is_of_kubernetes(name) {
            return None;
        }
        let begins_like_ours = OURS.iter().any(|prefix| name.starts_with(prefix));
        let (nearest, distance) = nearest(name, begins_like_ours)?;
        let is_near = distance <= tolerated(nearest);
        let is_set = names.iter().any(|other| other == nearest);
        (is_near || begins_like_ours).then(|| Misspelt {
            name: name.clone(),
            nearest,
            stops: is_near && !is_set && SWITCHES.contains(&nearest),
        })
    });
    found.collect()
}

/// How many letters may differ, be swapped, missing or too many: one in six, so that short names of others stay theirs.
fn tolerated(name: &str) -> usize {
    (name.len() / 6).clamp(1, MOST_TOLERATED)
}

/// Finds the nearest of ours: of a name that is not near any, nothing may be found.
fn nearest(name: &str, begins_like_ours: bool) -> Option<(&'static str, usize)> {
    let upper = name.to_ascii_uppercase();
    let plain = upper.strip_suffix("_FILE");
    let forms = || [Some(upper.as_str()), plain].into_iter().flatten();
    let ours = VARIABLES.iter().map(|variable| variable.name);
    // What is longer or shorter by more is no misspelling: an environment has many names, and comparing takes time.
    let may_be = ours.filter(|ours| {
        begins_like_ours || forms().any(|form| form.len().abs_diff(ours.len()) <= MOST_TOLERATED)
    });
    may_be
        .filter_map(|ours| {
            let distance = forms().map(|form| osa_distance(form, ours)).min()?;
            Some((ours, distance))
        })
        .min_by_key(|(_, distance)| *distance)
}

fn is_known(name: &str) -> bool {
    super::reader::is_known(name)
}

fn is_of_others(name: &str) -> bool {
    OTHERS.iter().any(|prefix| name.starts_with(prefix))
}

/// Tells whether Kubernetes sets a variable for a Service, such as `GITOPS_SERVICE_HOST` or `ARGOCD_PORT_443_TCP_ADDR`.
/// Source: Kubernetes' documentation of Services.
fn is_of_kubernetes(name: &str) -> bool {
    let after = |marker: &str| name.split_once(marker).map(|(_, rest)| rest);
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_PORT")
        || after("_SERVICE_PORT").is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        || after("_PORT_").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, &'static str, bool)> {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let found = misspelt(&names);
        found
            .into_iter()
            .map(|it| (it.name, it.nearest, it.stops))
            .collect()
    }

    #[test]
    fn every_switch_is_a_variable() {
        for switch in SWITCHES {
            assert!(VARIABLES.iter().any(|it| it.name == switch), "{switch}");
        }
    }

    #[test]
    fn a_misspelt_switch_stops_and_anything_else_like_ours_is_named() {
        for (name, nearest, stops) in [
            ("REQUIRE_APROVAL", "REQUIRE_APPROVAL", true),
            ("ERORR_BUDGET", "ERROR_BUDGET", true),
            ("GITOPS_BRANCHE", "GITOPS_BRANCH", true),
            ("DRYRUN", "DRY_RUN", true),
            ("dry_run", "DRY_RUN", true),
            ("ROLLBACK_ENABLE", "ROLLBACK_ENABLED", true),
            ("BLACKOUT_WINDOW", "BLACKOUT_WINDOWS", true),
            ("MAX_ROLLBACK_PER_HOUR", "MAX_ROLLBACKS_PER_HOUR", true),
            ("PROMETHEUS_TOKN_FILE", "PROMETHEUS_TOKEN", false),
            ("VERIFY_TIME", "VERIFY_TIMEOUT", false),
        ] {
            let all = found(&[name]);
            assert_eq!(all.len(), 1, "{name}");
            assert_eq!((all[0].1, all[0].2), (nearest, stops), "{name}");
        }
        let far = found(&["GITOPS_SOMETHING_ELSE_ENTIRELY"]);
        assert!(matches!(&far[..], [(_, _, false)]), "{far:?}");
        // The right one is set as well, and counts.
        let both = found(&["REQUIRE_APROVAL", "REQUIRE_APPROVAL"]);
        assert!(matches!(&both[..], [(_, _, false)]), "{both:?}");
    }

    #[test]
    fn ours_and_those_of_others_are_silent() {
        let ours = VARIABLES.iter().map(|variable| variable.name.to_owned());
        let files = VARIABLES
            .iter()
            .filter(|variable| variable.secret)
            .map(|variable| format!("{}_FILE", variable.name));
        let all: Vec<String> = ours.chain(files).collect();
        assert_eq!(misspelt(&all), []);
        let foreign = [
            "PATH",
            "HOME",
            "HOSTNAME",
            "LANG",
            "TERM",
            "PWD",
            "SHLVL",
            "USER",
            "TZ",
            "CI",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "SSL_CERT_FILE",
            "HTTPS_PROXY",
            "NO_PROXY",
            "NO_COLOR",
            "GITHUB_TOKEN",
            "GITHUB_REPOSITORY",
            "GIT_SSH_COMMAND",
            "SLACK_CHANNEL_ID",
            "MAX_CONNECTIONS",
            "NAMESPACES_DIR",
            "KUBERNETES_SERVICE_HOST",
            "KUBERNETES_PORT_443_TCP_ADDR",
            "GITOPS_SERVICE_HOST",
            "GITOPS_PORT",
            "GITOPS_SERVICE_PORT_HTTP",
            "ARGOCD_PORT_80_TCP",
            "ARGOCD_SERVER_SERVICE_PORT",
            "ARGOCD_OPTS",
            "ARGOCD_AUTH_TOKEN",
            "ARGOCD_ENV_X",
            "PROMETHEUS_SERVICE_HOST",
        ];
        assert_eq!(found(&foreign), []);
    }
}
