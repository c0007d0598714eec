//! What the host is set up like must not matter.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use super::*;

/// Names the repository that a child of this test program is to roll back.
const URL_VARIABLE: &str = "GIT_CLIENT_TEST_URL";

/// The work of the child; on its own it does the same under the host's real settings.
#[test]
fn rolls_back_whatever_the_host_is_set_up_like() {
    let (_own, url) = match std::env::var(URL_VARIABLE) {
        Ok(url) => (None, url),
        Err(_) => {
            let own = seeded_with_a_bad_release();
            let url = own.server.url(NAME);
            (Some(own), url)
        }
    };
    refused_read(&git(GitSettings {
        branch: "nothing".to_owned(),
        ..settings(&url)
    }));
    let snapshot = read(&git(settings(&url)));
    let target = snapshot.changes[1].revision.clone();
    let (_, answer) = roll_back(&snapshot, &target);
    assert_eq!(answer, Push::Accepted);
}

#[test]
fn the_host_s_git_settings_do_not_matter() {
    for config in [
        "[this is not a git configuration",
        "[url \"https://elsewhere.invalid/\"]\n\tinsteadOf = error-budget-monitor\n\tinsteadOf = http\n\
         [core]\n\trepositoryFormatVersion = 99\n\tbare = false\n\tworktree = /nonexistent\n\
         [init]\n\tdefaultBranch = ..\n\ttemplateDir = /nonexistent\n\
         [http]\n\tproxy = http://127.0.0.1:1\n[remote \"origin\"]\n\turl = /nonexistent\n",
    ] {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::write(home.path().join(".gitconfig"), config).expect("our own folder");
        fs::create_dir_all(home.path().join("git")).expect("our own folder");
        fs::write(home.path().join("git/config"), config).expect("our own folder");
        in_child(home.path(), &std::env::temp_dir());
    }
}

#[test]
fn a_home_that_cannot_be_read_does_not_matter() {
    let home = tempfile::tempdir().expect("a temporary folder");
    // A folder in the place of the file is unreadable for everybody, the superuser too.
    fs::create_dir(home.path().join(".gitconfig")).expect("our own folder");
    fs::create_dir_all(home.path().join("git/config")).expect("our own folder");
    in_child(home.path(), &std::env::temp_dir());

    let locked = tempfile::tempdir().expect("a temporary folder");
    fs::write(locked.path().join(".gitconfig"), "[core]\n").expect("our own folder");
    let permit = |mode| {
        fs::set_permissions(locked.path(), fs::Permissions::from_mode(mode))
            .expect("our own folder");
    };
    permit(0o000);
    in_child(locked.path(), &std::env::temp_dir());
    permit(0o700);
}

#[test]
fn scratch_folders_may_lie_behind_a_link_or_inside_a_repository_and_none_is_left_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repository = folder.path().join("work/.git");
    GitRepo::create(&repository);
    let link = folder.path().join("link");
    symlink(&repository, &link).expect("our own folder");
    in_child(Path::new("/nonexistent"), &link);
    let left: Vec<_> = fs::read_dir(&repository)
        .expect("our own folder")
        .filter_map(|entry| entry.expect("readable").file_name().into_string().ok())
        .filter(|name| name.starts_with("error-budget-monitor-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn seeded_with_a_bad_release() -> World {
    let world = seeded();
    world.release("v2", 1);
    world
}

/// Rolls back a repository of this process from another one with these folders.
fn in_child(home: &Path, temporary: &Path) {
    let world = seeded_with_a_bad_release();
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "git_client::host::rolls_back_whatever_the_host_is_set_up_like",
        ])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("TMPDIR", temporary)
        .env(URL_VARIABLE, world.server.url(NAME))
        .output()
        .expect("this program runs again");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(world.repo.log()[0].message, MESSAGE);
}
